package metrics

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"homellm/engine/event"
	"homellm/engine/stats"
)

// delayTexts describe the causes in messages.
var delayTexts = map[DelayCause]string{
	Load:        "the model was loaded for this turn",
	Queue:       "the request waited for other requests",
	HeldBack:    "the reply was held back on its way and came at once",
	Unexplained: "the server does not say why",
}

// The overhead of a turn must exceed the median of the cell by the larger of these to count as a delay.
const (
	minDelayMs  = 50
	minDelayMAD = 5
)

// minOverheads is how many turns are needed to know the usual overhead.
const minOverheads = 3

// promptWork is the server's time for the prompt, as it reports it.
func promptWork(q *event.Request) (ms float64, ok bool) {
	if ms, ok = q.Timings["server.prefill_ms"]; ok {
		return ms, true
	}
	total, told := q.Timings["server.total_ms"]
	decode, toldToo := q.Timings["server.decode_ms"]
	return max(0, total-decode-q.Timings["server.load_ms"]), told && toldToo
}

// overhead is a turn's time to the first token without the work on the prompt, in ms.
func (c *Cell) overhead(q *event.Request) (ms event.Range, ok bool) {
	_, why := ttft(q)
	work, told := promptWork(q)
	first := ttftLimits(c, q)
	return event.Range{Low: first.Low - work, High: first.High - work}, q.Err == nil && told &&
		(why == "" || why == coalesced)
}

// delay finds the delay of a turn's first token that the other turns do not have. It does not look at a server inside
// this process: what is late there is this process.
func (c *Cell) delay(q *event.Request) (delay, bool) {
	if c.Started == nil || c.Started.Server.Embedded || c.Planned.Together {
		return delay{}, false
	}
	if c.delays == nil || c.delays.seen != len(c.Requests) {
		c.delays = c.findDelays()
	}
	h, ok := c.delays.of[q]
	return h, ok
}

// findDelays compares the overhead of each turn with those that are known exactly.
func (c *Cell) findDelays() *delays {
	out := &delays{seen: len(c.Requests)}
	overheads := map[*event.Request]event.Range{}
	var exact []float64
	for _, q := range c.Requests {
		ms, ok := c.overhead(q)
		if !ok {
			continue
		}
		if overheads[q] = ms; ms.Low == ms.High {
			exact = append(exact, ms.Low)
		}
	}
	if len(exact) < minOverheads {
		return out
	}
	slices.Sort(exact)
	median := stats.Percentile(exact, 50)
	off := make([]float64, len(exact))
	for i, ms := range exact {
		off[i] = math.Abs(ms - median)
	}
	slices.Sort(off)
	limit := median + max(minDelayMs, minDelayMAD*stats.Percentile(off, 50))
	for q, ms := range overheads {
		if ms.Low <= limit {
			continue
		}
		if out.of == nil {
			out.of = map[*event.Request]delay{}
		}
		excess := ms.Low - median
		out.of[q] = delay{cause: delayCause(q, excess), excess: excess, most: ms.Low - exact[0]}
	}
	return out
}

// delayCause is the cause of most of the excess.
func delayCause(q *event.Request, excess float64) DelayCause {
	decode := q.Timings["server.decode_ms"]
	took := event.Milliseconds(q.Chunks[len(q.Chunks)-1].At - q.Chunks[0].At)
	switch {
	case q.Timings["server.load_ms"] > excess/2:
		return Load
	case q.Timings["server.queue_ms"] > excess/2:
		return Queue
	case len(q.Chunks) > 1 && took < decode/2 && excess > decode/2:
		return HeldBack
	}
	return Unexplained
}

// why describes the delay of a first token.
func (h delay) why() string {
	return fmt.Sprintf("the time to the first token is %.0f ms longer than the server's work on the prompt and the "+
		"usual overhead: %s (%s)", h.excess, delayTexts[h.cause], h.cause)
}

// withDelay replaces the value of a turn with a delay: it lies between what was measured without the delay and what
// was measured.
func (d *Def) withDelay(c *Cell, q *event.Request, v Value) Value {
	h, ok := c.delay(q)
	if !ok {
		return v
	}
	measured := d.ends(c, q, v)
	v.V, v.Why = nil, h.why()
	if d.Unit == "ms" {
		v = d.between(event.Range{Low: measured.Low - h.most, High: measured.High}, v)
	}
	return v
}

// Delays are notes on the measured turns whose first token was delayed, one for each cause.
func (c *Cell) Delays() (out []event.Note) {
	worst := map[DelayCause]*event.Request{}
	turns := map[DelayCause]int{}
	for _, q := range c.Requests {
		h, ok := c.delay(q)
		if !ok || q.Warmup {
			continue
		}
		turns[h.cause]++
		if w := worst[h.cause]; w == nil || h.excess > c.delays.of[w].excess {
			worst[h.cause] = q
		}
	}
	for _, p := range []DelayCause{Load, Queue, HeldBack, Unexplained} {
		q := worst[p]
		if q == nil {
			continue
		}
		most := ""
		if turns[p] > 1 {
			most = fmt.Sprintf(", the most of %d such turns", turns[p])
		}
		out = append(out, event.Note{Code: string(p), Text: fmt.Sprintf(
			"%s/%s turn %d, repeat %d: %s%s; its ttft_ms is an interval",
			q.Played(), q.Step, q.Turn, q.Repeat, c.delays.of[q].why(), most)})
	}
	return out
}

// Revised changes whenever the measurements of earlier repeats are revised: a report was withdrawn, or a later turn
// showed what is usual for the cell.
func (c *Cell) Revised() string {
	var b strings.Builder
	b.WriteString(c.withdrawn)
	for i, q := range c.Requests {
		if h, ok := c.delay(q); ok {
			fmt.Fprintf(&b, "\x00%d %s", i, h.cause)
		}
	}
	return b.String()
}
