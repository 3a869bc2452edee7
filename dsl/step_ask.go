package dsl

import (
	"homellm/dsl/syntax"
	"homellm/engine/wire"
)

// Ask asks a question.
type Ask struct {
	Text   string
	Images []wire.Image // shown with the question
	Reply  string       // recorded
	Rounds *Rounds      // nil: the conversation has no tools
}

var askKind = actionKind{
	Key: "ask", Asks: true,
	Doc: "Asks a question and waits for the reply.",
	decode: func(d *decoder, in stepInput) (Action, effect) {
		a := Ask{Text: in.node.Text(), Reply: in.firstReply(), Rounds: in.rounds}
		if in.node != nil && in.node.Kind == syntax.MapKind {
			a.Text, a.Images = d.str(in.node, "text"), d.images(in.node)
		}
		return a, effect{}
	},
}

// Turns returns how many requests the question makes, at least.
func (a Ask) Turns() int { return a.Rounds.turns(1) }

// Play sends the question.
func (a Ask) Play(h *History, send Send) error {
	return h.ask(&talk{Rounds: a.Rounds, send: send}, question{a.Text, a.Images}, a.Reply)
}

// firstReply returns the recorded reply of a step with one turn. The check of the history mode makes sure that there
// is exactly one.
func (in stepInput) firstReply() string {
	if len(in.replies) == 0 {
		return ""
	}
	return in.replies[0]
}
