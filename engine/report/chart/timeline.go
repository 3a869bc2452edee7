package chart

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/report/readable"
	"homellm/engine/text"
)

// slowestShown is how many requests a chart of the slowest ones has: about a screen.
const slowestShown = 60

// timeRow is a turn with its requests, one for each repeat.
type timeRow struct {
	name     string
	requests []*event.Request
}

// Timelines draws each turn from the time it was sent: the wait for the first token, then a mark for each arrival.
// Repeats share a row: it shows the middle one, and how far the others were from it. Warm-ups have a separate chart. If
// there are more turns than limit, one chart shows the slowest requests, and says so.
func Timelines(id string, c *metrics.Cell, cells int) []Chart {
	id += "-chunks"
	limit := max(fewestInChart, pageRequests/cells)
	measured, warm := timeRows(c, false), timeRows(c, true)
	var ends []float64
	for _, r := range append(slices.Clone(measured), warm...) {
		for _, q := range r.requests {
			ends = append(ends, ended(q))
		}
	}
	f := Chart{ID: id, Title: "Chunks of each request", Wide: true, Caption: "From the first byte sent: the bar is the " +
		"wait for the first token, every mark after it one arrival of text."}
	if max(len(measured), len(warm)) > limit {
		limit = min(limit, slowestShown)
		f.Title = "Chunks of the slowest requests"
		f.Table.Note = fmt.Sprintf("The %d slowest of %d requests; journal.jsonl has every chunk of all of them.", limit,
			len(ends))
		f.Caption += fmt.Sprintf(" Shown are the %d slowest of %d requests.", limit, len(ends))
		return []Chart{timeline(f, c, slowest(append(measured, warm...), limit), ends, false)}
	}
	var out []Chart
	if len(warm) > 0 {
		w := f
		w.ID, w.Title, w.Warmup = id+"-warm", f.Title+", warm-up", true
		out = append(out, timeline(w, c, warm, ends, false))
	}
	if len(measured) > 0 {
		out = append(out, timeline(f, c, measured, ends, len(ends) <= limit))
	}
	return out
}

func timeRows(c *metrics.Cell, warm bool) []timeRow {
	var out []timeRow
	for _, p := range slotsOf(c, math.MaxInt) {
		all := p.requests
		if warm {
			all = p.warmups
		}
		all = slices.DeleteFunc(slices.Clone(all), func(q *event.Request) bool { return q.Sent == nil })
		if len(all) > 0 {
			out = append(out, timeRow{p.name(), all})
		}
	}
	return out
}

// slowest returns the requests that took longest, one per row, in the order in which they were sent.
func slowest(rows []timeRow, n int) []timeRow {
	var out []timeRow
	for _, r := range rows {
		for _, q := range r.requests {
			name := r.name + " · " + strconv.Itoa(q.Repeat)
			if q.Warmup {
				name = r.name + " · warm-up"
			}
			out = append(out, timeRow{name, []*event.Request{q}})
		}
	}
	slices.SortStableFunc(out, func(a, b timeRow) int { return cmp.Compare(took(b.requests[0]), took(a.requests[0])) })
	out = out[:n]
	slices.SortStableFunc(out, func(a, b timeRow) int { return cmp.Compare(a.requests[0].Due, b.requests[0].Due) })
	return out
}

func took(q *event.Request) time.Duration { return q.Done - *q.Sent }

// ended returns the time from sending a request to its end, in milliseconds.
func ended(q *event.Request) float64 { return 1000 * took(q).Seconds() }

// middle returns the request of median duration among those that succeeded, or else among all.
func (r timeRow) middle() *event.Request {
	all := r.succeeded()
	if len(all) == 0 {
		all = r.requests
	}
	all = slices.SortedStableFunc(slices.Values(all), func(a, b *event.Request) int {
		return cmp.Compare(took(a), took(b))
	})
	return all[(len(all)-1)/2]
}

func (r timeRow) succeeded() []*event.Request {
	return slices.DeleteFunc(slices.Clone(r.requests), func(q *event.Request) bool { return q.Err != nil })
}

// timeline draws rows on an axis that fits the given ends of requests. With detail each repeat can be shown alone.
func timeline(f Chart, c *metrics.Cell, rows []timeRow, ends []float64, detail bool) Chart {
	const row, label = 15.0, 190.0
	height := 10 + row*float64(len(rows)) + 24
	var all []*event.Request
	repeats := 1
	for _, r := range rows {
		all = append(all, r.requests...)
		repeats = max(repeats, len(r.requests))
	}
	f.Legend = phaseLegend(all)
	longest := slices.Max(ends)
	s := newSVG(f.ID, wideWidth, height, f.Title, fmt.Sprintf("%s, from 0 to %s.", text.Plural(len(all), "request"),
		readable.Quantity(longest, "ms")))
	x, cut := brokenAt(ends, label, wideWidth-24)
	if cut {
		x.to -= 46
		f.Caption += " The axis is broken: an arrow shows how long a much slower request took."
	}
	if repeats > 1 {
		f.Caption += " A row shows the middle repeat; the band reaches from the quickest first token of all repeats to the " +
			"slowest, the line from the first end to the last."
	}
	for _, v := range x.ticks {
		s.line("grid", x.at(v), 6, x.at(v), height-24)
		s.text("tick x", x.at(v), height-9, tick(v, "ms"))
	}
	f.Table.Caption, f.Table.Left = f.Title, 3
	f.Table.Head = []string{"request", "phase", "repeat", "TTFT", "arrivals", "longest gap", "end"}
	if repeats > 1 && !detail && !f.Warmup {
		f.Table.Note = "The middle repeat of each turn; turns.csv has every request."
	}
	for i, r := range rows {
		drawRow(s, r, x, 10+row*float64(i), label, detail && repeats > 1)
		for _, q := range r.requests {
			if detail || q == r.middle() {
				f.Table.Rows = append(f.Table.Rows, timelineRow(c, q, r.name))
			}
		}
	}
	f.SVG = s.done()
	return f
}

