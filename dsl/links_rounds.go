package dsl

import (
	"homellm/dsl/syntax"
	"homellm/engine/text"
)

// checkRounds plays the recorded replies of a conversation with tools, and says where they do not go with its steps.
func (d *decoder) checkRounds(c *Conversation, steps []decodedStep) {
	h := c.Begin()
	for _, s := range steps {
		if s.step.Do == nil {
			continue
		}
		n := 0
		err := s.step.Play(h, func(t Turn) (Reply, error) {
			r := Reply{Text: t.Reply, Calls: t.Calls}
			if n = t.N; t.Answer != nil && s.rounds != nil && n <= len(s.rounds.Replies) {
				d.unmatched(s, n-1, t.Answer(r))
			}
			return r, nil
		})
		r := s.rounds
		if err != nil || r == nil || r.Replies == nil {
			continue
		}
		r.played = n
		switch at := firstOf(s.reply, s.node); {
		case n > len(r.Replies):
			d.errorf(at, "links/reply", "add one without calls", "step %q has no reply left after %d: its last calls are "+
				"answered and sent", s.step.ID, len(r.Replies))
		case n < len(r.Replies):
			d.errorf(d.nthReply(s, n), "links/reply", "remove it, or raise max_rounds where calls are to go on",
				"step %q makes %s, so this reply is never kept", s.step.ID, text.Plural(n, "request"))
		}
	}
}

// unmatched warns of a recorded call that no result answers.
func (d *decoder) unmatched(s decodedStep, i int, a Answered) {
	if a.Unmatched > 0 {
		d.warnf(d.nthReply(s, i), "links/tool", "add a result to the tool, or correct the call",
			"no result answers a call of this reply: it gets an error as its result")
	}
}

// nthReply is where a recorded reply stands.
func (d *decoder) nthReply(s decodedStep, i int) *syntax.Node {
	if s.reply != nil && s.reply.Kind == syntax.ListKind && i < len(s.reply.Items) {
		return s.reply.Items[i]
	}
	return firstOf(s.reply, s.node)
}
