package metrics

import (
	"math"
	"time"

	"homellm/engine/event"
)

// conversations are metrics of several turns: of a conversation, a phase, a step or a run.
var conversations = []Def{
	{Name: "turns", counts: true, Unit: "turns", Kind: Int, Levels: groups, Source: "client",
		Shown: Shown{
			Columns: []Column{{Rank: 1, Head: "turns", Stat: "max"}}, // an interrupted repeat has fewer
		},
		Doc: "turns played", Formula: "requests sent, failed ones included",
		over: func(_ *Cell, g []*event.Request) (any, string) { return len(g), "" }},
	{Name: "requests", counts: true, Unit: "requests", Kind: Int, Levels: groups, Source: "client",
		Doc: "requests sent", Formula: "measured requests, failed ones included; not those that the end of the run cut off",
		over: func(_ *Cell, g []*event.Request) (any, string) { return len(g), "" }},
	{Name: "requests_failed", counts: true, Unit: "requests", Kind: Int, Better: -1, Levels: groups, Source: "client",
		Doc: "requests that failed", Formula: "measured requests with an error of any class",
		over: func(_ *Cell, g []*event.Request) (any, string) { return CountFailed(g), "" }},
	{Name: "error_rate", counts: true, Unit: "ratio", Kind: Float, Rate: true, Better: -1, Levels: groups,
		Source: "client", Shown: Shown{Beside: &Beside{Rank: 5, Head: "failed", Stat: "mean", Whole: true}},
		Doc: "share of requests that failed", Formula: "requests_failed / requests",
		over: func(_ *Cell, g []*event.Request) (any, string) {
			if len(g) == 0 {
				return nil, "no request was measured"
			}
			return float64(CountFailed(g)) / float64(len(g)), ""
		}},
	{Name: "streams_truncated", counts: true, Unit: "requests", Kind: Int, Better: -1, Levels: groups, Source: "client",
		Doc: "replies that began and did not end",
		Formula: "measured requests of which the reply began and broke off: error truncated, and reset or a time-out " +
			"behind the head of a reply without a finish reason and [DONE]",
		over: func(_ *Cell, g []*event.Request) (any, string) {
			n := 0
			for _, q := range g {
				if truncated(q) {
					n++
				}
			}
			return n, ""
		}},
	{Name: "total_ms", length: true,
		Unit: "ms", Kind: Float, Better: -1, Levels: []Level{ConversationLevel}, Source: "client",
		Doc: "time from the first request of a conversation to the end of its last reply",
		Formula: "last end of an exchange - first sent, less what `wait` steps took between them; of several conversations " +
			"the sum; unknown if a request failed",
		over: func(_ *Cell, g []*event.Request) (any, string) { return total(g) }},
	{Name: "context_peak_tokens", Unit: "tokens", Kind: Int, Levels: groups, Source: "usage", Support: "usage",
		Shown: Shown{
			Tile: &Tile{Name: "longest context", Note: "tokens"},
		},
		Doc: "largest context that a turn needed", Formula: "largest prompt_tokens + output_tokens of a turn",
		over: func(_ *Cell, g []*event.Request) (any, string) { return peak(g) }, span: peakLimits},
	{Name: "repeats", Unit: "repeats", Kind: Int, Levels: []Level{RunLevel}, Source: "client",
		Doc: "measured repeats", Formula: "repeats of which at least one request ended",
		over: func(c *Cell, _ []*event.Request) (any, string) { return len(c.Repeats()), "" }},
	{Name: "duration_s", Unit: "s", Kind: Float, Better: -1, Levels: []Level{RunLevel}, Source: "client",
		Doc:     "time from the first measured request to the end of the last",
		Formula: "last end of an exchange - first due, cooldowns included",
		over: func(c *Cell, _ []*event.Request) (any, string) {
			from, to, ok := c.Window()
			if !ok {
				return nil, "no request was measured"
			}
			return (to - from).Seconds(), ""
		}},
}

// truncated says whether a reply began and did not end, for whatever reason.
func truncated(q *event.Request) bool {
	switch {
	case q.Err == nil:
		return false
	case q.Err.Class == "truncated":
		return true
	case q.Finish != "" || q.Wire.DoneMarker:
		return false
	case q.Err.Class == "reset":
		return q.Headers != nil && q.Status == 200
	case q.Err.Class == "timeout", q.Err.Class == "timeout_idle":
		return q.Wire.Events > 0
	}
	return false
}

// CountFailed counts the requests that failed.
func CountFailed(g []*event.Request) int {
	n := 0
	for _, q := range g {
		if q.Err != nil {
			n++
		}
	}
	return n
}

// total is the time from the first request of a conversation to the end of its last reply. For several conversations
// it is the sum, without what was played in between. A failure makes it unknown, because an interrupted conversation
// would look fast.
func total(g []*event.Request) (any, string) {
	type pass struct {
		repeat, user int
		conversation string
		item         int
	}
	type span struct{ from, to, waited time.Duration }
	spans := map[pass]span{}
	for _, q := range g {
		switch {
		case q.Err != nil:
			return nil, "a request failed: " + q.Err.Class
		case q.Sent == nil:
			return nil, neverSent
		}
		at := pass{q.Repeat, q.User, q.Conversation, q.Item}
		s, begun := spans[at]
		if begun {
			s.waited += q.Waited
		}
		if !begun || *q.Sent < s.from {
			s.from = *q.Sent
		}
		s.to = max(s.to, q.Done)
		spans[at] = s
	}
	if len(g) == 0 {
		return nil, "no request was measured"
	}
	var sum time.Duration
	for _, s := range spans {
		sum += s.to - s.from - s.waited
	}
	return event.Milliseconds(sum), ""
}

func peak(g []*event.Request) (any, string) {
	most := 0
	for _, q := range g {
		if q.Err != nil {
			return nil, "a request failed: " + q.Err.Class
		}
		asked, why := promptTokens(q)
		if why != "" {
			return nil, why
		}
		n, why := output(q)
		if why != "" {
			return nil, why
		}
		most = max(most, asked+n)
	}
	if len(g) == 0 {
		return nil, "no request was measured"
	}
	return most, ""
}

// peakLimits are the limits of the largest context if not every turn has token counts.
func peakLimits(c *Cell, g []*event.Request) event.Range {
	var out event.Range
	for _, q := range g {
		prompt, reply := promptLimits(c, q), outputLimits(c, q)
		if n, why := output(q); why == "" {
			reply = event.Range{Low: float64(n), High: float64(n)}
		}
		if q.Err != nil {
			reply = event.Range{High: math.Inf(1)}
		}
		out = event.Range{Low: max(out.Low, prompt.Low+reply.Low), High: max(out.High, prompt.High+reply.High)}
	}
	if n := c.context(); n > 0 {
		out.High = max(min(out.High, float64(n)), out.Low)
	}
	return out
}
