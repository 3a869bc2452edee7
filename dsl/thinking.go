package dsl

import "slices"

// Thinking says how to make a model think before it answers, or not.
type Thinking struct {
	Kwarg   string   // variable of the chat template that decides it; empty: none
	Field   string   // request field that servers turn into the variable; empty: there is none
	Off, On any      // values of the variable, booleans or texts; nil: there is no such value
	Levels  []string // values for the amount of thinking, the least first
	Default string   // off, on or a level: the behaviour if a request does not set it
}

// Value is the value of the variable for off, on or a level. It is nil if this is the model's default and has no
// value; ok is false if the model cannot do it.
func (t *Thinking) Value(how string) (value any, ok bool) {
	switch {
	case t == nil:
		return nil, how == "off" // a model that never thinks needs no value
	case how == "off" && t.Off != nil:
		return t.Off, true
	case how == "on" && t.On != nil:
		return t.On, true
	case slices.Contains(t.Levels, how):
		return how, true
	case how == "on" && t.Default != "off":
		return nil, true
	}
	return nil, how == t.Default
}
