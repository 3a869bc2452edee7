package chart

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"homellm/engine/compare"
	"homellm/engine/history"
	"homellm/engine/report/readable"
)

// historyShown is how many of the newest runs a chart of a history draws.
const historyShown = 400

// historyNarrow is how many runs a chart shows that is not wider than a phone.
const historyNarrow = 30

// History draws a figure over the runs of a history: its value with the quartiles of its repeats, a line where the
// level changed, and a mark on the axis where a circumstance changed: differences are those of the history. It returns
// false if no run has the figure.
func History(id, path string, h history.History, changes []history.Change,
	differences map[int][]compare.Mismatch) (Chart, bool) {
	first := max(len(h.Runs)-historyShown, 0)
	runs := h.Runs[first:]
	values := make([]history.Value, len(runs))
	var drawn []float64
	unit := ""
	for i, r := range runs {
		values[i] = r.Value(path)
		if v, ok := values[i].Number(); ok {
			drawn, unit = append(drawn, v, values[i].High), values[i].Unit
		}
	}
	if len(drawn) == 0 {
		return Chart{}, false
	}
	width, wide := chartWidth, len(runs) > historyNarrow
	if wide {
		width = wideWidth
	}
	x := axis{0, float64(max(len(runs)-1, 1)), chartLeft + 8, width - chartRight - 8, false}
	y := scaleOf(drawn, chartHeight-chartBottom, chartTop)
	out := Chart{ID: id, Title: path, Wide: wide, Legend: []legend{{"c1", "a run"}, {"old", "something else changed"}},
		Caption: fmt.Sprintf("%d runs, the oldest first: of a time the median over the repeats of a run, of a share the "+
			"mean. The band is the middle half of its repeats, a dashed line a change of level.", len(runs))}
	s := newSVG(id, width, chartHeight, path, fmt.Sprintf("%d runs; the newest is %s", len(runs),
		readable.Value(values[len(values)-1].Value)))
	frame(s, y, unit)
	var line, low, high []point
	for i := range runs {
		at := x.at(float64(i))
		if d := differences[first+i]; len(d) > 0 {
			s.dot("dot old", at, y.from+9, 3.5, strings.Join(compare.Texts(d), "; "))
		}
		v, ok := values[i].Number()
		line, low, high = append(line, point{at, y.at(v), !ok}), append(low, point{at, y.at(values[i].Low), !ok}),
			append(high, point{at, y.at(values[i].High), !ok})
	}
	s.band("band c1", low, high)
	s.curve("curve c1", line)
	for i, v := range values {
		if n, ok := v.Number(); ok {
			s.dot("dot c1", x.at(float64(i)), y.at(n), 2.5, runs[i].Name+": "+readable.Value(v.Value))
		}
	}
	for _, c := range changes {
		if c.At < first {
			continue
		}
		at := x.at(float64(c.At-first) - 0.5)
		s.line("border", at, y.from, at, y.to)
		s.text("tick", at+4, y.to-4, readable.Percent((c.After-c.Before)/math.Abs(c.Before)))
	}
	out.SVG = s.done()
	out.Table = historyTable(path, runs, values, func(i int) string {
		return strings.Join(compare.Texts(differences[first+i]), "; ")
	})
	if first > 0 {
		out.Table.Note = fmt.Sprintf("The newest %d of %d runs.", historyShown, len(h.Runs))
	}
	return out, true
}

func historyTable(path string, runs []history.Run, values []history.Value, with func(i int) string) Table {
	t := Table{Caption: path + " of each run", Head: []string{"run", "started (UTC)", "verdict", "changed", "value",
		"middle half of its repeats", "repeats"}, Left: 4}
	for i, r := range slices.Backward(runs) {
		v := values[i]
		t.Rows = append(t.Rows, Row{Cells: []string{r.Name, r.Started.UTC().Format("2006-01-02 15:04"), string(r.Verdict),
			with(i), readable.Value(v.Value), Middle(v), fmt.Sprint(v.N)}})
	}
	return t
}

// Middle is the middle half of the repeats of a run.
func Middle(v history.Value) string {
	if _, ok := v.Number(); !ok {
		return readable.Unknown
	}
	return readable.Range(v.Low, v.High, func(f float64) string { return readable.Quantity(f, v.Unit) })
}
