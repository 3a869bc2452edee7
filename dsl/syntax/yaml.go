// Package syntax turns YAML into nodes with positions, and findings into text for people, editors and GitHub. The
// input is bytes and a file name, the output a tree of nodes and diagnostics. It does not know what the keys of a
// file mean.
package syntax

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	yaml "github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Limits of a file. Scenario files are written by hand: a file that reaches one of these is generated or hostile.
const (
	MaxBytes   = 1 << 20
	maxDepth   = 64     // nesting of lists and mappings
	maxAliased = 20_000 // values made by following aliases
	maxKeys    = 20_000 // in the whole file: the parser's time grows with the square of those in one mapping
)

// readYAML turns a file into a tree of values. It accepts a strict subset of YAML: one document, string keys, no
// tags, no merge keys, no numbers that two YAML versions read differently. 1e3 is a number, as in YAML 1.2 and JSON.
// The root is nil if nothing could be read.
func Read(name string, data []byte) (src *Source, root *Node, diags Diagnostics) {
	src = &Source{Name: name}
	fail := func(line, col int, code, help, format string, args ...any) {
		diags = append(diags, Diagnostic{
			Pos: Pos{File: name, Line: line, Col: col}, Severity: Error, Code: code,
			Message: fmt.Sprintf(format, args...), Help: help, Source: src.Line(line),
		})
	}
	if len(data) > MaxBytes {
		fail(0, 0, "yaml/size", "put long texts into document files", "the file has %d bytes, more than the %d that are read",
			len(data), MaxBytes)
		return src, nil, diags
	}
	text := strings.TrimPrefix(string(data), "\ufeff")
	text = strings.ReplaceAll(text, "\r\n", "\n")
	src = NewSource(name, text)
	if line, col, what := badCharacter(text); what != "" {
		fail(line, col, "yaml/encoding", "save the file as UTF-8 text", "%s", what)
		return src, nil, diags
	}
	if blank(text) {
		fail(0, 0, "yaml/empty", `the first key says what the file is, such as "schema: homellm.scenario/v1"`,
			"the file has no content")
		return src, nil, diags
	}
	file, err := parseYAML(text)
	if err != nil {
		err = plainWords(err)
		var at yaml.Error
		if errors.As(err, &at) && at.GetToken() != nil && at.GetToken().Position != nil {
			p := at.GetToken().Position
			line := min(max(1, p.Line), len(src.lines))
			col := max(1, min(p.Column, len(src.lines[line-1])+1))
			fail(line, col, "yaml/syntax", syntaxHelp(at.GetMessage(), src.lines, line, col), "%s", at.GetMessage())
		} else {
			fail(0, 0, "yaml/syntax", "", "%v", err)
		}
		return src, nil, diags
	}
	c := &converter{src: src, anchors: map[string]ast.Node{}, open: map[string]bool{}}
	var body ast.Node
	for _, doc := range file.Docs {
		if d, ok := doc.Body.(*ast.DirectiveNode); ok {
			c.fail(d.GetToken(), "yaml/directive", "remove the line", "YAML directives are not allowed")
			continue
		}
		if doc.Body == nil {
			continue
		}
		if body != nil {
			at := doc.Start
			if at == nil {
				at = first(doc.Body)
			}
			c.fail(at, "yaml/documents", "put it into a separate file", "a second YAML document in one file")
			continue
		}
		body = doc.Body
	}
	if body == nil {
		if !c.diags.Errors() {
			fail(0, 0, "yaml/empty", "", "the file has no content")
		}
		return src, nil, append(diags, c.diags...)
	}
	root = c.value(body, 0)
	return src, root, c.diags
}

// parseYAML calls the parser and recovers from its panics.
func parseYAML(text string) (file *ast.File, err error) {
	defer func() {
		if p := recover(); p != nil {
			file, err = nil, errors.New("the parser cannot read this file")
		}
	}()
	tokens := lexer.Tokenize(text)
	if err := checkTokens(tokens); err != nil {
		return nil, err
	}
	return parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
}

// checkTokens rejects what would cost the parser minutes or gigabytes: very many keys, and nesting of brackets or of
// indicators that follow one another on a line. The file's size limits nesting by indentation.
func checkTokens(tokens token.Tokens) error {
	brackets, run, line, keys := 0, 0, 0, 0
	for _, t := range tokens {
		if t.Position.Line != line {
			run, line = 0, t.Position.Line
		}
		switch t.Type {
		case token.MappingStartType, token.SequenceStartType:
			brackets++
		case token.MappingEndType, token.SequenceEndType:
			brackets--
		case token.SequenceEntryType, token.MappingKeyType, token.MappingValueType, token.AnchorType, token.TagType:
			if brackets == 0 { // those within brackets are counted by these
				run++
			}
		}
		if t.Type == token.MappingValueType {
			if keys++; keys > maxKeys {
				return &yaml.SyntaxError{Message: fmt.Sprintf("the file has more than %d keys", maxKeys), Token: t}
			}
		}
		if brackets > maxDepth || run > maxDepth {
			return &yaml.SyntaxError{Message: tooDeep, Token: t}
		}
	}
	return nil
}

