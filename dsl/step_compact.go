package dsl

import (
	"fmt"
	"slices"

	"homellm/dsl/figure"
)

// Compact puts a summary in the place of what was said first, as agents do whose context is full.
type Compact struct {
	Keep    int     // user messages at the end that stay, with their rounds
	Summary string  // empty: the model writes it
	Ask     string  // what it is asked for that
	Reply   string  // recorded
	Rounds  *Rounds // of a conversation with tools
}

var compactKind = actionKind{
	Key: "compact",
	Doc: "Puts a summary in the place of all but the last user messages, with their replies.",
	decode: func(d *decoder, in stepInput) (Action, effect) {
		a := Compact{Keep: d.integer(in.node, "keep_last", 0), Summary: d.str(in.node, "summary"), Ask: d.str(in.node, "ask"),
			Reply: in.firstReply()}
		if in.rounds != nil {
			a.Rounds = in.rounds
			a.Rounds.Most = 1 // a summary is text
		}
		return a, effect{needsTurn: true, rewrites: true, compacts: d.get(in.node, "keep_last")}
	},
}

// Turns returns 1 if the model writes the summary, else 0.
func (a Compact) Turns() int {
	if a.Ask != "" {
		return 1
	}
	return 0
}

// Play shortens the history. A model that writes the summary is asked for it first, with the whole history.
func (a Compact) Play(h *History, send Send) error {
	questions := h.questions()
	if a.Keep >= len(questions) {
		return fmt.Errorf("compacting: %d user messages are to stay, and there are %d", a.Keep, len(questions))
	}
	summary := a.Summary
	if a.Ask != "" {
		before, pending, ids := len(h.messages), h.pending, h.docs
		h.pending = nil // documents that wait belong to the next question
		err := h.ask(&talk{Rounds: a.Rounds, send: func(t Turn) (Reply, error) {
			r, err := send(t)
			summary = r.Text
			return r, err
		}}, question{text: a.Ask}, a.Reply)
		h.messages, h.pending, h.docs, h.wired = h.messages[:before:before], pending, ids, nil
		if err != nil {
			return err
		}
	}
	h.compact(questions, a.Keep, summary)
	return nil
}

// questions are the indexes of the messages that steps have asked with, or a user of the given history.
func (h *History) questions() []int {
	var out []int
	for i, m := range h.messages {
		if m.question {
			out = append(out, i)
		}
	}
	return out
}

// compact puts a summary in the place of all between the system message and the last questions.
func (h *History) compact(questions []int, keep int, summary string) {
	from, to := 0, len(h.messages)
	if len(h.messages) > 0 && h.messages[0].role == roleSystem {
		from = 1
	}
	if keep > 0 {
		to = questions[len(questions)-keep]
	}
	m := message{role: roleUser, parts: []part{{text: summary}}}
	h.messages = slices.Concat(h.messages[:from], []message{m}, h.messages[to:])
	h.rewritten(figure.AfterCompact)
}
