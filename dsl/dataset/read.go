package dataset

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"homellm/dsl/syntax"
)

// readCSV reads a header and a text for each of its columns in every line.
func (s *Set) readCSV(data []byte) syntax.Diagnostics {
	in := csv.NewReader(bytes.NewReader(data))
	var head []string
	for {
		row, err := in.Read()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return s.badCSV(err, head)
		}
		line, _ := in.FieldPos(0)
		if head == nil {
			head = row
			if found := s.badHead(in, head); found != nil {
				return found
			}
			continue
		}
		item := s.add(s.pos(line, 0))
		for i, text := range row {
			line, at := in.FieldPos(i)
			item.Values[head[i]], item.in[head[i]] = text, s.pos(line, at-1)
		}
		if found := s.tooMany(item); found != nil {
			return found
		}
	}
}

// badCSV says what is wrong with a line.
func (s *Set) badCSV(err error, head []string) syntax.Diagnostics {
	parse, ok := errors.AsType[*csv.ParseError](err)
	switch {
	case !ok:
		return syntax.Diagnostics{s.finding(syntax.Pos{Line: 1, Col: 1}, "", "it cannot be read: %v", err)}
	case errors.Is(err, csv.ErrFieldCount):
		return syntax.Diagnostics{s.finding(s.pos(parse.Line, 0), `quote a text that holds a comma: "a, b"`,
			"this line has another number of columns than the header, which has %d", len(head))}
	}
	return syntax.Diagnostics{s.finding(s.pos(parse.Line, parse.Column-1),
		`write a quote within quotes twice: "say ""no"""`, "this is no CSV: %v", parse.Err)}
}

// badHead finds columns of a header that have no name, or the name of another.
func (s *Set) badHead(in *csv.Reader, head []string) syntax.Diagnostics {
	seen := map[string]bool{}
	for i, name := range head {
		line, at := in.FieldPos(i)
		switch place := s.pos(line, at-1); {
		case name == "":
			return syntax.Diagnostics{s.finding(place, "the first line names the columns", "this column has no name")}
		case seen[name]:
			return syntax.Diagnostics{s.finding(place, "", "there are two columns %q", name)}
		}
		seen[name] = true
	}
	if len(head) == 1 && strings.Contains(head[0], ";") {
		return syntax.Diagnostics{s.finding(syntax.Pos{Line: 1, Col: 1}, "separate columns by commas",
			"the header has one column with semicolons in its name")}
	}
	return nil
}

func (s *Set) tooMany(item *Item) syntax.Diagnostics {
	switch {
	case len(s.Items) > maxItems:
		return syntax.Diagnostics{s.finding(item.at, "", "the data set has more than %d items", maxItems)}
	case len(item.Values) > maxColumns:
		return syntax.Diagnostics{s.finding(item.at, "", "the item has more than %d columns", maxColumns)}
	}
	return nil
}

// readJSON reads a list of objects, or an object in each line.
func (s *Set) readJSON(data []byte) syntax.Diagnostics {
	if strings.HasPrefix(strings.TrimSpace(string(data)), "[") {
		return s.readList(data)
	}
	for i, line := range s.lines {
		if strings.TrimSpace(line) == "" {
			continue
		}
		p := &parser{in: json.NewDecoder(strings.NewReader(line)), text: line,
			place: func(at int) syntax.Pos { return s.pos(i+1, at) }}
		if found := s.readObject(p); found != nil {
			return found
		}
		if at := p.next(); at < len(line) {
			return syntax.Diagnostics{s.finding(p.place(at), "write one object in each line",
				"something follows the object of this line")}
		}
	}
	return nil
}

// readList reads a list of objects.
func (s *Set) readList(data []byte) syntax.Diagnostics {
	var starts []int
	at := 0
	for _, line := range s.lines {
		starts = append(starts, at)
		at += len(line) + 1
	}
	line := 0 // of the place before: places only move on
	p := &parser{in: json.NewDecoder(bytes.NewReader(data)), text: string(data)}
	p.place = func(at int) syntax.Pos {
		for line+1 < len(starts) && starts[line+1] <= at {
			line++
		}
		return s.pos(line+1, at-starts[line])
	}
	p.in.UseNumber()
	if _, err := p.in.Token(); err != nil {
		return syntax.Diagnostics{s.broken(p, err)}
	}
	for p.in.More() {
		if found := s.readObject(p); found != nil {
			return found
		}
	}
	if _, err := p.in.Token(); err != nil {
		return syntax.Diagnostics{s.broken(p, err)}
	}
	if at := p.next(); at < len(data) {
		return syntax.Diagnostics{s.finding(p.place(at), "", "something follows the list")}
	}
	return nil
}

