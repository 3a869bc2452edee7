package observe

import (
	"context"
	"time"

	"homellm/engine/engines"
	"homellm/engine/event"
	"homellm/engine/metrics"
)

// Ask sends a text in the same way as the run sends its prompts, and asks for a number of tokens.
type Ask func(ctx context.Context, text string, tokens int) event.Exchange

// The reply that shows how a server streams answers a new prompt. The prompt is so long that the time per token
// exceeds the overhead of a request.
const (
	streamWords  = 264 // at least one token each
	streamTokens = 16
)

// stream is what replies showed of the server's streaming.
type stream struct {
	seen bool         // a reply was long enough to tell
	held string       // how replies are held back; empty if they are not
	pace metrics.Pace // prefill and decode pace of a reply that was not held back
}

// learn takes the prefill time per token of a new prompt from a reply.
func (s *stream) learn(e *event.Exchange) {
	if e.Err != nil || e.Sent == nil || len(e.Chunks) == 0 {
		return
	}
	tokens := streamWords
	if n := e.Usage.Prompt; n != nil && *n > tokens {
		tokens = *n
	}
	if took := (e.Chunks[0].At - *e.Sent) / time.Duration(tokens); s.pace.Prompt == 0 || took < s.pace.Prompt {
		s.pace.Prompt = took
	}
}

// see records a reply of several tokens.
func (s *stream) see(e *event.Exchange) {
	held := metrics.Buffered(e, s.pace)
	if e.Err != nil || held == "" && arrivals(e) < severalArrivals {
		return
	}
	s.seen = true
	if s.held == "" {
		s.held = held
	}
	if held == "" && s.pace.Output == 0 {
		s.pace.Output = metrics.Flow(e)
	}
}

// severalArrivals is the number of arrivals from which a reply was not held back.
const severalArrivals = 3

// arrivals counts the instants at which text of a reply arrived.
func arrivals(e *event.Exchange) int {
	n := 0
	for i, c := range e.Chunks {
		if i == 0 || c.At > e.Chunks[i-1].At {
			n++
		}
	}
	return n
}

// capability is the streaming capability as seen; false if no reply could tell.
func (s stream) capability() (engines.Capability, bool) {
	c := engines.Capability{Name: "streaming", OK: s.held == "", How: "replies are sent as they are generated"}
	if !c.OK {
		c.How = "replies are held back, by the server or by what is in front of it: " + s.held
	}
	return c, s.seen
}

// flow counts the replies that were held back.
type flow struct {
	stream
	turns, late int // all replies, and those held back
}

// check notes a reply that was held back.
func (f *flow) check(r *event.Request, notes notes) {
	if r.Err != nil {
		return
	}
	f.turns++
	why := metrics.Buffered(&r.Exchange, f.pace)
	if why == "" {
		return
	}
	r.Buffered = true
	f.late++
	notes.once("buffered", "%s: the reply was held back and not sent as it was generated: %s; its decode speed is "+
		"unknown, and its first token was made at any time before it arrived", turnOf(r), why)
}

// sum notes how many replies were held back.
func (f *flow) sum(notes notes) {
	if f.late > 1 {
		notes.add("buffered", "%d of %d replies were held back and not sent as they were generated", f.late, f.turns)
	}
	f.turns, f.late = 0, 0
}
