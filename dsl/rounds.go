package dsl

import (
	"fmt"
	"slices"

	"homellm/dsl/syntax"
	"homellm/engine/text"
	"homellm/engine/wire"
)

// Rounds are the requests that the user messages of a step may lead to in a conversation with tools: a reply, results,
// another reply.
type Rounds struct {
	Most    int     // for one user message
	Replies []Reply // recorded, of all requests of the step in order; nil: the server's own are kept

	played int // requests that the recorded replies make
}

// turns is how many requests a step with so many user messages makes, at least.
func (r *Rounds) turns(messages int) int {
	if r == nil || r.played == 0 {
		return messages
	}
	return r.played
}

// talk sends the requests of user messages.
type talk struct {
	*Rounds
	n    int // requests of the step so far
	send Send
}

// ask plays one user message: the text is appended and sent, and what the reply calls is answered and sent again until
// a reply calls nothing more. A conversation without tools has one request. A turn that failed keeps its question, so
// that a caller who goes on anyway sends a history that says what was asked.
func (h *History) ask(t *talk, text, recorded string) error {
	h.user(text)
	return h.reply(t, recorded)
}

// reply sends the history and keeps what comes of it.
func (h *History) reply(t *talk, recorded string) error {
	now := rounds{most: 1, alike: map[string]int{}}
	if t.Rounds != nil {
		now.most = t.Most
	}
	for {
		t.n, now.n = t.n+1, now.n+1
		turn := Turn{N: t.n, Messages: h.Messages(), Phase: h.phase, Docs: h.inContext(), Reply: recorded}
		if h.tools != nil {
			turn.Tools, turn.Round, turn.Last = h.tools.told, now.n, now.n == now.most
			turn.Answer = func(r Reply) Answered { return h.tools.answer(&now, r) }
			turn.longest = h.tools.longest
			turn.Reply, turn.Calls = t.recorded()
		}
		reply, err := t.send(turn)
		if err != nil {
			return err
		}
		if h.tools == nil {
			h.assistant(reply)
			return nil
		}
		if h.keep(&now, reply) != "" {
			return nil
		}
	}
}

// recorded is the recorded reply to the request at hand.
func (t *talk) recorded() (text string, calls []wire.ToolCall) {
	if t.Rounds == nil || t.n > len(t.Replies) {
		return "", nil
	}
	r := t.Replies[t.n-1]
	return r.Text, r.Calls
}

// keep appends a reply and the results of its calls, and says why no further request follows, if none does.
func (h *History) keep(now *rounds, reply Reply) (stopped string) {
	a := h.tools.answer(now, reply)
	reply.Calls = slices.Clone(reply.Calls) // they may be the scenario's own
	for i := range reply.Calls {
		h.tools.ids++
		if c := &reply.Calls[i]; c.ID == "" {
			c.ID = fmt.Sprintf("call%05d", h.tools.ids) // some templates want nine letters and digits
		}
	}
	h.assistant(reply)
	for i, c := range reply.Calls {
		h.messages = append(h.messages, message{role: roleTool, parts: []part{{text: a.results[i]}},
			of: wire.Call(c.ID, c.Function.Name, "")})
		h.tools.calls[c.Function.Name]++
		now.alike[same(c, a.results[i])]++
	}
	return a.Stopped
}

// rounds reads what a step says of its requests in a conversation with tools; nil: it has none.
func (d *decoder) rounds(n *syntax.Node, c *Conversation) *Rounds {
	most, replies := d.integer(n, "max_rounds", defaultRounds), d.replies(n)
	if len(c.Tools) > 0 {
		r := &Rounds{Most: most}
		if c.History == Recorded {
			r.Replies = replies
		}
		return r
	}
	if d.get(n, "max_rounds") != nil {
		d.errorKey(n, "max_rounds", "links/tool", "give the conversation tools, or remove it",
			"without tools every user message has one request")
	}
	if i := slices.IndexFunc(replies, func(r Reply) bool { return r.Calls != nil }); i >= 0 {
		d.errorf(d.nthReply(decodedStep{node: n, reply: d.get(n, "reply")}, i), "links/tool",
			"declare `tools:` in the conversation, or write a text", "this reply calls a tool, and the conversation has none")
	}
	return nil
}

// replies reads the recorded replies of a step with tools: texts, and mappings with calls.
func (d *decoder) replies(n *syntax.Node) []Reply {
	var out []Reply
	for _, item := range d.list(n, "reply") {
		if item.Kind == syntax.StringKind {
			out = append(out, Reply{Text: item.Text()})
			continue
		}
		r := Reply{Text: d.str(item, "text")}
		for _, c := range d.list(item, "tool_calls") {
			arguments := "{}"
			switch a := d.get(c, "arguments"); {
			case a == nil:
			case a.Kind == syntax.StringKind:
				arguments = a.Text()
			default:
				arguments = compact(a.Plain())
			}
			r.Calls = append(r.Calls, wire.Call("", d.str(c, "name"), arguments))
		}
		out = append(out, r)
	}
	return out
}

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
