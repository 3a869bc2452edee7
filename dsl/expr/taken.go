package expr

import (
	"slices"

	"homellm/dsl/figure"
)

// Taken says what a name is in expressions, if it is one that no variable can have; empty: it is free.
func (n *Names) Taken(name string) string {
	switch _, isFunction := function(name); {
	case figure.Find(name).Judges(), n.cell.parts[name] != nil:
		return "the first word of other names in expressions"
	case isFunction, refused[name] != "":
		return "a function"
	case slices.Contains([]string{"let", "if", "else", "not", "and", "or", "in", "true", "false", "nil"}, name):
		return "a word of the language of expressions"
	}
	return ""
}
