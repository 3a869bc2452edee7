package metrics

import (
	"fmt"
	"time"

	"homellm/engine/event"
)

// A reply of so many tokens says whether it was sent as it was generated.
const (
	fewAtOnce = 8 // that came with one arrival
	fewInRow  = 4 // after the first arrival
)

// much is how many times as fast as before a server may generate: drafts of which all are taken, and then none.
const much = 8

// slower is by how much longer a token of a prompt may seem to take than one of a reply, where either takes a
// millisecond and more: one processor reads about as fast as it generates, and a busy machine makes either look slow.
const slower = 2

// Pace is what one token takes a server, as far as is known; else 0.
type Pace struct {
	Prompt time.Duration // of a new prompt, until the first of the reply
	Output time.Duration // of a reply that was sent as it was generated
}

// Buffered says why a reply was not sent as it was generated, but held back; empty if it was not, as far as can be
// told. It came all at once, or its tokens came faster than the server computes those of a prompt, as no server
// generates faster than it reads, or far faster than it generated before; unless the server itself says that
// it generated so fast. Of a reply that took less than a millisecond a token from its sending on it cannot be told: a
// client reads what comes so fast at once.
func Buffered(x *event.Exchange, of Pace) string {
	if x.Err != nil || x.Wire.Framing == "json" || len(x.Chunks) == 0 || x.Sent == nil {
		return ""
	}
	q := event.Request{Exchange: *x}
	all, first := max(len(x.Chunks), firstTokens(&q)), firstTokens(&q)
	if n, why := output(&q); why == "" {
		all = n
	}
	window := textWindow(&q)
	switch {
	case x.Chunks[len(x.Chunks)-1].At-*x.Sent < time.Duration(all)*oneGroup:
		return ""
	case window == 0 && all >= fewAtOnce:
		return fmt.Sprintf("all of its %d tokens came at once", all)
	case window == 0 || all-first < fewInRow:
		return ""
	}
	if told, ok := x.Timings["server.decode_ms"]; ok && 2*event.Milliseconds(window) > told {
		return "" // it was generated so fast, by the server's own account
	}
	switch each := window / time.Duration(all-first); {
	case each < of.Prompt && each < oneGroup, slower*each < of.Prompt:
		return fmt.Sprintf("its tokens came %v apart, faster than the server computes those of a prompt, which take %v each",
			shortly(each), shortly(of.Prompt))
	case much*each < of.Output:
		return fmt.Sprintf("its tokens came %v apart, where the server generated one in %v before", shortly(each),
			shortly(of.Output))
	}
	return ""
}

// Flow is what one token of a reply took after the first arrival; 0 if the reply is too short to tell.
func Flow(x *event.Exchange) time.Duration {
	q := event.Request{Exchange: *x}
	tokens, window, why := decode(&q)
	if why != "" || tokens < fewInRow {
		return 0
	}
	return window / time.Duration(tokens)
}

// shortly rounds a duration to what is worth reading.
func shortly(d time.Duration) time.Duration {
	for _, unit := range []time.Duration{time.Millisecond, time.Microsecond} {
		if d >= 10*unit {
			return d.Round(unit / 10)
		}
	}
	return d
}
