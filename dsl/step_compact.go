package dsl

import (
	"fmt"
	"slices"

	"homellm/dsl/figure"
)

// Compact replaces the earlier part of the conversation by a summary, as agents do when their context is full.
type Compact struct {
	Keep    int     // user messages at the end that stay, with their rounds
	Summary string  // empty: the model writes it
	Ask     string  // the request for a summary
	Reply   string  // recorded
	Rounds  *Rounds // nil: the conversation has no tools
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
			if i := slices.IndexFunc(in.rounds.Replies, func(r Reply) bool { return r.Calls != nil }); i >= 0 && a.Ask != "" {
				d.errorf(d.nthReply(decodedStep{node: in.step, reply: d.get(in.step, "reply")}, i), "links/reply",
					"write the summary as a text", "this reply calls a tool, and a summary is text")
			}
		}
		keep, ok := asInt(d.get(in.node, "keep_last"))
		unread := !ok || keep < 0 || (a.Summary == "") == (a.Ask == "") // the schema has reported it
		return a, effect{rewrites: true, compacts: d.get(in.node, "keep_last"), unread: unread}
	},
}

// Turns returns 1 if the model writes the summary, else 0.
func (a Compact) Turns() int {
	if a.Ask != "" {
		return 1
	}
	return 0
}

// Play shortens the history. If the model writes the summary, it is asked first, with the whole history.
func (a Compact) Play(h *History, send Send) error {
	questions := h.questions()
	if a.Keep >= len(questions) {
		return fmt.Errorf("compacting: %d user messages are to stay, and there are %d", a.Keep, len(questions))
	}
	summary := a.Summary
	if a.Ask != "" {
		before, pending, ids := len(h.messages), h.pending, h.docs
		h.pending = nil // waiting documents belong to the next question
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

// questions returns the indexes of the questions: those of steps and those in the given history.
func (h *History) questions() []int {
	var out []int
	for i, m := range h.messages {
		if m.question {
			out = append(out, i)
		}
	}
	return out
}

// compact replaces everything between the system message and the last questions by a summary.
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
