package dsl

import (
	"strings"

	"homellm/dsl/dataset"
)

// Item is one item of a data set, for which a conversation is played.
type Item struct {
	N      int            // its place in the data set, from 1
	Values map[string]any // text, int, float64 or bool, by column

	name   string // of the variable
	source *dataset.Item
}

// Value is the value of a path such as item.answer; false: it is none of an item.
func (i *Item) Value(path string) (any, bool) {
	if i == nil {
		return nil, false
	}
	column, ok := strings.CutPrefix(path, i.name+".")
	v, has := i.Values[column]
	return v, ok && has
}
