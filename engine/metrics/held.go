package metrics

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"homellm/engine/event"
	"homellm/engine/stats"
)

// meanings are the parts for people.
var meanings = map[Part]string{
	Load:        "the model was loaded for this turn",
	Queue:       "the request waited for others",
	HeldBack:    "the reply was kept back on its way, and came at once",
	Unexplained: "the server does not say what",
}

// By how much the way of a turn has to be longer than that of the others before it holds something else: the median
// of the cell and the larger of these.
const (
	heldMs  = 50
	heldMAD = 5
)

// leastWays is how many turns tell what the way adds.
const leastWays = 3

// promptWork is how long the server says that it worked on the prompt.
func promptWork(q *event.Request) (ms float64, ok bool) {
	if ms, ok = q.Timings["server.prefill_ms"]; ok {
		return ms, true
	}
	total, told := q.Timings["server.total_ms"]
	decode, toldToo := q.Timings["server.decode_ms"]
	return max(0, total-decode-q.Timings["server.load_ms"]), told && toldToo
}

// way is what a turn's time to the first token holds beside the work on the prompt.
func way(q *event.Request) (ms float64, ok bool) {
	first, why := ttft(q)
	work, told := promptWork(q)
	return event.Milliseconds(first) - work, q.Err == nil && why == "" && told
}

// holding finds what the time to the first token of a turn holds that those of the others do not. Of a server within
// this process it is not asked: what is late there is this process.
func (c *Cell) holding(q *event.Request) (holding, bool) {
	if c.Started == nil || c.Started.Server.Embedded {
		return holding{}, false
	}
	if c.ways == nil || c.ways.of != len(c.Requests) {
		c.ways = waysOf(c.Requests)
	}
	h, ok := c.ways.held[q]
	return h, ok
}

func waysOf(requests []*event.Request) *ways {
	out := &ways{of: len(requests)}
	var turns []*event.Request
	var all []float64
	for _, q := range requests {
		if ms, ok := way(q); ok {
			turns, all = append(turns, q), append(all, ms)
		}
	}
	if len(all) < leastWays {
		return out
	}
	sorted := slices.Sorted(slices.Values(all))
	median := stats.Percentile(sorted, 50)
	off := make([]float64, len(all))
	for i, ms := range all {
		off[i] = math.Abs(ms - median)
	}
	slices.Sort(off)
	limit := median + max(heldMs, heldMAD*stats.Percentile(off, 50))
	for i, q := range turns {
		if all[i] <= limit {
			continue
		}
		if out.held == nil {
			out.held = map[*event.Request]holding{}
		}
		excess := all[i] - median
		out.held[q] = holding{part: partOf(q, excess), excess: excess, most: all[i] - sorted[0]}
	}
	return out
}

// partOf is the part that explains most of an excess.
func partOf(q *event.Request, excess float64) Part {
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

// why says what a time to the first token holds.
func (h holding) why() string {
	return fmt.Sprintf("the time to the first token holds %.0f ms more than the server's work on the prompt and the "+
		"usual way: %s (%s)", h.excess, meanings[h.part], h.part)
}

// withheld is a value of the metric that holds something else: it is known to lie between what is left without that
// and what was measured.
func (d *Def) withheld(c *Cell, q *event.Request, v Value) Value {
	h, ok := c.holding(q)
	if !ok {
		return v
	}
	f, number := v.Number()
	v.V, v.Why = nil, h.why()
	if number && d.Unit == "ms" {
		v = d.between(event.Range{Low: f - h.most, High: f}, v)
	}
	return v
}

// Held are the measured turns whose time to the first token holds something else, by what it is, in one sentence each.
func (c *Cell) Held() (out []event.Note) {
	worst := map[Part]*event.Request{}
	turns := map[Part]int{}
	for _, q := range c.Requests {
		h, ok := c.holding(q)
		if !ok || q.Warmup {
			continue
		}
		turns[h.part]++
		if w := worst[h.part]; w == nil || h.excess > c.ways.held[w].excess {
			worst[h.part] = q
		}
	}
	for _, p := range []Part{Load, Queue, HeldBack, Unexplained} {
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
			q.Conversation, q.Step, q.Turn, q.Repeat, c.ways.held[q].why(), most)})
	}
	return out
}

// Revised changes whenever it changes what earlier repeats of the cell are known to have measured: a report was
// withdrawn, or a later turn showed what is usual here.
func (c *Cell) Revised() string {
	var b strings.Builder
	b.WriteString(c.withdrawn)
	for i, q := range c.Requests {
		if h, ok := c.holding(q); ok {
			fmt.Fprintf(&b, "\x00%d %s", i, h.part)
		}
	}
	return b.String()
}