var tooDeep = fmt.Sprintf("lists and mappings are nested more than %d levels deep", maxDepth)

// plainWords returns an error of the parser with its control characters made visible.
func plainWords(err error) error {
	if s, ok := errors.AsType[*yaml.SyntaxError](err); ok {
		return &yaml.SyntaxError{Message: strings.ReplaceAll(s.Message, "\t", `\t`), Token: s.Token}
	}
	return err
}

// blank reports whether a file has nothing but comments and blank lines.
func blank(text string) bool {
	for line := range strings.SplitSeq(text, "\n") {
		if t := strings.TrimSpace(line); t != "" && !strings.HasPrefix(t, "#") {
			return false
		}
	}
	return true
}

// badCharacter finds the first byte that is not UTF-8, or the first control character.
func badCharacter(text string) (line, col int, what string) {
	line, col = 1, 1
	for i, r := range text {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], "\ufffd"):
			return line, col, "the file is not valid UTF-8"
		case r == '\n':
			line, col = line+1, 0
		case r < ' ' && r != '\t', r >= 0x7f && r < 0xa0 && r != 0x85, r == '\ufeff':
			return line, col, fmt.Sprintf("control character U+%04X", r)
		}
		col++
	}
	return 0, 0, ""
}

// converter turns the parser's nodes into ours.
type converter struct {
	src     *Source
	diags   Diagnostics
	anchors map[string]ast.Node // values of the anchors, as far as the file has been read
	open    map[string]bool     // anchors whose value is being read
	inAlias int
	aliased int
}

func (c *converter) fail(t *token.Token, code, help, format string, args ...any) {
	line, col := position(t)
	end := 0
	if t != nil && c.src.has(line, col, []rune(t.Value)) {
		end = col + utf8.RuneCountInString(t.Value)
	}
	c.report(line, col, end, code, help, fmt.Sprintf(format, args...))
}

// maxFindings limits the findings of one file: a binary that happens to be UTF-8 has an error on every line.
const maxFindings = 100

func (c *converter) report(line, col, end int, code, help, message string) {
	if len(c.diags) > maxFindings {
		return
	}
	if len(c.diags) == maxFindings {
		code, help, message = "yaml/more", "", "there is more; the rest of the file is not reported"
	}
	c.diags = append(c.diags, Diagnostic{
		Pos: Pos{File: c.src.Name, Line: line, Col: col}, EndCol: end, Severity: Error, Code: code,
		Message: message, Help: help, Source: c.src.Line(line),
	})
}

func position(t *token.Token) (line, col int) {
	if t == nil || t.Position == nil {
		return 0, 0
	}
	return t.Position.Line, t.Position.Column
}

// first returns the token at which a value starts. For a block mapping the parser returns its first colon.
func first(n ast.Node) *token.Token {
	switch n := n.(type) {
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return first(n.Values[0].Key)
		}
	case *ast.MappingValueNode:
		return first(n.Key)
	case *ast.LiteralNode:
		return n.Start
	case *ast.AnchorNode:
		return n.Start
	}
	return n.GetToken()
}

// value converts one value. It always returns a node: a null replaces what could not be read.
func (c *converter) value(n ast.Node, depth int) *Node {
	out := &Node{Src: c.src}
	if n == nil {
		return out
	}
	out.Line, out.Col = position(first(n))
	before := len(c.diags)
	defer func() { out.Unread = out.Kind == NullKind && len(c.diags) > before }()
	if c.inAlias > 0 {
		if c.aliased++; c.aliased > maxAliased {
			if c.aliased == maxAliased+1 {
				c.fail(first(n), "yaml/alias", "write the values out, or use fewer aliases",
					"aliases make more than %d values of this file", maxAliased)
			}
			return out
		}
	}
	if depth > maxDepth {
		c.fail(first(n), "yaml/syntax", "", "%s", tooDeep)
		return out
	}
	switch n := n.(type) {
	case *ast.MappingNode:
		out.Kind = MapKind
		seen := make(map[string]int, len(n.Values))
		for _, v := range n.Values {
			c.entry(out, v, seen, depth)
		}
	case *ast.MappingValueNode:
		out.Kind = MapKind
		c.entry(out, n, map[string]int{}, depth)
	case *ast.SequenceNode:
		c.list(out, n, depth)
	case *ast.AnchorNode:
		return c.anchor(out, n, depth)
	case *ast.AliasNode:
		return c.alias(out, n, depth)
	case *ast.TagNode:
		c.fail(n.Start, "yaml/tag", "a plain value that starts with ! is read as a tag; quote the whole value",
			"YAML tag %s is not allowed here", n.Start.Value)
	case *ast.LiteralNode:
		out.Kind, out.Scalar = StringKind, n.Value.Value
		out.style = folded
		if strings.HasPrefix(n.Start.Value, "|") {
			out.style = literal
		}
		out.End = out.Col + 1
	case *ast.StringNode:
		c.scalar(out, n.Token, n.Value)
		c.misread(out)
	case ast.ScalarNode:
		c.scalar(out, n.GetToken(), n.GetToken().Value)
	default:
		c.fail(n.GetToken(), "yaml/syntax", "", "this kind of YAML value is not supported")
	}
	return out
}

