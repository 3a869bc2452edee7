package chart

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"homellm/engine/metrics"
	"homellm/engine/report/readable"
	"homellm/engine/text"
)

// The strips.
const (
	stripTop   = 18.0
	stripLeft  = 80.0
	stripShown = 600 // samples that are drawn one by one, shared by the cells of a page
	spanShown  = 800 // requests drawn behind them
)

// bin is the samples of an interval of time.
type bin struct {
	at             time.Duration
	low, mean, top float64
	n              int
}

// bins merges samples until there are no more than limit intervals.
func bins(all []metrics.Point, limit int) []bin {
	size := max(1, (len(all)+limit-1)/limit)
	var out []bin
	for i := 0; i < len(all); i += size {
		part := all[i:min(i+size, len(all))]
		b := bin{at: part[0].At + (part[len(part)-1].At-part[0].At)/2, low: part[0].V, top: part[0].V, n: len(part)}
		for _, p := range part {
			b.low, b.top = min(b.low, p.V), max(b.top, p.V)
			b.mean += p.V / float64(len(part))
		}
		out = append(out, b)
	}
	return out
}

// Machine draws the samples of the machine, every strip on the same time axis, with the requests of the cell behind
// it.
func Machine(id string, c *metrics.Cell, cells int) []Chart {
	when, ok := played(c)
	if !ok {
		return nil
	}
	var out []Chart
	for i, strip := range metrics.Strips() {
		var lines [][]bin
		var defs []*metrics.Def
		for _, m := range strip {
			if series := within(c.Series(m.Name), when); len(series) > 1 {
				lines, defs = append(lines, bins(series, max(60, stripShown/cells))), append(defs, m.Def)
			}
		}
		if len(lines) > 0 {
			out = append(out, stripFigure(fmt.Sprintf("%s-m%d", id, i), strip[0].At.Title, c, when, lines, defs,
				max(60, spanShown/cells)))
		}
	}
	for i := 1; i < len(out); i++ {
		out[i].Caption = "" // said above
	}
	return out
}

// stretch is the time from the first request of a cell to the end of the last, warm-ups included.
type stretch struct{ first, last time.Duration }

// from and to leave a little room on both sides.
func (w stretch) from() time.Duration { return w.first - (w.last-w.first)/100 }
func (w stretch) to() time.Duration   { return w.last + (w.last-w.first)/100 }

func played(c *metrics.Cell) (w stretch, ok bool) {
	for i, q := range c.Requests {
		if i == 0 || q.Due < w.first {
			w.first = q.Due
		}
		w.last = max(w.last, q.Done)
	}
	return w, w.last > w.first
}

func within(all []metrics.Point, w stretch) []metrics.Point {
	var out []metrics.Point
	for _, p := range all {
		if p.At >= w.from() && p.At <= w.to() {
			out = append(out, p)
		}
	}
	return out
}

// stripClass is the style class of the i-th metric of a strip.
func stripClass(i int) string { return fmt.Sprintf("c%d", i%3+1) }

