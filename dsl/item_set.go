package dsl

import (
	"homellm/dsl/dataset"
	"homellm/dsl/expr"
)

// maxItems limits the items of one conversation.
const maxItems = 10_000

// itemSet is the data set of the conversation that is being read.
type itemSet struct {
	name    string // of the variable
	set     *dataset.Set
	items   []*Item
	now     *Item           // whose conversation is being read
	checked map[string]bool // columns whose values have been looked at
}

// kindOf is the kind of a column: that of its first value, and a number if some are whole and others not.
func (s *itemSet) kindOf(column string) expr.Kind {
	var kind expr.Kind
	for _, item := range s.items {
		k := expr.LiteralKind(item.Values[column])
		if kind == "" || kind == expr.Int && k == expr.Float {
			kind = k
		}
	}
	return kind
}

// columns are the kinds of all columns.
func (s *itemSet) columns() map[string]expr.Kind {
	out := map[string]expr.Kind{}
	for _, column := range s.set.Columns() {
		if k := s.kindOf(column); k != "" {
			out[column] = k
		}
	}
	return out
}