func (c *converter) list(out *Node, n *ast.SequenceNode, depth int) {
	out.Kind = ListKind
	for i, v := range n.Values {
		item := c.value(v, depth+1)
		if _, isNull := v.(*ast.NullNode); v == nil || isNull {
			at := first(n)
			if i < len(n.Entries) && n.Entries[i].Start != nil {
				at = n.Entries[i].Start
			}
			if v != nil && v.GetToken() != nil && v.GetToken().Type == token.NullType {
				at = v.GetToken()
			}
			c.fail(at, "yaml/null", "write a value, or remove the entry", "this list entry is empty")
			continue
		}
		out.Items = append(out.Items, item)
	}
}

func (c *converter) entry(out *Node, v *ast.MappingValueNode, seen map[string]int, depth int) {
	key, ok := c.key(v.Key)
	if !ok {
		return
	}
	if earlier, ok := seen[key.Key]; ok {
		help := "remove one of the two"
		if len(out.Entries) > 0 && out.Entries[0].Key == key.Key && c.dashed(earlier) {
			help = `remove one of the two, or begin a new entry with "- " here`
		}
		c.report(key.Line, key.Col, key.End, "yaml/duplicate-key", help,
			fmt.Sprintf("key %q is already on line %d", key.Key, earlier))
		return
	}
	seen[key.Key] = key.Line
	key.Node = c.value(v.Value, depth+1)
	if key.Node.Kind == NullKind && key.Node.Line != key.Line {
		// A key without a value: the parser invents a null somewhere after it.
		key.Node.Line, key.Node.Col, key.Node.End = key.Line, key.Col, key.End
	}
	c.commented(&key)
	out.Entries = append(out.Entries, key)
}

// dashed reports whether a line begins a list entry.
func (c *converter) dashed(line int) bool {
	return strings.HasPrefix(strings.TrimLeft(c.src.Line(line), " "), "- ")
}

// key reads the key of a mapping: text, and nothing else.
func (c *converter) key(k ast.MapKeyNode) (Entry, bool) {
	switch k := k.(type) {
	case *ast.MergeKeyNode:
		c.fail(k.GetToken(), "yaml/merge", "write the keys out, or use `defaults` or `extends`",
			"merge keys (<<) are not allowed")
		return Entry{}, false
	case *ast.StringNode:
		n := &Node{Src: c.src}
		n.Line, n.Col = position(k.Token)
		before := len(c.diags)
		c.scalar(n, k.Token, k.Value)
		if len(c.diags) > before {
			return Entry{}, false
		}
		if n.Kind != StringKind {
			break
		}
		if n.Text() == "<<" && n.style == plain {
			c.fail(k.Token, "yaml/merge", "write the keys out, or use `defaults` or `extends`",
				"merge keys (<<) are not allowed")
			return Entry{}, false
		}
		return Entry{Key: n.Text(), Line: n.Line, Col: n.Col, End: n.End}, true
	}
	help := "quote the key"
	if strings.Trim(k.GetToken().Value, "0123456789") == "" {
		help = "quote the key; if it is the rest of a number, write that without a comma (1000) or with a point (0.5): in " +
			"{ } " +
			"a comma begins the next key"
	}
	c.fail(k.GetToken(), "yaml/key", help, "a key must be plain text")
	return Entry{}, false
}

func (c *converter) anchor(out *Node, n *ast.AnchorNode, depth int) *Node {
	name := n.Name.GetToken().Value
	if c.open[name] {
		c.fail(n.Start, "yaml/alias", "give it another name", "anchor &%s is inside the value it names", name)
		return out
	}
	if _, empty := n.Value.(*ast.NullNode); n.Value == nil || empty {
		c.fail(n.Start, "yaml/alias", "a text that begins with & must be quoted", "anchor &%s names no value", name)
		return out
	}
	c.open[name] = true
	v := c.value(n.Value, depth)
	delete(c.open, name)
	c.anchors[name] = n.Value
	return v
}

func (c *converter) alias(out *Node, n *ast.AliasNode, depth int) *Node {
	name := n.Value.GetToken().Value
	target, ok := c.anchors[name]
	switch {
	case c.open[name]:
		c.fail(n.Start, "yaml/alias", "", "alias *%s is inside the value it names", name)
		return out
	case !ok:
		c.fail(n.Start, "yaml/alias", SuggestOr(name, slices.Sorted(maps.Keys(c.anchors)), "anchors before it"),
			"no anchor &%s comes before this alias", name)
		return out
	}
	c.inAlias++
	c.open[name] = true
	v := c.value(target, depth)
	delete(c.open, name)
	c.inAlias--
	return v
}
