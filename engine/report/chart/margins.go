package chart

import (
	"fmt"
	"math"
	"strings"

	"homellm/engine/compare"
	"homellm/engine/report/readable"
	"homellm/engine/text"
)

// gatesInChart is how many gates of a cell have a chart of their samples.
const gatesInChart = 24

// Margins draws each gate's change in multiples of its margin, worse to the right: a change whose whole interval is
// beyond 1 is worse, whatever the unit.
func Margins(id string, deltas []compare.Delta) (Chart, bool) {
	f := Chart{ID: id, Title: "Change against the margin", Wide: true,
		Caption: "In multiples of each gate's own margin, for the worse to the right: the dot is the estimate, the line " +
			"its 95 % interval. A gate is worse if the estimate lies beyond 1 × and chance does not explain it. An arrow " +
			"points beyond the chart; an estimate that lies there is printed beside it.",
		Table: Table{Caption: "Change against the margin", Head: []string{"gate", "verdict", "change", "lower end",
			"upper end"}, Left: 2}}
	var shown []compare.Delta
	for _, d := range deltas {
		if d.Change != nil && d.Margin != nil && *d.Margin > 0 && d.Gate.Better != 0 {
			shown = append(shown, d)
		}
	}
	if len(shown) == 0 {
		return f, false
	}
	const row, label, end = 26.0, 190.0, 4.0
	height := 22 + row*float64(len(shown)) + 26
	s := newSVG(id, wideWidth, height, f.Title, fmt.Sprintf("%s, from 4 margins better to 4 margins worse.",
		text.Plural(len(shown), "gate")))
	x := axis{-end, end, label, wideWidth - 30, false}
	s.rect("zone better", x.from, 18, x.at(-1)-x.from, height-44, "better than the margin")
	s.rect("zone worse", x.at(1), 18, x.to-x.at(1), height-44, "worse than the margin")
	s.text("phase-name", (x.from+x.at(-1))/2, 12, "better")
	s.text("phase-name", (x.at(1)+x.to)/2, 12, "worse")
	for v := -end; v <= end; v++ {
		class := "grid"
		if v == 0 {
			class = "zero"
		}
		s.line(class, x.at(v), 18, x.at(v), height-26)
		s.text("tick x", x.at(v), height-11, strings.ReplaceAll(readable.Significant(v, 2), "-", "−")+" ×")
	}
	for i, d := range shown {
		y := 18 + row*(float64(i)+0.5)
		in := func(v float64) float64 { return -float64(d.Gate.Better) * v / *d.Margin }
		low, high := math.Inf(-1), math.Inf(1)
		if d.Lo != nil && d.Hi != nil {
			low, high = min(in(*d.Lo), in(*d.Hi)), max(in(*d.Lo), in(*d.Hi))
		}
		class := "v-" + JudgedClass(d.Judged())
		s.group("row " + class)
		s.text("tick y", label-10, y+4, readable.Shorten(d.Gate.Name, 28))
		clip := func(v float64) float64 { return x.at(max(-end, min(end, v))) }
		if low < end && high > -end {
			s.line("interval", clip(low), y, clip(high), y)
		}
		if low < -end {
			s.arrow(x.from, y, -1)
		}
		if high > end {
			s.arrow(x.to, y, 1)
		}
		at := in(*d.Change)
		tip := readable.Significant(at, 3) + " ×"
		switch {
		case at > end:
			s.text("tick y", clip(low)-8, y+4, tip)
		case at < -end:
			s.text("tick", clip(high)+8, y+4, strings.ReplaceAll(tip, "-", "−"))
		default:
			s.dot("estimate", x.at(at), y, 5, d.Gate.Name+": "+tip+" its margin")
		}
		s.end()
		times := func(v float64) string {
			if math.IsInf(v, 0) {
				return readable.Unknown
			}
			return readable.Significant(v, 3) + " ×"
		}
		f.Table.Rows = append(f.Table.Rows, Row{Cells: []string{d.Gate.Name, string(d.Verdict), times(in(*d.Change)),
			times(low), times(high)}})
	}
	f.SVG = s.done()
	return f, true
}

// Samples draws what each gate compared: one dot for each repeat of both sides.
func Samples(id string, of compare.Pair) (out []Chart, absent []string) {
	drawn := map[string]bool{}
	for i, d := range of.Deltas {
		path := d.Gate.Metric
		if drawn[path] || of.Sides[0].Sample == nil || of.Sides[1].Sample == nil {
			continue
		}
		drawn[path] = true
		if len(drawn) > gatesInChart {
			absent = append(absent, fmt.Sprintf("only the samples of the first %d gates have charts", gatesInChart))
			return out, absent
		}
		var rows []box
		for k, side := range []struct{ label, class string }{{"old", "old"}, {"new", "c1"}} {
			s := of.Sides[k].Sample(path)
			rows = append(rows, box{label: side.label, class: side.class, values: sorted(s.Values), unset: len(s.Hidden)})
		}
		if f, ok := boxes(fmt.Sprintf("%s-s%d", id, i), path, "Every dot is one repeat.", path, d.Unit, rows); ok {
			out = append(out, f)
		}
	}
	return out, absent
}
