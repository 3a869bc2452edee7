package dsl

import (
	"fmt"
	"slices"

	"homellm/dsl/expr"
)

// ItemN is the number of the conversation's item; 0: it has none.
func (c *Conversation) ItemN() int {
	if c.Item == nil {
		return 0
	}
	return c.Item.N
}

// Name is the conversation's id, with the number of its item.
func (c *Conversation) Name() string {
	if c.Item == nil {
		return c.ID
	}
	return fmt.Sprintf("%s item %d", c.ID, c.Item.N)
}

// Again reports whether a conversation of the scenario repeats the one before it for another item.
func (s *Scenario) Again(i int) bool {
	return i > 0 && s.Conversations[i].Item != nil && s.Conversations[i-1].ID == s.Conversations[i].ID
}

// scored are the assertions of the conversation and its steps that have a pass rate.
func (c *Conversation) scored() (out []*expr.Assertion) {
	for _, step := range c.Steps {
		out = append(out, step.Assert...)
	}
	return slices.DeleteFunc(append(out, c.Assert...), func(a *expr.Assertion) bool { return !a.Named() })
}
