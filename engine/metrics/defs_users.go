package metrics

import (
	"cmp"
	"math"
	"time"

	"homellm/engine/event"
	"homellm/engine/stats"
)

// households are metrics of users who use a server together.
var households = []Def{
	{Name: "ttft_due_ms", Unit: "ms", Kind: Float, Better: -1, Levels: turns, answer: true, Fold: Mean, first: true,
		FromSending: true, Source: "client",
		Doc:     "time to the first token, counted from when the request was due: includes waiting to be sent",
		Formula: "t_1 - due",
		each: func(_ *Cell, q *event.Request) (any, string) {
			t, why := ttft(q)
			if why != "" {
				return nil, why
			}
			return event.Milliseconds(*q.Sent + t - q.Due), ""
		}},
	{Name: "users", Unit: "users", Kind: Int, Levels: []Level{RunLevel}, Source: "plan",
		Doc: "number of users", Formula: "`run.users`; 1 if the scenario has none",
		over: func(c *Cell, _ []*event.Request) (any, string) { return max(1, c.Planned.Users), "" }},
	{Name: "requests_per_s", length: true, Unit: "requests/s", Kind: Float, Better: +1, Levels: []Level{RunLevel},
		Source: "client",
		Doc:    "requests of all users that were answered, a second",
		Formula: "requests without an error / seconds of the repeats, each from its first due request to the end of its " +
			"last exchange; of a window: those that ended in it / its length",
		over: func(c *Cell, g []*event.Request) (any, string) {
			return perSecond(c, g, func(*event.Request) (int, string) { return 1, "" })
		}},
	{Name: "throughput_tps", length: true, Unit: "tokens/s", Kind: Float, Better: +1, Levels: []Level{RunLevel},
		Source: "client, usage", Support: "usage",
		Shown:   Shown{Beside: &Beside{Rank: 4, Head: "total tok/s", Stat: "mean", Whole: true, Users: true}},
		Doc:     "output tokens of all users a second; the speed of one reply is output_tps",
		Formula: "output_tokens of requests without an error / the seconds of requests_per_s",
		over:    func(c *Cell, g []*event.Request) (any, string) { return perSecond(c, g, output) }},
	{Name: "ttft_worst_user_ms", Unit: "ms", Kind: Float, Better: -1, Levels: []Level{RunLevel}, Source: "client",
		Doc:     "ttft_ms of the user who waits longest: far above that of all users, the server is not fair",
		Formula: "largest mean of ttft_ms of one user",
		over:    worstTTFT,
		span: func(c *Cell, g []*event.Request) event.Range {
			limits, _ := worstWait(c, g)
			return limits
		}},
}

// perSecond divides a count of the requests that did not fail by the time in which they were played.
func perSecond(c *Cell, g []*event.Request, count func(*event.Request) (int, string)) (any, string) {
	g, seconds, why := c.during(g)
	if why != "" {
		return nil, why
	}
	n := 0
	for _, q := range g {
		if q.Err != nil {
			continue
		}
		one, why := count(q)
		if why != "" {
			return nil, why
		}
		n += one
	}
	return float64(n) / seconds, ""
}

// during is the time in which requests were played, in seconds, and the requests to be divided by it: the same ones, or
// in a window those that ended in it.
func (c *Cell) during(g []*event.Request) (of []*event.Request, seconds float64, why string) {
	if c.Windows != nil {
		of, took := c.inTime(g)
		if took <= 0 {
			return nil, 0, "no request was measured"
		}
		return of, took.Seconds(), ""
	}
	type span struct{ from, to time.Duration }
	spans := map[int]span{}
	for _, q := range g {
		s, begun := spans[q.Repeat]
		if !begun || q.Due < s.from {
			s.from = q.Due
		}
		s.to = max(s.to, q.Done)
		spans[q.Repeat] = s
	}
	var took time.Duration
	for _, s := range spans {
		took += s.to - s.from
	}
	if took <= 0 {
		return nil, 0, "no request was measured"
	}
	return g, took.Seconds(), ""
}

// worstTTFT is the mean time to the first token of the user for whom it is longest.
func worstTTFT(c *Cell, g []*event.Request) (any, string) {
	worst, why := worstWait(c, g)
	return worst.Low, why
}

// worstWait are the limits of that mean, and why it is not exact.
func worstWait(c *Cell, g []*event.Request) (worst event.Range, why string) {
	d := &latencies[0]
	type waits struct{ low, high []float64 }
	of := map[int]waits{}
	for _, q := range d.asked(g) {
		if q.Err != nil {
			continue
		}
		v := d.Each(c, q)
		if !v.Known() {
			why = cmp.Or(why, v.Why)
		}
		r, w := d.ends(c, q, v), of[q.User]
		of[q.User] = waits{append(w.low, r.Low), append(w.high, r.High)}
	}
	if len(of) == 0 {
		return event.Range{High: math.Inf(1)}, "no request was measured"
	}
	for _, w := range of {
		n := float64(len(w.low))
		worst = event.Range{Low: max(worst.Low, stats.Sum(w.low)/n), High: max(worst.High, stats.Sum(w.high)/n)}
	}
	return worst, why
}