func stripFigure(id, title string, c *metrics.Cell, when stretch, lines [][]bin, defs []*metrics.Def, spans int) Chart {
	const height = 150.0
	f := Chart{ID: id, Title: title, Wide: true, Caption: "Over the time of the cell; behind it its requests, tinted by " +
		"phase. Warm-ups are not sampled, and where nothing was sampled there is no line."}
	top := 0.0
	for _, l := range lines {
		for _, b := range l {
			top = max(top, b.top)
		}
	}
	ceiling, step := niceCeil(top, 3)
	y := axis{0, ceiling, height - 28, stripTop, false}
	var desc []string
	for i, l := range lines {
		low, high := l[0].low, l[0].top
		for _, b := range l {
			low, high = min(low, b.low), max(high, b.top)
		}
		desc = append(desc, fmt.Sprintf("%s, from %s to %s.", defs[i].Doc, readable.Quantity(low, defs[i].Unit),
			readable.Quantity(high, defs[i].Unit)))
	}
	s := newSVG(id, wideWidth, height, title, strings.Join(desc, " "))
	x := timeAxis(s, when, height)
	for _, q := range evenly(c.Requests, spans) {
		class := "span " + phaseClass(q.Phase)
		if q.Warmup {
			class = "span p-other"
		}
		s.rect(class, x.at(q.Due.Seconds()), stripTop, max(x.at(q.Done.Seconds())-x.at(q.Due.Seconds()), 0.5),
			height-28-stripTop, "")
	}
	for v := 0.0; v <= ceiling+step/2; v += step {
		s.line("grid", stripLeft, y.at(v), wideWidth-chartRight, y.at(v))
		s.text("tick y", stripLeft-6, y.at(v)+3.5, stripTick(v)+" "+defs[0].Unit)
	}
	for i, l := range lines {
		var low, mid, high []point
		usual := usualStep(l)
		for k, b := range l {
			cx := x.at(b.at.Seconds())
			if k > 0 && b.at-l[k-1].at > 4*usual {
				gap := point{cx, 0, true}
				low, mid, high = append(low, gap), append(mid, gap), append(high, gap)
			}
			low, mid, high = append(low, point{cx, y.at(b.low), false}), append(mid, point{cx, y.at(b.mean), false}),
				append(high, point{cx, y.at(b.top), false})
		}
		s.band("band "+stripClass(i), low, high)
		s.curve("curve "+stripClass(i), mid)
		f.Legend = append(f.Legend, legend{stripClass(i), defs[i].Name})
	}
	f.Legend = append(f.Legend, phaseLegend(c.Requests)...)
	f.SVG = s.done()
	f.Table = stripTable(title, when.first, lines, defs)
	return f
}

// stripTick prints the value of a grid line.
func stripTick(v float64) string {
	if v >= 1000 && v == float64(int64(v)) {
		return text.Count(v)
	}
	return readable.Significant(v, 4)
}

// usualStep is the median time between two samples: a time several times as long is a pause without samples, such as
// another cell's turn.
func usualStep(l []bin) time.Duration {
	var steps []time.Duration
	for i := 1; i < len(l); i++ {
		steps = append(steps, l[i].at-l[i-1].at)
	}
	if len(steps) == 0 {
		return 0
	}
	slices.Sort(steps)
	return steps[len(steps)/2]
}

// timeAxis writes the seconds since the first request below a chart.
func timeAxis(s *svg, w stretch, height float64) axis {
	x := axis{w.from().Seconds(), w.to().Seconds(), stripLeft, wideWidth - chartRight, false}
	end, step := niceCeil((w.last - w.first).Seconds(), 8)
	for v := 0.0; v <= end; v += step {
		if at := w.first.Seconds() + v; x.at(at) < wideWidth-24 {
			s.text("tick x", x.at(at), height-12, readable.Significant(v, 4)+" s")
		}
	}
	return x
}

func stripTable(title string, from time.Duration, lines [][]bin, defs []*metrics.Def) Table {
	out := Table{Caption: title + " over time", Head: []string{"metric", "at", "samples", "mean", "min", "max"}, Left: 1}
	const rows = 60
	for i, l := range lines {
		for _, b := range coarse(l, rows) {
			unit := defs[i].Unit
			out.Rows = append(out.Rows, Row{Cells: []string{defs[i].Name, readable.Significant((b.at-from).Seconds(), 4) + " s",
				strconv.Itoa(b.n),
				readable.Quantity(b.mean, unit), readable.Quantity(b.low, unit), readable.Quantity(b.top, unit)}})
		}
		if len(l) > rows {
			out.Note = "Each row sums up several samples; journal.jsonl has every one."
		}
	}
	return out
}

// coarse merges bins until there are no more than limit.
func coarse(all []bin, limit int) []bin {
	size := max(1, (len(all)+limit-1)/limit)
	var out []bin
	for i := 0; i < len(all); i += size {
		part := all[i:min(i+size, len(all))]
		b := bin{at: part[0].at + (part[len(part)-1].at-part[0].at)/2, low: part[0].low, top: part[0].top}
		total := 0.0
		for _, p := range part {
			b.low, b.top, b.n = min(b.low, p.low), max(b.top, p.top), b.n+p.n
			total += p.mean * float64(p.n)
		}
		b.mean = total / float64(b.n)
		out = append(out, b)
	}
	return out
}
