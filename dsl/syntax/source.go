package syntax

import (
	"slices"
	"strings"
)

// Source is a file as it was read, for positions and excerpts.
type Source struct {
	Name  string
	lines [][]rune
}

// NewSource splits a text whose lines end in a line feed.
func NewSource(name, text string) *Source {
	s := &Source{Name: name}
	for line := range strings.SplitSeq(text, "\n") {
		s.lines = append(s.lines, []rune(line))
	}
	return s
}

// Of returns the file that a value is in.
func (s *Source) Of(n *Node) *Source {
	if n != nil && n.Src != nil {
		return n.Src
	}
	return s
}

// Line returns the text of a line, counted from 1, or "".
func (s *Source) Line(n int) string {
	if s == nil || n < 1 || n > len(s.lines) {
		return ""
	}
	return string(s.lines[n-1])
}

// Pos returns where a value starts.
func (s *Source) Pos(n *Node) Pos {
	if n == nil {
		return Pos{File: s.Name}
	}
	return Pos{File: s.Of(n).Name, Line: n.Line, Col: n.Col}
}

// At returns the position of a rune of a string scalar. It is exact for a plain scalar on one line, for a quoted one
// without escapes and for a literal block. In any other scalar the characters of the value are not those of the file,
// and it returns the scalar's start.
func (s *Source) At(n *Node, offset int) Pos {
	start := s.Pos(n)
	if n == nil || n.Kind != StringKind || n.Reference != "" || offset < 0 {
		return start
	}
	s = s.Of(n)
	value := []rune(n.Text())
	if offset > len(value) {
		offset = len(value)
	}
	var p Pos
	switch n.style {
	case plain:
		p = Pos{File: s.Name, Line: n.Line, Col: n.Col + offset}
	case quoted:
		p = Pos{File: s.Name, Line: n.Line, Col: n.Col + 1 + offset}
	case literal:
		before := 0 // line feeds before the offset
		column := 0 // runes since the last of them
		for _, r := range value[:offset] {
			column++
			if r == '\n' {
				before++
				column = 0
			}
		}
		p = Pos{File: s.Name, Line: n.Line + 1 + before, Col: s.blockIndent(n.Line, value) + column + 1}
		value, offset = value[offset-column:], column
		if end := indexRune(value, '\n'); end >= 0 {
			value = value[:end]
		}
	default:
		return start
	}
	// The file decides: the text between the line's start of the value and the offset must be the value, or the mapping
	// above does not apply.
	if !s.has(p.Line, p.Col-offset, value[:min(offset+1, len(value))]) {
		return start
	}
	return p
}

// has reports whether a line holds the text at a column.
func (s *Source) has(line, col int, text []rune) bool {
	if line < 1 || line > len(s.lines) || col < 1 || col-1+len(text) > len(s.lines[line-1]) {
		return false
	}
	return slices.Equal(s.lines[line-1][col-1:col-1+len(text)], text)
}

// behind returns the text of a line from a column on, or "".
func (s *Source) behind(line, col int) string {
	if line < 1 || line > len(s.lines) || col < 1 || col > len(s.lines[line-1])+1 {
		return ""
	}
	return string(s.lines[line-1][col-1:])
}

// blockIndent returns the indentation of a block scalar whose indicator is on the given line: that of its first line
// with text, without the blanks that belong to the value.
func (s *Source) blockIndent(header int, value []rune) int {
	own := 0
	for line := range strings.SplitSeq(string(value), "\n") {
		if text := strings.TrimLeft(line, " "); text != "" {
			own = len(line) - len(text)
			break
		}
	}
	for _, line := range s.lines[min(header, len(s.lines)):] {
		text := strings.TrimLeft(string(line), " ")
		if text != "" {
			return len(line) - len([]rune(text)) - own
		}
	}
	return 0
}

// quotedEnd returns the column after a quoted scalar, or 0 if it does not end on its line.
func (s *Source) quotedEnd(line, col int) int {
	if line < 1 || line > len(s.lines) || col < 1 || col > len(s.lines[line-1]) {
		return 0
	}
	text := s.lines[line-1][col-1:]
	quote := text[0]
	for i := 1; i < len(text); i++ {
		switch {
		case quote == '"' && text[i] == '\\':
			i++
		case text[i] == quote && quote == '\'' && i+1 < len(text) && text[i+1] == quote:
			i++
		case text[i] == quote:
			return col + i + 1
		}
	}
	return 0
}

func indexRune(text []rune, r rune) int {
	for i, c := range text {
		if c == r {
			return i
		}
	}
	return -1
}

// Pos is a place in a file. Line and Col count from 1; Col counts runes.
type Pos struct {
	File string
	Line int
	Col  int
}
