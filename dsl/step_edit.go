package dsl

import (
	"fmt"
	"slices"

	"homellm/dsl/figure"
)

// Edit replaces the question of an earlier step. The messages after it are dropped, and the conversation continues from
// there.
type Edit struct {
	Step   string // the step whose question is replaced; its first, if it has several
	Text   string
	Reply  string  // recorded
	Rounds *Rounds // nil: the conversation has no tools
}

var editKind = actionKind{
	Key: "edit", Asks: true,
	Doc: "Replaces the question of an earlier step, drops what followed it and asks again.",
	decode: func(d *decoder, in stepInput) (Action, effect) {
		a := Edit{Step: d.str(in.node, "step"), Text: d.str(in.node, "text"), Reply: in.firstReply(), Rounds: in.rounds}
		e := effect{rewrites: true}
		if n := d.get(in.node, "step"); n != nil {
			e.edits = &reference{a.Step, n}
		}
		return a, e
	},
}

// Turns returns the least number of requests that the question leads to.
func (a Edit) Turns() int { return a.Rounds.turns(1) }

// Play replaces the question and sends it.
func (a Edit) Play(h *History, send Send) error {
	if !h.edit(a.Step, a.Text) {
		return fmt.Errorf("editing step %s: its question is not in context", a.Step)
	}
	return h.reply(&talk{Rounds: a.Rounds, send: send}, a.Reply)
}

// asked returns the index of a step's first question; -1 if it is not in context.
func (h *History) asked(step string) int {
	return slices.IndexFunc(h.messages, func(m message) bool { return m.step == step && step != "" })
}

// askers lists the steps whose questions are in context.
func (h *History) askers() []string {
	var out []string
	for _, m := range h.messages {
		if m.step != "" {
			out = append(out, m.step)
		}
	}
	return out
}

// edit replaces the text of a step's question and drops the messages after it. Documents at the start of the question
// stay.
func (h *History) edit(step, text string) bool {
	at := h.asked(step)
	if at < 0 {
		return false
	}
	m := h.messages[at]
	m.parts = append(slices.Clone(m.parts[:len(m.parts)-1]), part{text: text}) // the text is the last part
	h.messages = append(h.messages[:at:at], m)
	h.pending = nil
	h.rewritten(figure.AfterEdit)
	return true
}

// rewritten updates the documents in context after messages were dropped.
func (h *History) rewritten(phase figure.Phase) {
	h.docs = slices.DeleteFunc(h.docs, func(id string) bool {
		in := func(p part) bool { return p.doc == id }
		return !slices.ContainsFunc(h.pending, in) &&
			!slices.ContainsFunc(h.messages, func(m message) bool { return slices.ContainsFunc(m.parts, in) })
	})
	h.phase, h.wired = phase, nil
}
