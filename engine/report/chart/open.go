package chart

import (
	"fmt"

	"homellm/engine/metrics"
	"homellm/engine/report/readable"
)

// The caption for turns with unknown values, for which a chart draws no value.
const openCaption = "A dashed bar is where a value lies that is not exactly known; a question mark stands for one " +
	"that nothing bounds."

// exact is a statistic of the turns of a slot, if the unknown turns cannot change it.
func exact(d metrics.Dist, stat string) (float64, bool) {
	v, why := d.Stat(stat)
	return v, why == ""
}

// shown is a statistic in a table: a value, its limits, or a dash.
func shown(d metrics.Dist, stat, unit string) string {
	if v, ok := exact(d, stat); ok {
		return readable.Quantity(v, unit)
	}
	if r, ok := d.Within(stat); ok {
		return readable.Range(r.Low, r.High, func(v float64) string { return readable.Quantity(v, unit) })
	}
	return readable.Unknown
}

// counted is the number of values of a slot, and how many of them are unknown.
func counted(d metrics.Dist) string {
	if d.Unknown == 0 {
		return fmt.Sprint(d.N)
	}
	return fmt.Sprintf("%d, %d unknown", d.N, d.Unknown)
}

// drawOpen marks a slot whose median is not exact: by the limits of the median, cut at the top of the chart, else by
// a question mark.
func drawOpen(s *svg, t track, p slot, d metrics.Dist, at float64, y axis) {
	if r, ok := d.Within("p50"); ok && r.Low <= y.high {
		s.line("open "+t.class, at, y.at(max(r.Low, y.low)), at, y.at(min(r.High, y.high)))
		return
	}
	s.tipped("unsure "+t.class, at, y.at(y.low)-4, "?", fmt.Sprintf("%s: %s of %d of %d turns is unknown", p.name(),
		t.label, d.Unknown, d.N))
}
