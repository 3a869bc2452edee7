package transcript

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// kind is the type of a JSON value.
type kind uint8

const (
	null kind = iota
	truth
	number
	text
	list
	object
)

// String names a kind in error messages.
func (k kind) String() string {
	return [...]string{"null", "true or false", "a number", "text", "a list", "an object"}[k]
}

// value is one JSON value, with its position in the file.
type value struct {
	kind    kind
	at, end int    // byte offsets
	text    string // of a string, or of a number as written
	items   []*value
	members []member
}

// member is one key of an object.
type member struct {
	key string
	at  int
	*value
}

// get returns the value of a key; nil if it is absent or null.
func (v *value) get(keys ...string) *value {
	if v == nil {
		return nil
	}
	for _, key := range keys {
		for _, m := range v.members {
			if m.key == key && m.kind != null {
				return m.value
			}
		}
	}
	return nil
}

// is reports whether there is a value of that kind.
func (v *value) is(k kind) bool { return v != nil && v.kind == k }

// str returns a string, or "".
func (v *value) str() string {
	if v.is(text) {
		return v.text
	}
	return ""
}

// name returns a string or a number as a name.
func (v *value) name() string {
	if v.is(text) || v.is(number) {
		return v.text
	}
	return ""
}

// raw returns the value as written, without insignificant white space.
func (v *value) raw(data []byte) json.RawMessage {
	var b bytes.Buffer
	if json.Compact(&b, data[v.at:v.end]) != nil {
		return nil
	}
	return b.Bytes()
}

// Limits of what is read.
const (
	maxDepth  = 64      // nesting of lists and objects
	maxValues = 2 << 20 // in one entry
)

// errAt is an error in JSON with its offset.
type errAt struct {
	at   int
	what string
}

func (e errAt) Error() string { return e.what }

// parse reads the one JSON value between two offsets of a file.
func parse(data []byte, from, to int) (*value, error) {
	part := data[from:to]
	var whole json.RawMessage
	if err := json.Unmarshal(part, &whole); err != nil {
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
			return nil, errAt{from + max(int(syntax.Offset)-1, 0), "this is no JSON: " + plainly(err)}
		}
		return nil, errAt{from, "this is no JSON: " + plainly(err)}
	}
	d := json.NewDecoder(bytes.NewReader(part))
	d.UseNumber()
	p := parser{Decoder: d, data: data, from: from}
	return p.value(0)
}

// plainly returns an error of encoding/json without its prefix.
func plainly(err error) string { return strings.TrimPrefix(err.Error(), "json: ") }

// parser builds the tree of a text that is known to be JSON.
type parser struct {
	*json.Decoder
	data []byte
	from int
	seen int // values so far
}

// next returns the offset of the next token.
func (p *parser) next() int {
	at := p.from + int(p.InputOffset())
	for at < len(p.data) && bytes.IndexByte([]byte(" \t\r\n,:"), p.data[at]) >= 0 {
		at++
	}
	return at
}

func (p *parser) value(depth int) (*value, error) {
	v := &value{at: p.next()}
	if p.seen++; p.seen > maxValues {
		return nil, errAt{v.at, fmt.Sprintf("the entry has more than %d values", maxValues)}
	}
	if depth > maxDepth {
		return nil, errAt{v.at, fmt.Sprintf("lists and objects are nested more than %d deep", maxDepth)}
	}
	token, err := p.Token()
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("it ends too early")
		}
		return nil, errAt{v.at, "this is no JSON: " + plainly(err)}
	}
	switch t := token.(type) {
	case bool:
		v.kind = truth
	case json.Number:
		v.kind, v.text = number, t.String()
	case string:
		v.kind, v.text = text, t
	case json.Delim:
		if err := p.inside(v, t, depth); err != nil {
			return nil, err
		}
	}
	v.end = p.from + int(p.InputOffset())
	return v, nil
}

// inside reads the contents of a list or an object and its closing delimiter.
func (p *parser) inside(v *value, open json.Delim, depth int) error {
	v.kind = list
	if open == '{' {
		v.kind = object
	}
	keys := map[string]bool{}
	for p.More() {
		var m member
		if v.kind == object {
			m.at = p.next()
			key, err := p.Token()
			if err != nil {
				return errAt{m.at, "this is no JSON: " + plainly(err)}
			}
			m.key = key.(string)
			if keys[m.key] {
				return errAt{m.at, fmt.Sprintf("the key %q is there twice: readers differ in which one they take", m.key)}
			}
			keys[m.key] = true
		}
		item, err := p.value(depth + 1)
		if err != nil {
			return err
		}
		if v.kind == list {
			v.items = append(v.items, item)
			continue
		}
		m.value = item
		v.members = append(v.members, m)
	}
	_, err := p.Token()
	return err
}
