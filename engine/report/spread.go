package report

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/stats"
)

// shownRepeats is how many repeats a chart of distributions has rows for.
const shownRepeats = 40

// dotsShown is up to how many values a chart of distributions draws each of them.
const dotsShown = 1000

// spread is the values of one row of a chart of distributions, in ascending order.
type spread struct {
	label  string
	repeat string // for the filter; empty: always shown
	class  string
	values []float64
}

// perRepeatFigure shows how a metric is distributed over the turns of each repeat.
func perRepeatFigure(id, title, caption string, d *metrics.Def, c *metrics.Cell) (chart, bool) {
	numbers := c.Repeats()
	var rows []spread
	for _, n := range evenly(numbers, shownRepeats) {
		rows = append(rows, spread{"repeat " + strconv.Itoa(n), strconv.Itoa(n), boxClass(d), valuesOf(c, d, c.Measured(metrics.Group{Repeat: n}))})
	}
	f, ok := boxes(id, title, caption, d.Doc, d.Unit, rows)
	if len(numbers) > shownRepeats {
		f.Table.Note = fmt.Sprintf("%d of %d repeats, evenly chosen; turns.csv has every request.", shownRepeats, len(numbers))
	}
	return f, ok
}

// boxClass is the style class of a metric's boxes: that of its line.
func boxClass(d *metrics.Def) string {
	if d.Shown.Line == nil {
		return "c1"
	}
	return lineClass(*d.Shown.Line)
}

func valuesOf(c *metrics.Cell, d *metrics.Def, q []*event.Request) []float64 {
	return sortedValues(readings(c, d, q))
}

// evenly picks at most n values over the whole length of a list, the first and the last among
// them.
func evenly[T any](all []T, n int) []T {
	if len(all) <= n {
		return all
	}
	out := make([]T, 0, n)
	for i := range n {
		out = append(out, all[i*(len(all)-1)/(n-1)])
	}
	return out
}

// boxes draws one box for each spread: whiskers from the smallest to the largest value, a box
// from the first to the third quartile, the median, and every value where there is room.
// Quartiles are nearest rank, like all percentiles here: values that were measured.
func boxes(id, title, caption, doc, unit string, rows []spread) (chart, bool) {
	f := chart{ID: id, Title: title, Caption: caption}
	top, points := 0.0, 0
	for _, r := range rows {
		points += len(r.values)
		if n := len(r.values); n > 0 {
			top = max(top, r.values[n-1])
		}
	}
	if points == 0 {
		return f, false
	}
	ceiling, step := niceCeil(top, 4)
	const row = 22.0
	label := max(20.0, 6.6*float64(len(axisUnit(unit)))+14)
	for _, r := range rows {
		label = max(label, min(6.6*float64(len([]rune(r.label)))+14, 160))
	}
	height := 16 + row*float64(len(rows)) + 24
	s := newSVG(id, chartWidth, height, title, fmt.Sprintf("%s: one box for each of %s, from 0 to %s.", doc, Plural(len(rows), "row"), show(top, unit)))
	x := axis{0, ceiling, label, chartWidth - 22}
	for v := 0.0; v <= ceiling+step/2; v += step {
		s.line("grid", x.at(v), 8, x.at(v), height-24)
		s.text("tick x", x.at(v), height-10, tick(v, unit))
	}
	if name := axisUnit(unit); name != "" {
		s.text("tick y", label-8, height-10, name)
	}
	dots := points <= dotsShown
	f.Caption = strings.TrimSpace(caption + " The box holds the middle half, the line reaches from the smallest to the largest.")
	if !dots {
		f.Caption = "The box holds the middle half, the line reaches from the smallest to the largest."
	}
	f.Table = dataTable{Caption: title, Head: []string{"", "n", "min", "25th", "median", "75th", "max"}, Left: 1}
	for i, r := range rows {
		y := 16 + row*(float64(i)+0.5)
		s.group("row", "repeat", r.repeat)
		s.text("tick y", label-8, y+3.5, Shorten(r.label, 24))
		f.Table.Rows = append(f.Table.Rows, boxRow(r, unit))
		if n := len(r.values); n > 0 {
			q1, q2, q3 := stats.Percentile(r.values, 25), stats.Percentile(r.values, 50), stats.Percentile(r.values, 75)
			s.line("whisker "+r.class, x.at(r.values[0]), y, x.at(r.values[n-1]), y)
			s.rect("box "+r.class, x.at(q1), y-6, x.at(q3)-x.at(q1), 12, fmt.Sprintf("%s: median %s, half of %d values from %s to %s",
				r.label, show(q2, unit), n, show(q1, unit), show(q3, unit)))
			if dots {
				for _, v := range r.values {
					s.dot("mote "+r.class, x.at(v), y, 1.9, "")
				}
			}
			s.line("median "+r.class, x.at(q2), y-8, x.at(q2), y+8)
		}
		s.end()
	}
	f.SVG = s.done()
	return f, true
}

func boxRow(r spread, unit string) dataRow {
	out := dataRow{Cells: []string{r.label, strconv.Itoa(len(r.values))}, Repeat: r.repeat}
	if len(r.values) == 0 {
		out.Cells = append(out.Cells, unknown, unknown, unknown, unknown, unknown)
		return out
	}
	for _, v := range []float64{r.values[0], stats.Percentile(r.values, 25), stats.Percentile(r.values, 50), stats.Percentile(r.values, 75), slices.Max(r.values)} {
		out.Cells = append(out.Cells, show(v, unit))
	}
	return out
}
