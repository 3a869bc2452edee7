package dsl

import (
	"homellm/dsl/syntax"
)

// decodedStep is a step with the parts of its source that the link check needs.
type decodedStep struct {
	step    *Step
	node    *syntax.Node
	effect  effect
	replies []string
	reply   *syntax.Node
	rounds  *Rounds // nil: the conversation has no tools
	varies  bool    // a variable or an axis decides whether replies are kept
}

func (s decodedStep) turns() int {
	if s.step.Do == nil {
		return 0
	}
	return s.step.Do.Turns()
}

// actionKind is one kind of step: its key, what it does, and how its value is read.
type actionKind struct {
	Key string
	Doc string // one sentence

	// Asks says that tools may be called for its user messages, which then lead to several requests each.
	Asks bool

	// decode reads the value of the action key. It reports problems through d and always returns an action, so that the
	// rest of the file is still checked.
	decode func(d *decoder, in stepInput) (Action, effect)
}

// stepInput is the input of a step's action.
type stepInput struct {
	node    *syntax.Node // value of the action key
	step    *syntax.Node // the whole step
	replies []string     // of `reply:`; nil if absent
	rounds  *Rounds      // nil: the conversation has no tools
}

// effect is what a step does to the context of its conversation; the link check uses it.
type effect struct {
	injects []reference // documents it puts into the context
	removes []reference // documents it takes out of it
	reads   []reference // documents that must be in context
	// the corpus from which it puts chunks into the context; nil: none
	retrieves *reference

	unclear       bool // an injection could not be read, so the context may hold anything
	needsDocument bool // at least one document must be in context
	needsTurn     bool // a turn must have been sent before

	unread   bool         // it could not be read, so nothing is known of the context after it
	edits    *reference   // the step whose question it replaces
	compacts *syntax.Node // how many user messages stay
	rewrites bool         // it drops messages, and documents with them
}

// reference is a place that names something.
type reference struct {
	name string
	node *syntax.Node
}
