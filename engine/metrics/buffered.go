package metrics

import (
	"fmt"
	"time"

	"homellm/engine/event"
)

// A reply of at least this many tokens shows whether it was sent as it was generated.
const (
	fewAtOnce = 8 // that came with one arrival
	fewInRow  = 4 // after the first arrival
)

// maxSpeedup is by what factor a server may suddenly generate faster: with speculative decoding, if all drafts are
// accepted where none was before.
const maxSpeedup = 8

// maxPrefillRatio is by what factor prefill of a token may seem slower than decoding one, where both take a
// millisecond or more: a CPU takes about the same time for both, and a busy machine makes either look slow.
const maxPrefillRatio = 2

// Pace is the server's time per token; 0 where unknown.
type Pace struct {
	Prompt time.Duration // of a new prompt, until the first token of the reply
	Output time.Duration // of a reply that was sent as it was generated
}

// Buffered says why a reply was held back and not sent as it was generated; empty if nothing shows that. A reply was
// held back if it came all at once, if its tokens came faster than the server computes prompt tokens (no server
// decodes faster than it prefills), or if they came far faster than earlier ones, unless the server's own timings
// confirm the speed. A reply that took less than a millisecond per token in all cannot be judged, because a client
// reads such a reply at once.
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
		return "" // the server's own timings confirm the speed
	}
	switch each := window / time.Duration(all-first); {
	case each < of.Prompt && each < oneGroup, maxPrefillRatio*each < of.Prompt:
		return fmt.Sprintf("its tokens came %v apart, faster than the server computes those of a prompt, which take %v each",
			rounded(each), rounded(of.Prompt))
	case maxSpeedup*each < of.Output:
		return fmt.Sprintf("its tokens came %v apart, where the server generated one in %v before", rounded(each),
			rounded(of.Output))
	}
	return ""
}

// Flow is the time per token after the first arrival; 0 if the reply is too short to tell.
func Flow(x *event.Exchange) time.Duration {
	q := event.Request{Exchange: *x}
	tokens, window, why := decode(&q)
	if why != "" || tokens < fewInRow {
		return 0
	}
	return window / time.Duration(tokens)
}

// rounded rounds a duration to three digits or so.
func rounded(d time.Duration) time.Duration {
	for _, unit := range []time.Duration{time.Millisecond, time.Microsecond} {
		if d >= 10*unit {
			return d.Round(unit / 10)
		}
	}
	return d
}
