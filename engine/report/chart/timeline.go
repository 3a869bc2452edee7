package chart

import (
	"cmp"
	"fmt"
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

// Timelines draws each request from the time it was sent: the wait for the first token, then a mark for each arrival.
// Each pass has a chart, all on one scale. If there are more requests than limit, one chart shows the slowest, and
// says so.
func Timelines(id string, c *metrics.Cell, cells int) []Chart {
	id += "-chunks"
	limit := max(fewestInChart, pageRequests/cells)
	var sent []*event.Request
	longest := 0.0
	for _, q := range c.Requests {
		if q.Sent != nil {
			sent = append(sent, q)
			longest = max(longest, 1000*took(q).Seconds())
		}
	}
	if len(sent) == 0 {
		return nil
	}
	if len(sent) > limit {
		of := len(sent)
		limit = min(limit, slowestShown)
		slices.SortStableFunc(sent, func(a, b *event.Request) int { return cmp.Compare(took(b), took(a)) })
		sent = sent[:limit]
		slices.SortStableFunc(sent, func(a, b *event.Request) int { return cmp.Compare(a.Due, b.Due) })
		f := timeline(id, "Chunks of the slowest requests", c, sent, longest)
		f.Table.Note = fmt.Sprintf("The %d slowest of %d requests; journal.jsonl has every chunk of all of them.", limit, of)
		f.Caption += fmt.Sprintf(" Shown are the %d slowest of %d requests.", limit, of)
		return []Chart{f}
	}
	var out []Chart
	for i, pass := range c.Passes() {
		pass = slices.DeleteFunc(pass, func(q *event.Request) bool { return q.Sent == nil })
		if len(pass) == 0 {
			continue
		}
		title := "Chunks of each request, repeat " + strconv.Itoa(pass[0].Repeat)
		if pass[0].Warmup {
			title = "Chunks of each request, warm-up " + strconv.Itoa(pass[0].Repeat)
		}
		f := timeline(fmt.Sprintf("%s-%d", id, i), title, c, pass, longest)
		f.Warmup, f.Repeat = pass[0].Warmup, repeatOf(pass[0])
		if len(out) > 0 && !out[len(out)-1].Warmup {
			f.Caption = "" // said above
		}
		out = append(out, f)
	}
	return out
}

func took(q *event.Request) time.Duration { return q.Done - *q.Sent }

func timeline(id, title string, c *metrics.Cell, shown []*event.Request, longest float64) Chart {
	f := Chart{ID: id, Title: title, Wide: true,
		Caption: "From the first byte sent: the bar is the wait for the first token, every mark after it " +
			"one arrival of text."}
	const row, label = 15.0, 190.0
	height := 10 + row*float64(len(shown)) + 24
	f.Legend = phaseLegend(shown)
	s := newSVG(id, wideWidth, height, title, fmt.Sprintf("%s, from 0 to %s.", text.Plural(len(shown), "request"),
		readable.Quantity(longest, "ms")))
	ceiling, step := niceCeil(longest, 6)
	x := axis{0, ceiling, label, wideWidth - 24}
	for v := 0.0; v <= ceiling+step/2; v += step {
		s.line("grid", x.at(v), 6, x.at(v), height-24)
		s.text("tick x", x.at(v), height-9, tick(v, "ms"))
	}
	f.Table = Table{Caption: title, Left: 2, Head: []string{"request", "phase", "TTFT", "arrivals", "longest gap", "end"}}
	several := slices.ContainsFunc(shown, func(q *event.Request) bool { return q.Repeat != shown[0].Repeat })
	for i, q := range shown {
		y := 10 + row*float64(i)
		name := requestName(q, several)
		s.group("row")
		s.text("tick y", label-8, y+10.5, readable.Shorten(name, 29))
		drawArrivals(s, q, name, x, y)
		s.end()
		f.Table.Rows = append(f.Table.Rows, timelineRow(c, q, name))
	}
	f.SVG = s.done()
	return f
}

func requestName(q *event.Request, repeat bool) string {
	name := q.Conversation + "/" + q.Step
	if q.Turn > 1 {
		name += " " + strconv.Itoa(q.Turn)
	}
	switch {
	case repeat && q.Warmup:
		name += " · warm-up"
	case repeat:
		name += " · " + strconv.Itoa(q.Repeat)
	}
	return name
}

func repeatOf(q *event.Request) string {
	if q.Warmup {
		return ""
	}
	return strconv.Itoa(q.Repeat)
}

// drawArrivals draws one request. Arrivals that fall on the same tenth of a mark's width are drawn once, because they
// would look the same.
func drawArrivals(s *svg, q *event.Request, name string, x axis, y float64) {
	at := func(t time.Duration) float64 { return x.at(1000 * (t - *q.Sent).Seconds()) }
	const high = 10.0
	end := q.Done
	tip := name + ": " + readable.Quantity(1000*took(q).Seconds(), "ms")
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
		if cx := at(c.At); cx-last >= 1.2 {
			fmt.Fprintf(&d, "M%s %sv%s", px(cx), px(y+2), px(high))
			last = cx
		}
	}
	fmt.Fprintf(&s.b, `<path class="arrival" d="%s"/>`, d.String())
}

func timelineRow(c *metrics.Cell, q *event.Request, name string) Row {
	row := Row{Cells: []string{name, readable.Phase(q.Phase)}}
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
