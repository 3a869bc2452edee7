// Package chart draws the figures of a report. The input is cells and comparisons; the output is charts as SVG, each
// with a table of its values. The entries in engine/metrics say which metrics are drawn. The package knows no page:
// colours are classes of a style sheet, and limits keep a page small.
package chart

import (
	"fmt"
	"html/template"
	"slices"

	"homellm/dsl/figure"
	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/report/readable"
)

// Chart is one chart with the table of its values.
type Chart struct {
	ID      string
	Title   string
	Caption string
	Legend  []legend
	Wide    bool
	Repeat  string // for the filter; empty: belongs to all repeats
	Warmup  bool   // collapsed at first
	SVG     template.HTML
	Table   Table
}

// legend explains a style class.
type legend struct{ Class, Label string }

// Table is what a chart shows, as numbers.
type Table struct {
	Caption string
	Head    []string
	Left    int // number of text columns before the numbers
	Rows    []Row
	Note    string // what the table leaves out; empty: nothing
}

// Row is a row of a table.
type Row struct {
	Cells  []string
	Group  string // heading of the rows from here on; empty: unchanged
	Repeat string // for the filter; empty: belongs to all
	Class  string // better | worse, in a comparison of two runs
}

// Limits of the charts of a page, shared by its cells: a page stays under 10 MB for any run. The page says what is
// left out, where it is missing.
const (
	pageSlots     = 1200 // turns with a point and a table row
	pagePoints    = 8000 // points of thin lines, over all repeats of a chart
	pageRequests  = 400  // requests of timelines
	fewestSlots   = 30
	fewestInChart = 12
	shownRepeats  = 40 // repeats with lines and boxes
)

// Sizes of a chart in units of its view box. A chart is about as wide as a phone, so that its text can be read there.
const (
	chartWidth  = 460.0
	chartHeight = 224.0
	chartLeft   = 58.0
	chartRight  = 10.0
	chartTop    = 26.0
	chartBottom = 30.0
	wideWidth   = 920.0 // of the charts over time
)

// phaseClass is a class of the style sheet: text from a journal never becomes a class.
func phaseClass(phase string) string {
	if slices.Contains(figure.Phases(), phase) {
		return "p-" + phase
	}
	return "p-other"
}

// lineClass is the style class of a metric's line.
func lineClass(l metrics.Line) string {
	if l.Limit {
		return "ceiling"
	}
	return fmt.Sprintf("c%d", max(1, l.Color))
}

// frame draws the horizontal grid with its values, and the unit above them if they do not have it.
func frame(s *svg, y scale, unit string) {
	if name := axisUnit(unit); name != "" {
		s.text("tick y", chartLeft-6, chartTop-9, name)
	}
	for _, v := range y.ticks {
		s.line("grid", chartLeft, y.at(v), s.width-chartRight, y.at(v))
		s.text("tick y", chartLeft-6, y.at(v)+3.5, tick(v, unit))
	}
}

// axisUnit is the unit for an axis whose values do not show it.
func axisUnit(unit string) string {
	if unit == "ms" || unit == "ratio" {
		return ""
	}
	return unit
}

// tick prints the value of a grid line in few characters.
func tick(v float64, unit string) string {
	switch {
	case v == 0:
		return "0"
	case unit == "ms" && v >= 1000:
		return readable.Significant(v/1000, 3) + " s"
	case unit == "ms":
		return readable.Significant(v, 3) + " ms"
	case unit == "ratio":
		return readable.Significant(100*v, 3) + " %"
	case v >= 1000:
		return readable.Significant(v/1000, 3) + "k"
	}
	return readable.Significant(v, 3)
}

// phaseLegend explains the tints of the phases that occur, if there is more than one.
func phaseLegend(all []*event.Request) []legend {
	have := map[string]bool{}
	for _, q := range all {
		have[q.Phase] = true
	}
	if !have[string(figure.WithRAG)] && !have[string(figure.AfterRemoval)] {
		return nil
	}
	var out []legend
	for _, p := range figure.Phases() {
		if have[p] {
			out = append(out, legend{"tint " + phaseClass(p), readable.Phase(p)})
		}
	}
	return out
}

// evenly picks at most n values, spread over the whole list, including the first and the last.
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

// RepeatsShown lists the repeats with lines and boxes.
func RepeatsShown(c *metrics.Cell) []int { return evenly(c.Repeats(), shownRepeats) }

func whyUnknown(c *metrics.Cell, d *metrics.Def) string {
	if w := d.Dist(c, c.Measured(metrics.Group{})).Why; w != "" {
		return w
	}
	return "nothing was measured"
}

// JudgedClass is the style class of a judgement.
func JudgedClass(j metrics.Judged) string {
	switch j {
	case metrics.Passed:
		return "pass"
	case metrics.Failed:
		return "fail"
	case metrics.Skipped, metrics.Counted:
		return "skipped"
	}
	return "unknown"
}