// parser reads the tokens of a text.
type parser struct {
	in    *json.Decoder
	text  string
	place func(at int) syntax.Pos
}

// next is where the next token begins.
func (p *parser) next() int {
	at := int(p.in.InputOffset())
	for at < len(p.text) && strings.IndexByte(" \t\r\n,:", p.text[at]) >= 0 {
		at++
	}
	return at
}

// broken is the finding of a syntax error. The whole text is looked at again, because a decoder of tokens does not
// say exactly where it is.
func (s *Set) broken(p *parser, err error) syntax.Diagnostic {
	at := p.next()
	var whole json.RawMessage
	if e, ok := errors.AsType[*json.SyntaxError](json.Unmarshal([]byte(p.text), &whole)); ok {
		err, at = e, max(int(e.Offset)-1, 0)
	}
	if err.Error() == "unexpected end of JSON input" || errors.Is(err, io.EOF) {
		err, at = errors.New("it ends too early"), len(p.text)
	}
	return s.finding(p.place(at), "", "this is no JSON: %s", strings.TrimPrefix(err.Error(), "json: "))
}

// readObject reads one item.
func (s *Set) readObject(p *parser) syntax.Diagnostics {
	p.in.UseNumber()
	start := p.place(p.next())
	token, err := p.in.Token()
	if err != nil {
		return syntax.Diagnostics{s.broken(p, err)}
	}
	if token != json.Delim('{') {
		return syntax.Diagnostics{s.finding(start, `write an object: {"question": "…", "answer": "…"}`,
			"an item is an object, and this is %s", kindOf(token))}
	}
	item := s.add(start)
	for p.in.More() {
		at := p.place(p.next())
		key, err := p.in.Token()
		if err != nil {
			return syntax.Diagnostics{s.broken(p, err)}
		}
		name, _ := key.(string)
		if _, twice := item.in[name]; twice {
			return syntax.Diagnostics{s.finding(at, "", "the item has two values of %q", name)}
		}
		item.in[name] = p.place(p.next())
		v, err := p.value()
		if err != nil {
			return syntax.Diagnostics{s.broken(p, err)}
		}
		if f, ok := v.(float64); ok && math.IsInf(f, 0) {
			return syntax.Diagnostics{s.finding(item.in[name], "", "the number is too large")}
		}
		item.Values[name] = v
	}
	if _, err := p.in.Token(); err != nil {
		return syntax.Diagnostics{s.broken(p, err)}
	}
	return s.tooMany(item)
}

// value reads the value of a column.
func (p *parser) value() (any, error) {
	token, err := p.in.Token()
	if err != nil {
		return nil, err
	}
	switch v := token.(type) {
	case string, bool:
		return v, nil
	case json.Number:
		return plainNumber(v.String()), nil
	case json.Delim:
		for depth := 1; depth > 0; {
			inner, err := p.in.Token()
			if err != nil {
				return nil, err
			}
			switch inner {
			case json.Delim('{'), json.Delim('['):
				depth++
			case json.Delim('}'), json.Delim(']'):
				depth--
			}
		}
	}
	return Other(kindOf(token)), nil
}

// plainNumber is a number as YAML's are: one without a fraction is whole.
func plainNumber(text string) any {
	if whole, err := strconv.Atoi(text); err == nil && math.Abs(float64(whole)) < 1<<53 {
		return whole
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return math.Inf(1)
	}
	return f
}

func kindOf(token json.Token) string {
	switch token {
	case json.Delim('['):
		return "a list"
	case json.Delim('{'):
		return "an object"
	case nil:
		return "null"
	}
	switch token.(type) {
	case string:
		return "text"
	case bool:
		return "true or false"
	case json.Number:
		return "a number"
	}
	return fmt.Sprint(token)
}