// brokenAt returns an axis for the ends of requests. If most of them would lie in its lowest eighth, the axis ends at
// no more than four times what those take, and longer requests are cut there.
func brokenAt(ends []float64, from, to float64) (x scale, cut bool) {
	known := slices.Sorted(slices.Values(ends))
	n := len(known)
	top := known[n-1]
	if n > 3 && known[n*3/4-1] <= top*flattened {
		usual := known[n*3/4-1]
		for _, v := range known {
			if v <= 4*usual {
				top = v
			}
		}
		cut = true
	}
	return linear(top, 6, from, to), cut
}

// drawRow draws a turn: the middle repeat, and how far the others were from it. With detail it also draws each repeat,
// to be shown alone.
func drawRow(s *svg, r timeRow, x scale, y, label float64, detail bool) {
	s.group("row")
	s.text("tick y", label-8, y+10.5, readable.Shorten(r.name, 29))
	shown := "all"
	if detail {
		shown = "typical" // shown until the user chooses a single repeat
	}
	s.group(shown)
	if ok := r.succeeded(); len(ok) > 1 {
		first, last := spans(ok)
		class := phaseClass(ok[0].Phase)
		if !math.IsNaN(first.low) {
			from, to := x.at(min(first.low, x.high)), x.at(min(first.high, x.high))
			s.rect("spread "+class, from, y+1, to-from, 12,
				fmt.Sprintf("%s: first token after %s to %s, %s", r.name, readable.Quantity(first.low, "ms"),
					readable.Quantity(first.high, "ms"), text.Plural(len(ok), "repeat")))
		}
		s.line("reach", x.at(min(last.low, x.high)), y+7, x.at(min(last.high, x.high)), y+7)
	}
	drawArrivals(s, r.middle(), r.name, x.axis, y)
	s.end()
	if detail {
		for _, q := range r.requests {
			s.group("only", "repeat", strconv.Itoa(q.Repeat))
			drawArrivals(s, q, fmt.Sprintf("%s, repeat %d", r.name, q.Repeat), x.axis, y)
			s.end()
		}
	}
	s.end()
}

// between is the smallest and the largest of some values.
type between struct{ low, high float64 }

// spans returns the range of the requests' first tokens, NaN if there are none, and the range of their ends.
func spans(all []*event.Request) (first, last between) {
	first, last = between{math.NaN(), math.NaN()}, between{math.Inf(1), 0}
	for _, q := range all {
		end := ended(q)
		last.low, last.high = min(last.low, end), max(last.high, end)
		if len(q.Chunks) == 0 {
			continue
		}
		at := 1000 * (q.Chunks[0].At - *q.Sent).Seconds()
		if math.IsNaN(first.low) {
			first = between{at, at}
		}
		first.low, first.high = min(first.low, at), max(first.high, at)
	}
	return first, last
}

// drawArrivals draws one request. Arrivals that fall on the same tenth of a mark's width are drawn once, because they
// would look the same.
func drawArrivals(s *svg, q *event.Request, name string, x axis, y float64) {
	at := func(t time.Duration) float64 { return x.at(min(1000*(t-*q.Sent).Seconds(), x.high)) }
	const high = 10.0
	end := q.Done
	long := readable.Quantity(ended(q), "ms")
	if ended(q) > x.high {
		s.arrow(x.to+8, y+2+high/2, 1)
		s.text("tick", x.to+18, y+2+high, long)
	}
	tip := name + ": " + long
	if q.Err != nil {
		s.rect("wait failed", x.from, y+2, at(q.Done)-x.from, high, tip+", "+q.Err.Class)
		return
	}
	if len(q.Chunks) > 0 {
		end = q.Chunks[0].At
	}
	s.rect("wait "+phaseClass(q.Phase), x.from, y+2, at(end)-x.from, high, tip)
	if len(q.Chunks) == 0 {
		return
	}
	s.line("stream", at(end), y+2+high/2, at(q.Chunks[len(q.Chunks)-1].At), y+2+high/2)
	var d strings.Builder
	last := -1.0
	for _, c := range q.Chunks {
		if cx := at(c.At); cx-last >= 1.2 && cx < x.to {
			fmt.Fprintf(&d, "M%s %sv%s", px(cx), px(y+2), px(high))
			last = cx
		}
	}
	fmt.Fprintf(&s.b, `<path class="arrival" d="%s"/>`, d.String())
}

func timelineRow(c *metrics.Cell, q *event.Request, name string) Row {
	row := Row{Cells: []string{name, readable.Phase(q.Phase), strconv.Itoa(q.Repeat)}}
	if !q.Warmup {
		row.Repeat = strconv.Itoa(q.Repeat)
	}
	value := func(name string) string { return readable.Value(metrics.Must(name).Each(c, q)) }
	arrivals := 0
	for i, chunk := range q.Chunks {
		if i == 0 || chunk.At > q.Chunks[i-1].At {
			arrivals++
		}
	}
	row.Cells = append(row.Cells, value("ttft_ms"), strconv.Itoa(arrivals), value("icl_max_ms"), value("e2e_ms"))
	if q.Err != nil {
		row.Cells[len(row.Cells)-1] = q.Err.Class
	}
	return row
}
