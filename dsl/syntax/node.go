package syntax

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Kind is the type of a value.
type Kind uint8

// The kinds of a value. A number without a fraction or exponent is a whole number.
const (
	NullKind Kind = iota
	BoolKind
	IntKind
	FloatKind
	StringKind
	ListKind
	MapKind
)

// String names a kind for messages.
func (k Kind) String() string {
	return [...]string{"null", "true or false", "a whole number", "a number", "text", "a list", "a mapping"}[k]
}

// style is how a scalar is written; it decides whether an offset into the value can be mapped to a position in the
// file.
type style uint8

const (
	plain style = iota
	quoted
	literal // |
	folded  // >
)

// Node is one value of a file with its position. Keys keep the file's order. Nodes never change after parsing, so
// that one tree can be read for many cells.
type Node struct {
	Src     *Source // its file: a merged tree has values of several
	Kind    Kind
	style   style
	Line    int // position of the value's first character; of a block scalar, of its indicator
	Col     int
	End     int     // column after the value, if it ends on the same line; else 0
	Scalar  any     // nil, bool, int, float64 or string
	Items   []*Node // of a list
	Entries []Entry // of a mapping

	Unread    bool   // null because it could not be read, which has been reported
	Reference string // the ${…} text that this value was substituted for, if any
}

// Entry is one key of a mapping.
type Entry struct {
	Key  string
	Line int
	Col  int
	End  int
	Node *Node
}

// Find returns the entry of a key, or nil.
func (n *Node) Find(key string) *Entry {
	if n == nil {
		return nil
	}
	for i := range n.Entries {
		if n.Entries[i].Key == key {
			return &n.Entries[i]
		}
	}
	return nil
}

// Get returns the value of a key, or nil. A key with the value null is present.
func (n *Node) Get(key string) *Node {
	if e := n.Find(key); e != nil {
		return e.Node
	}
	return nil
}

// Text returns the value of a string scalar, and "" for everything else.
func (n *Node) Text() string {
	if n == nil || n.Kind != StringKind {
		return ""
	}
	return n.Scalar.(string)
}

// Commented reports whether a comment follows a value on its line.
func (n *Node) Commented() bool {
	if n == nil || n.Src == nil {
		return false
	}
	rest := n.Src.behind(n.Line, n.End)
	return strings.HasPrefix(strings.TrimLeft(rest, " \t"), "#")
}

// Plain returns the value in JSON's types: nil, bool, int, float64, string, []any and map[string]any.
func (n *Node) Plain() any {
	switch n.Kind {
	case ListKind:
		out := make([]any, len(n.Items))
		for i, item := range n.Items {
			out[i] = item.Plain()
		}
		return out
	case MapKind:
		out := make(map[string]any, len(n.Entries))
		for _, e := range n.Entries {
			out[e.Key] = e.Node.Plain()
		}
		return out
	default:
		return n.Scalar
	}
}

// Describe names a value in a message: its kind, and the value if it is short.
func (n *Node) Describe() string {
	switch n.Kind {
	case BoolKind, IntKind, FloatKind:
		return fmt.Sprint(n.Scalar)
	case StringKind:
		if s := n.Text(); len(s) <= 40 {
			return fmt.Sprintf("%q", s)
		}
	}
	return n.Kind.String()
}

// Without returns a mapping without some keys.
func (n *Node) Without(keys ...string) *Node {
	out := *n
	out.Entries = slices.DeleteFunc(slices.Clone(n.Entries), func(e Entry) bool { return slices.Contains(keys, e.Key) })
	return &out
}

// Locate returns the value at a path, or nil.
func (n *Node) Locate(path []string) *Node {
	for _, part := range path {
		if n == nil {
			return nil
		}
		switch n.Kind {
		case ListKind:
			i, err := strconv.Atoi(part)
			if err != nil || i >= len(n.Items) {
				return nil
			}
			n = n.Items[i]
		default:
			n = n.Get(part)
		}
	}
	return n
}

// EachText calls f for every text in a tree.
func (n *Node) EachText(f func(*Node)) {
	if n.Kind == StringKind {
		f(n)
	}
	for _, item := range n.Items {
		item.EachText(f)
	}
	for _, e := range n.Entries {
		e.Node.EachText(f)
	}
}

// At returns the key itself as a value, for diagnostics.
func (e *Entry) At() *Node {
	return &Node{Src: e.Node.Src, Kind: StringKind, Scalar: e.Key, Line: e.Line, Col: e.Col, End: e.End}
}
