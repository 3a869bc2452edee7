// Package dataset reads the items of data sets: JSON lines, a JSON list, or CSV. The input is a file's bytes, the
// output its items with the place of each in the file, or what is wrong with the file and where. It knows nothing of
// what the items are for.
package dataset

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"homellm/dsl/syntax"
)

// The limits of a data set.
const (
	maxItems   = 100_000
	maxColumns = 256 // of one item
)

// Set holds the items of one source.
type Set struct {
	Items []Item

	file  string
	lines []string
}

// Item is one entry. Its columns are texts, whole numbers, numbers and truths; the value of one that is null, a list or
// an object is [Other].
type Item struct {
	N      int // its place in the set, from 1
	Values map[string]any

	at syntax.Pos
	in map[string]syntax.Pos // of the values
}

// Other is a value that has no place in a text or an expression: what it is.
type Other string

// Read reads a file by its name and contents. CSV has a header and only texts; everything else is JSON: a list of
// objects, or an object in each line.
func Read(name string, data []byte) (*Set, syntax.Diagnostics) {
	s := &Set{file: name, lines: strings.Split(string(data), "\n")}
	var found syntax.Diagnostics
	switch {
	case !utf8.Valid(data):
		return nil, syntax.Diagnostics{s.finding(syntax.Pos{Line: 1, Col: 1}, "write it as UTF-8", "it is not UTF-8 text")}
	case strings.EqualFold(path.Ext(name), ".csv"):
		found = s.readCSV(data)
	default:
		found = s.readJSON(data)
	}
	if len(found) == 0 && len(s.Items) == 0 {
		found = syntax.Diagnostics{s.finding(syntax.Pos{Line: 1, Col: 1}, "", "it holds no item")}
	}
	if len(found) > 0 {
		return nil, found
	}
	return s, nil
}

// FromList makes a set of a list in another file, whose source it is in.
func FromList(src *syntax.Source, list *syntax.Node) (*Set, syntax.Diagnostics) {
	s := &Set{file: src.Pos(list).File}
	for _, n := range list.Items {
		item := s.add(src.Pos(n))
		for _, e := range n.Entries {
			v := e.Node.Scalar
			if e.Node.Kind == syntax.ListKind || e.Node.Kind == syntax.MapKind || e.Node.Kind == syntax.NullKind {
				v = Other(e.Node.Kind.String())
			}
			item.Values[e.Key], item.in[e.Key] = v, src.Pos(e.Node)
		}
	}
	if len(s.Items) == 0 {
		return nil, syntax.Diagnostics{s.finding(src.Pos(list), "", "the list holds no item")}
	}
	return s, nil
}

// add begins an item.
func (s *Set) add(at syntax.Pos) *Item {
	s.Items = append(s.Items, Item{N: len(s.Items) + 1, Values: map[string]any{}, at: at, in: map[string]syntax.Pos{}})
	return &s.Items[len(s.Items)-1]
}

// Columns lists the columns of all items.
func (s *Set) Columns() []string {
	seen := map[string]bool{}
	var out []string
	for _, item := range s.Items {
		for name := range item.Values {
			if !seen[name] {
				seen[name] = true
				out = append(out, name)
			}
		}
	}
	slices.Sort(out)
	return out
}

// Finding is an error about an item: at the value of a column, or at the item where it has none.
func (s *Set) Finding(item *Item, column, help, format string, args ...any) syntax.Diagnostic {
	at, ok := item.in[column]
	if !ok {
		at = item.at
	}
	return s.finding(at, help, format, args...)
}

func (s *Set) finding(at syntax.Pos, help, format string, args ...any) syntax.Diagnostic {
	at.File = s.file
	d := syntax.Diagnostic{Pos: at, Severity: syntax.Error, Code: "links/item", Message: fmt.Sprintf(format, args...),
		Help: help}
	if at.Line >= 1 && at.Line <= len(s.lines) {
		d.Source = excerpt(s.lines[at.Line-1])
	}
	return d
}

// excerpt is the beginning of a line: a line of a data set can be long.
func excerpt(line string) string {
	const most = 200
	if r := []rune(line); len(r) > most {
		return string(r[:most]) + "…"
	}
	return line
}

// pos is the place of a byte of a line: columns count characters.
func (s *Set) pos(line, at int) syntax.Pos {
	text := ""
	if line >= 1 && line <= len(s.lines) {
		text = s.lines[line-1]
	}
	return syntax.Pos{Line: line, Col: 1 + utf8.RuneCountInString(text[:min(max(at, 0), len(text))])}
}
