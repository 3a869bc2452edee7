package dsl

import "fmt"

// kind is what a value is.
type kind uint8

// The kinds of a value. A number without a fraction or exponent is a whole number.
const (
	nullKind kind = iota
	boolKind
	intKind
	floatKind
	stringKind
	listKind
	mapKind
)

// String names a kind as messages do.
func (k kind) String() string {
	return [...]string{"null", "true or false", "a whole number", "a number", "text", "a list", "a mapping"}[k]
}

// style is how a scalar is written; it decides whether an offset into the value can be found
// again in the file.
type style uint8

const (
	plain style = iota
	quoted
	literal // |
	folded  // >
)

// node is one value of a file with its position. Keys keep the file's order. Nodes are never
// changed after parsing, so that one tree can be read for many cells.
type node struct {
	src     *source // file it stands in: a merged tree has values of several
	kind    kind
	style   style
	line    int // of the value's first character: for a block scalar, of its indicator
	col     int
	end     int     // column behind the value, if it ends on the same line; else 0
	scalar  any     // nil, bool, int, float64 or string
	items   []*node // of a list
	entries []entry // of a mapping

	unread    bool   // it is null because it could not be read, which has been reported
	reference string // the ${…} text that this value was substituted from, if any
}

// entry is one key of a mapping.
type entry struct {
	key  string
	line int
	col  int
	end  int
	node *node
}

// find returns the entry of a key, or nil.
func (n *node) find(key string) *entry {
	if n == nil {
		return nil
	}
	for i := range n.entries {
		if n.entries[i].key == key {
			return &n.entries[i]
		}
	}
	return nil
}

// get returns the value of a key, or nil. A key that is written with null is present.
func (n *node) get(key string) *node {
	if e := n.find(key); e != nil {
		return e.node
	}
	return nil
}

// text returns the value of a string scalar, and "" for everything else.
func (n *node) text() string {
	if n == nil || n.kind != stringKind {
		return ""
	}
	return n.scalar.(string)
}

// plain returns the value as JSON has it: nil, bool, int, float64, string, []any and
// map[string]any.
func (n *node) plain() any {
	switch n.kind {
	case listKind:
		out := make([]any, len(n.items))
		for i, item := range n.items {
			out[i] = item.plain()
		}
		return out
	case mapKind:
		out := make(map[string]any, len(n.entries))
		for _, e := range n.entries {
			out[e.key] = e.node.plain()
		}
		return out
	default:
		return n.scalar
	}
}

// describe names a value in a message: its kind, and the value where it is short.
func (n *node) describe() string {
	switch n.kind {
	case boolKind, intKind, floatKind:
		return fmt.Sprint(n.scalar)
	case stringKind:
		if s := n.text(); len(s) <= 40 {
			return fmt.Sprintf("%q", s)
		}
	}
	return n.kind.String()
}
