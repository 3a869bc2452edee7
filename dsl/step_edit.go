package dsl

import (
	"fmt"
	"slices"

	"homellm/dsl/figure"
)

// Edit replaces the question of an earlier step. What followed it is dropped, and the conversation goes on from there.
type Edit struct {
	Step   string // whose question it is; the first, where it has several
	Text   string
	Reply  string  // recorded
	Rounds *Rounds // of a conversation with tools
}

var editKind = actionKind{
	Key: "edit",
	Doc: "Replaces the question of an earlier step, drops what followed it and asks again.",
	decode: func(d *decoder, in stepInput) (Action, effect) {
		a := Edit{Step: d.str(in.node, "step"), Text: d.str(in.node, "text"), Reply: in.firstReply(), Rounds: in.rounds}
		e := effect{needsTurn: true, rewrites: true}
		if n := d.get(in.node, "step"); n != nil {
			e.edits = &reference{a.Step, n}
		}
		return a, e
	},
}

// Turns returns how many requests the question makes, at least.
func (a Edit) Turns() int { return a.Rounds.turns(1) }

// Play replaces the question and sends it.
func (a Edit) Play(h *History, send Send) error {
	if !h.edit(a.Step, a.Text) {
		return fmt.Errorf("editing step %s: its question is not in context", a.Step)
	}
	return h.reply(&talk{Rounds: a.Rounds, send: send}, a.Reply)
}

// asked is the index of the first message that a step has asked with; -1 if it is not in context.
func (h *History) asked(step string) int {
	return slices.IndexFunc(h.messages, func(m message) bool { return m.step == step && step != "" })
}

// edit replaces the text of a step's question; documents that opened it stay. What follows it goes.
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

// rewritten notes that messages have gone, and documents with them.
func (h *History) rewritten(phase figure.Phase) {
	h.docs = slices.DeleteFunc(h.docs, func(id string) bool {
		in := func(p part) bool { return p.doc == id }
		return !slices.ContainsFunc(h.pending, in) &&
			!slices.ContainsFunc(h.messages, func(m message) bool { return slices.ContainsFunc(m.parts, in) })
	})
	h.phase, h.wired = phase, nil
}
