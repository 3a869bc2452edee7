package metrics

import (
	"slices"
	"time"

	"homellm/engine/event"
	"homellm/engine/stats"
)

// Reasons that several metrics share.
const (
	noStream   = "the reply was not streamed"
	noToken    = "no token arrived"
	neverSent  = "the request was never sent"
	noUsage    = "the server reported no token counts"
	tooFew     = "the server reports fewer output tokens than the reply has pieces of text"
	tooMany    = "the server reports more output tokens than the request allowed"
	noCached   = "the server reports no cached tokens"
	oneArrival = "the text arrived all at once"
	oneToken   = "a reply of one token has no gaps"
	bundled    = "the first piece of text may hold several tokens, and the server does not say how many"
	afterText  = "tokens may have come after the last text, and the server does not say how many"
	coalesced  = "several deltas came with one read, and the kernel tells when the last of them arrived"
	buffered   = "the reply was held back and not sent as it was generated"
	tooShort   = "the answer has fewer than 8 words"
	allCached  = "every prompt token came from the cache"
	firstPlay  = "the turn was not played before, so there is no answer to compare with"
	several    = "the reply had several choices, and the server counts the tokens of all"

	reusedConnection = "the connection was reused"
	othersUnderWay   = "other requests were under way, and the time to the first token holds waits for them"
	nothingReusable  = "less than 1 % of the prompt could be reused"
	nothingRetrieved = "nothing was retrieved before the turn"
	nothingReranked  = "nothing was reranked before the turn"
	nothingExpected  = "the scenario does not say what should be retrieved before the turn"
	tooMuch          = "more was cached than homellm has sent to this cache: other clients' prompts, or an isolation " +
		"that does not isolate"
)

func streamed(q *event.Request) bool { return q.Wire.Framing != "json" }

// ttft is the time from the first byte sent to the first non-empty delta of any channel. Role chunks and empty deltas
// are not chunks of an exchange.
func ttft(q *event.Request) (time.Duration, string) {
	switch {
	case q.Sent == nil:
		return 0, neverSent
	case !streamed(q):
		return 0, noStream
	case len(q.Chunks) == 0:
		return 0, noToken
	}
	return arrived(q, 0)
}

// arrived is the time from sending to the arrival of a delta. Of several deltas in one read only the arrival of the
// last is known.
func arrived(q *event.Request, i int) (time.Duration, string) {
	if q.Sent == nil {
		return 0, neverSent
	}
	if q.Buffered {
		return 0, buffered
	}
	at := q.Chunks[i].At
	if q.Wire.CoalescedMax > 1 && i+1 < len(q.Chunks) && q.Chunks[i+1].At == at {
		return 0, coalesced
	}
	return at - *q.Sent, ""
}

// firstAnswer is the index of the first delta of the answer; -1 if there is none.
func firstAnswer(q *event.Request) int { return slices.IndexFunc(q.Chunks, answers) }

// oneGroup is how long after the first delta of a group others belong to the same group. When a server sends several
// deltas at once, the time between their reads depends on the client's scheduling.
const oneGroup = time.Millisecond

// gaps are the times between arrivals of text, from the first delta of a group to that of the next. They are unknown
// if one read delivered several deltas.
func gaps(q *event.Request) ([]float64, string) {
	if !streamed(q) {
		return nil, noStream
	}
	if n := q.Usage.Completion; n != nil && *n <= 1 && len(q.Chunks) <= 1 {
		return nil, oneToken
	}
	if len(q.Chunks) == 0 {
		return nil, noToken
	}
	if q.Buffered {
		return nil, buffered
	}
	if q.Wire.CoalescedMax > 1 {
		return nil, coalesced
	}
	var out []float64
	last := q.Chunks[0].At
	for _, c := range q.Chunks[1:] {
		if c.At > last+oneGroup {
			out = append(out, event.Milliseconds(c.At-last))
			last = c.At
		}
	}
	if len(out) == 0 {
		return nil, oneArrival
	}
	slices.Sort(out)
	return out, ""
}

