package dsl

import (
	"homellm/dsl/syntax"
)

// Continue asks further questions about the documents left in context, one after the other.
type Continue struct {
	Texts   []string
	Replies []string // recorded; empty or one for each text
	Rounds  *Rounds  // of a conversation with tools
}

var continueKind = actionKind{
	Key: "continue", Asks: true,
	Doc: "Asks one or more further questions on whatever is left in the context.",
	decode: func(d *decoder, in stepInput) (Action, effect) {
		a := Continue{Replies: in.replies, Rounds: in.rounds}
		if in.node != nil && in.node.Kind == syntax.MapKind {
			a.Texts = d.strs(in.node, "turns")
		} else {
			a.Texts = []string{in.node.Text()}
		}
		return a, effect{needsTurn: true}
	},
}

// Turns returns how many requests the questions make, at least.
func (a Continue) Turns() int { return a.Rounds.turns(len(a.Texts)) }

// Play sends the questions.
func (a Continue) Play(h *History, send Send) error {
	t := &talk{Rounds: a.Rounds, send: send}
	for i, text := range a.Texts {
		reply := ""
		if i < len(a.Replies) {
			reply = a.Replies[i]
		}
		if err := h.ask(t, question{text: text}, reply); err != nil {
			return err
		}
	}
	return nil
}
