package chart

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"homellm/dsl/figure"
	"homellm/engine/metrics"
	"homellm/engine/report/readable"
	"homellm/engine/stats"
	"homellm/engine/text"
)

// dotsShown is the number of values up to which a chart of distributions draws each of them.
const dotsShown = 1000

// box is the values of one row of a chart of distributions, in ascending order.
type box struct {
	label  string
	repeat string // for the filter; empty: always shown
	class  string
	values []float64
	unset  int // turns with an unknown value, which makes the quartiles unknown
}

// Repeats draws the distribution of metrics over the turns of each repeat.
func Repeats(id string, c *metrics.Cell) (out []Chart) {
	for i, of := range metrics.Boxes() {
		title := of.At + " of each repeat"
		if f, ok := boxesByRepeat(fmt.Sprintf("%s-d%d", id, i), title, "Every dot is one turn.", of.Def, c); ok {
			out = append(out, f)
		}
	}
	return out
}

// boxesByRepeat draws the distribution of a metric over the turns of each repeat.
func boxesByRepeat(id, title, caption string, d *metrics.Def, c *metrics.Cell) (Chart, bool) {
	numbers := c.Repeats()
	var rows []box
	for _, n := range evenly(numbers, shownRepeats) {
		rows = append(rows, boxOf("repeat "+strconv.Itoa(n), strconv.Itoa(n), boxClass(d), c, d, metrics.Group{Repeat: n}))
	}
	f, ok := boxes(id, title, caption, d.Doc, d.Unit, rows)
	if len(numbers) > shownRepeats {
		f.Table.Note = fmt.Sprintf("%d of %d repeats, evenly chosen; turns.csv has every request.", shownRepeats,
			len(numbers))
	}
	return f, ok
}

// PhasesOfTwo draws the distribution of metrics over the turns of each phase in two runs.
func PhasesOfTwo(id string, before, after *metrics.Cell) (out []Chart) {
	for i, of := range metrics.Boxes() {
		d := of.Def
		var rows []box
		for _, phase := range figure.Phases() {
			name, g := readable.Phase(phase), metrics.Group{Phase: phase}
			a, b := boxOf(name+", old", "", "old", before, d, g), boxOf(name+", new", "", boxClass(d), after, d, g)
			if len(a.values)+len(b.values) > 0 {
				rows = append(rows, a, b)
			}
		}
		if f, ok := boxes(fmt.Sprintf("%s-d%d", id, i), of.At+" by phase", "Every dot is one turn.", d.Doc, d.Unit,
			rows); ok {
			out = append(out, f)
		}
	}
	return out
}

// boxClass is the style class of a metric's boxes: that of its line.
func boxClass(d *metrics.Def) string {
	if d.Shown.Line == nil {
		return "c1"
	}
	return lineClass(*d.Shown.Line)
}

func boxOf(label, repeat, class string, c *metrics.Cell, d *metrics.Def, g metrics.Group) box {
	q := c.Measured(g)
	return box{label, repeat, class, sortedValues(readings(c, d, q)), d.Dist(c, q).Unknown}
}

// boxes draws each box: whiskers from the smallest to the largest value, a box
// from the first to the third quartile, the median, and every value where there is room.
// Quartiles are nearest rank, like all percentiles here: values that were measured.
func boxes(id, title, caption, doc, unit string, rows []box) (Chart, bool) {
	f := Chart{ID: id, Title: title, Caption: caption}
	var all []float64
	for _, r := range rows {
		all = append(all, r.values...)
	}
	points := len(all)
	if points == 0 {
		return f, false
	}
	const row = 22.0
	label := max(20.0, 6.6*float64(len(axisUnit(unit)))+14)
	for _, r := range rows {
		label = max(label, min(6.6*float64(len([]rune(r.label)))+14, 160))
	}
	height := 16 + row*float64(len(rows)) + 24
	s := newSVG(id, chartWidth, height, title, fmt.Sprintf("%s: one box for each of %s, from 0 to %s.", doc,
		text.Plural(len(rows), "row"), readable.Quantity(slices.Max(all), unit)))
	x := scaleOf(all, label, chartWidth-22)
	for _, v := range x.ticks {
		s.line("grid", x.at(v), 8, x.at(v), height-24)
		s.text("tick x", x.at(v), height-10, tick(v, unit))
	}
	if name := axisUnit(unit); name != "" {
		s.text("tick y", label-8, height-10, name)
	}
	dots := points <= dotsShown
	f.Caption = strings.TrimSpace(caption + " The box holds the middle half, the line reaches from the smallest to the " +
		"largest.")
	if !dots {
		f.Caption = "The box holds the middle half, the line reaches from the smallest to the largest."
	}
	if slices.ContainsFunc(rows, func(r box) bool { return r.unset > 0 }) {
		f.Caption += " Where a value is not known exactly there is no box."
	}
	if x.log {
		f.Caption += " " + logCaption
	}
	f.Table = Table{Caption: title, Head: []string{"", "n", "min", "25th", "median", "75th", "max"}, Left: 1}
	for i, r := range rows {
		y := 16 + row*(float64(i)+0.5)
		s.group("row", "repeat", r.repeat)
		s.text("tick y", label-8, y+3.5, readable.Shorten(r.label, 24))
		f.Table.Rows = append(f.Table.Rows, boxRow(r, unit))
		if n := len(r.values); n > 0 {
			q1, q2, q3 := stats.Percentile(r.values, 25), stats.Percentile(r.values, 50), stats.Percentile(r.values, 75)
			if r.unset == 0 {
				s.line("whisker "+r.class, x.at(r.values[0]), y, x.at(r.values[n-1]), y)
				s.rect("box "+r.class, x.at(q1), y-6, x.at(q3)-x.at(q1), 12,
					fmt.Sprintf("%s: median %s, half of %d values from %s to %s",
						r.label, readable.Quantity(q2, unit), n, readable.Quantity(q1, unit), readable.Quantity(q3, unit)))
			}
			if dots {
				for _, v := range r.values {
					s.dot("mote "+r.class, x.at(v), y, 1.9, "")
				}
			}
			if r.unset == 0 {
				s.line("median "+r.class, x.at(q2), y-8, x.at(q2), y+8)
			}
		}
		s.end()
	}
	f.SVG = s.done()
	return f, true
}

func boxRow(r box, unit string) Row {
	out := Row{Cells: []string{r.label, strconv.Itoa(len(r.values))}, Repeat: r.repeat}
	if r.unset > 0 {
		out.Cells[1] = fmt.Sprintf("%d, %d unknown", len(r.values)+r.unset, r.unset)
	}
	if len(r.values) == 0 || r.unset > 0 {
		out.Cells = append(out.Cells, readable.Unknown, readable.Unknown, readable.Unknown, readable.Unknown,
			readable.Unknown)
		return out
	}
	for _, v := range []float64{r.values[0], stats.Percentile(r.values, 25), stats.Percentile(r.values, 50),
		stats.Percentile(r.values, 75), slices.Max(r.values)} {
		out.Cells = append(out.Cells, readable.Quantity(v, unit))
	}
	return out
}