// stalls counts the gaps longer than five times the median gap.
func stalls(sorted []float64) int {
	n := 0
	for _, g := range sorted {
		if g > 5*stats.Percentile(sorted, 50) {
			n++
		}
	}
	return n
}

// rttFloor is the round trip of the cell's server in ms, 0 if it was not measured.
func rttFloor(c *Cell) float64 {
	values, _, _ := c.observations("client.rtt_floor_ms")
	if len(values) == 0 {
		return 0
	}
	return slices.Min(values)
}

// prefill is the number of prompt tokens that the server computed, and the seconds until its first token.
func prefill(c *Cell, q *event.Request) (tokens, seconds float64, why string) {
	if c.Planned.Together {
		return 0, 0, othersUnderWay
	}
	have, prompt, why := cached(q)
	if why != "" {
		return 0, 0, why
	}
	if have == prompt {
		return 0, 0, allCached
	}
	first, why := ttft(q)
	if why != "" {
		return 0, 0, why
	}
	t := event.Milliseconds(first) - rttFloor(c)
	if t <= 0 {
		return 0, 0, "the first token came within the round trip of the network"
	}
	return float64(prompt - have), t / 1000, ""
}

// said reads a figure that the server reported for the request.
func said(name string) func(*Cell, *event.Request) (any, string) {
	return func(_ *Cell, q *event.Request) (any, string) {
		v, ok := q.Timings[name]
		if !ok {
			return nil, "the server says nothing of " + name
		}
		return v, ""
	}
}

// uncounted says why a reply has no credible token counts; empty if it may have them.
func uncounted(q *event.Request) string { return q.Wire.UsageConflict }

// promptTokens is how many tokens a prompt has by the server's count.
func promptTokens(q *event.Request) (n int, why string) {
	switch {
	case uncounted(q) != "":
		return 0, uncounted(q)
	case q.Usage.Prompt == nil:
		return 0, noUsage
	}
	return *q.Usage.Prompt, ""
}

// output is how many tokens a reply has by the server's count.
func output(q *event.Request) (n int, why string) {
	switch {
	case uncounted(q) != "":
		return 0, uncounted(q)
	case q.Usage.Completion == nil:
		return 0, noUsage
	case q.Wire.Several:
		return 0, several
	case Miscounted(q):
		return 0, tooFew
	case Overcounted(q):
		return 0, tooMany
	}
	return *q.Usage.Completion, ""
}

// Miscounted says whether the server's report of tokens is wrong because the reply has more pieces of text. Pieces on
// several channels may come from one event, and one extra piece is allowed.
func Miscounted(q *event.Request) bool {
	if q.Usage.Completion == nil {
		return false
	}
	pieces := len(q.Chunks)
	for i := 1; i < len(q.Chunks); i++ {
		if c, last := q.Chunks[i], q.Chunks[i-1]; c.At == last.At && c.Channel != last.Channel {
			pieces--
		}
	}
	return pieces > *q.Usage.Completion+1
}

// Overcounted says whether the server's report is wrong because it has more output tokens than the request allowed.
func Overcounted(q *event.Request) bool {
	return q.Usage.Completion != nil && q.MaxTokens > 0 && *q.Usage.Completion > q.MaxTokens && !q.Wire.Several
}

func since(from *time.Duration, to time.Duration) (any, string) {
	if from == nil {
		return nil, neverSent
	}
	return event.Milliseconds(to - *from), ""
}

func gap(p int) func(*Cell, *event.Request) (any, string) {
	return func(_ *Cell, q *event.Request) (any, string) {
		g, why := gaps(q)
		if why != "" {
			return nil, why
		}
		return stats.Percentile(g, p), ""
	}
}

func lastToken(q *event.Request) (t time.Duration, why string) {
	switch {
	case !streamed(q):
		return q.Done, ""
	case len(q.Chunks) == 0:
		return 0, noToken
	}
	return q.Chunks[len(q.Chunks)-1].At, ""
}

// answers says whether a delta is part of the exchange's text, which may be a refusal.
func answers(c event.Chunk) bool { return c.Channel == event.Answer || c.Channel == event.Refusal }
