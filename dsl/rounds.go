package dsl

import (
	"fmt"
	"slices"

	"homellm/engine/wire"
)

// Rounds are the requests that the user messages of a step may lead to in a conversation with tools: a reply, results,
// another reply.
type Rounds struct {
	Most    int     // for one user message
	Replies []Reply // recorded, of all requests of the step in order; nil: the server's own are kept

	played int // requests that the recorded replies make
}

// turns returns the least number of requests of a step with a number of user messages.
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

// question is the text of a user message with its images.
type question struct {
	text   string
	images []wire.Image
}

// ask plays one user message: it appends and sends the message, then appends the results of the reply's calls and sends
// again, until a reply has no calls. A conversation without tools has one request. After a failed turn the question
// stays in the history, so that a caller who continues anyway sends it too.
func (h *History) ask(t *talk, q question, recorded string) error {
	h.user(q)
	return h.reply(t, recorded)
}

// reply sends the history and keeps the reply.
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

// recorded returns the recorded reply to the current request.
func (t *talk) recorded() (text string, calls []wire.ToolCall) {
	if t.Rounds == nil || t.n > len(t.Replies) {
		return "", nil
	}
	r := t.Replies[t.n-1]
	return r.Text, r.Calls
}

// newID returns an id for a call that the history does not contain yet: nine letters and digits, as some templates
// require.
func (h *History) newID() string {
	for {
		id := fmt.Sprintf("call%05d", h.tools.ids)
		if !slices.ContainsFunc(h.messages, func(m message) bool { return m.of.ID == id }) {
			return id
		}
		h.tools.ids++
	}
}

// keep appends a reply and the results of its calls, and says why no further request follows, if none does.
func (h *History) keep(now *rounds, reply Reply) (stopped string) {
	a := h.tools.answer(now, reply)
	reply.Calls = slices.Clone(reply.Calls) // they may be the scenario's own
	for i := range reply.Calls {
		h.tools.ids++
		if c := &reply.Calls[i]; c.ID == "" {
			c.ID = h.newID()
		}
	}
	h.assistant(reply)
	for i, c := range reply.Calls {
		h.messages = append(h.messages, message{role: roleTool, parts: []part{{text: a.calls[i].result}},
			of: wire.Call(c.ID, c.Function.Name, "")})
		h.tools.calls[c.Function.Name]++
		now.alike[same(c, a.calls[i].result)]++
	}
	return a.Stopped
}
