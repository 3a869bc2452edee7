package report

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"homellm/engine/compare"
	"homellm/engine/metrics"
)

// gatesInChart is how many gates of a cell have a chart of their samples.
const gatesInChart = 24

// compareHTML is a comparison as a page: the verdicts of the gates first, then how far each change
// lies from its margin, the samples behind it and, where both sides are runs, what they measured
// turn by turn.
func compareHTML(w io.Writer, c compare.Comparison, _ Options) error {
	return whole(func(b *bytes.Buffer, _ *metrics.Run, _ Options) error {
		p := gatesPage(c)
		return writePage(b, p.Title, comparePage, p)
	})(w, nil, Options{})
}

func gatesPage(c compare.Comparison) comparison {
	verdict, _, reason := c.Outcome()
	out := comparison{Name: "comparison", Verdict: strings.ToUpper(string(verdict)), Class: verdictClasses[verdict], Reason: reason, Simulated: simulatedSides(c)}
	charts := 0
	seen := map[string]bool{}
	for i, p := range c.Pairs {
		for k, label := range []string{"old", "new"} {
			if s := p.Sides[k]; s.Name != "" && !seen[label+s.Name] {
				seen[label+s.Name] = true
				out.Sides = append(out.Sides, sideOf(label, s))
			}
		}
		cell := cellPair{ID: "cell-" + strconv.Itoa(i+1), Name: p.Cell, Pairing: pairing(p), Remarks: remarks(p)}
		if len(p.Deltas) > 0 {
			cell.Remarks = append(circumstances(p), p.Warnings...) // each gate says the rest itself
		}
		for _, d := range p.Deltas {
			cell.Gates = append(cell.Gates, gateRow(d))
		}
		before, after := p.Sides[0].Cell, p.Sides[1].Cell
		if after != nil {
			out.Name = cmp.Or(after.Run().Started.Scenario.Name, out.Name)
		}
		if charts++; charts > pageCells {
			cell.Absent = append(cell.Absent, fmt.Sprintf("only the first %d cells have charts", pageCells))
			out.Cells = append(out.Cells, cell)
			continue
		}
		if f, ok := marginFigure(cell.ID+"-g", p.Deltas); ok {
			cell.Changes = append(cell.Changes, f)
		}
		cell.samples(p)
		switch {
		case before != nil && after != nil:
			cell.charts(pair{before, after}, min(len(c.Pairs), pageCells))
		case len(p.Deltas) > 0:
			cell.Absent = append(cell.Absent, "the old side turn by turn: a baseline holds one value for each repeat of the gated metrics")
		}
		out.Cells = append(out.Cells, cell)
	}
	out.Title = out.Verdict + ": comparison of " + out.Name + " · homellm"
	return out
}

func pairing(p compare.Pair) string {
	if p.Old == "" || p.New == "" {
		return ""
	}
	return p.Old + " → " + p.New
}

// sideOf describes one side of a comparison: a run by its facts, a baseline by what it was
// measured under.
func sideOf(label string, s compare.Source) comparedRun {
	if s.Cell != nil {
		r := s.Cell.Run()
		verdict, _, _ := r.Outcome()
		return comparedRun{Label: label, Verdict: strings.ToUpper(string(verdict)), Class: verdictClasses[verdict], Tally: s.Name + ": " + tally(r), Facts: runFacts(r)}
	}
	out := comparedRun{Label: label, Verdict: "BASELINE", Tally: s.Name}
	for _, k := range compare.FingerprintKeys {
		if v := s.Fingerprint[k.Name]; v != "" {
			out.Facts = append(out.Facts, fact{k.Name, Shorten(v, 40)})
		}
	}
	return out
}

// simulatedSides says which sides of a comparison a simulator answered; empty: none.
func simulatedSides(c compare.Comparison) string {
	var sides, what []string
	add := func(list *[]string, s string) {
		if s != "" && !strings.Contains("\x00"+strings.Join(*list, "\x00")+"\x00", "\x00"+s+"\x00") {
			*list = append(*list, s)
		}
	}
	for _, p := range c.Pairs {
		for k, label := range []string{"old", "new"} {
			s := p.Sides[k]
			if s.Fingerprint["server.simulation"] != "" || s.Cell != nil && s.Cell.Simulated() {
				add(&sides, label)
				add(&what, s.Fingerprint["server.simulation"])
			}
		}
	}
	if len(sides) == 0 {
		return ""
	}
	line := strings.Join(sides, " and ") + ": homellm's simulator answered, not a real server"
	if len(what) > 0 {
		line += " (" + strings.Join(what, "; ") + ")"
	}
	return line
}

// gateVerdict is one gate in the page's list.
type gateVerdict struct {
	Class, Symbol, Label   string
	Name, Metric, Margin   string
	Old, New, Change, P, N string
	Interval               string
	Why                    []string
}

func gateRow(d compare.Delta) gateVerdict {
	row := compareRow(d)
	j := judgedClasses[d.Judged()]
	out := gateVerdict{Class: j.class, Symbol: j.symbol, Label: row[0], Name: row[1], Metric: d.Gate.Metric + ", " + d.Gate.Stat,
		Old: row[2], New: row[3], Change: row[4], Interval: row[5], P: row[6], N: row[7], Margin: marginText(d)}
	if d.Why != "" {
		out.Why = append(out.Why, d.Why)
	}
	out.Why = append(out.Why, d.Warnings...)
	return out
}

// marginText is how much worse a gate allows: "5 %, at least 15 ms".
func marginText(d compare.Delta) string {
	var parts []string
	if d.Gate.MaxWorse != nil {
		parts = append(parts, significant(100**d.Gate.MaxWorse, 3)+" %")
	}
	if d.Gate.MaxWorseAbs != nil {
		parts = append(parts, withUnit(*d.Gate.MaxWorseAbs, d.Unit))
	}
	if d.Gate.MinDelta > 0 {
		parts = append(parts, withUnit(d.Gate.MinDelta, d.Unit))
	}
	return strings.Join(parts, ", at least ")
}

func withUnit(v float64, unit string) string {
	return strings.TrimSpace(significant(v, 3) + " " + unitWord(unit))
}

// marginFigure draws each gate's change in multiples of its own margin, for the worse to the
// right: what lies beyond 1 with its whole interval is worse, whatever the metric's unit.
func marginFigure(id string, deltas []compare.Delta) (chart, bool) {
	f := chart{ID: id, Title: "Change against the margin", Wide: true,
		Caption: "In multiples of each gate's own margin, for the worse to the right: the dot is the estimate, the line its 95 % interval. A gate is worse if the estimate lies beyond 1 × and chance does not explain it. An arrow goes on beyond the chart; beside it stands an estimate that lies there.",
		Table:   dataTable{Caption: "Change against the margin", Head: []string{"gate", "verdict", "change", "lower end", "upper end"}, Left: 2}}
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
	s := newSVG(id, wideWidth, height, f.Title, fmt.Sprintf("%s, from 4 margins better to 4 margins worse.", Plural(len(shown), "gate")))
	x := axis{-end, end, label, wideWidth - 30}
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
		s.text("tick x", x.at(v), height-11, strings.ReplaceAll(significant(v, 2), "-", "−")+" ×")
	}
	for i, d := range shown {
		y := 18 + row*(float64(i)+0.5)
		in := func(v float64) float64 { return -float64(d.Gate.Better) * v / *d.Margin }
		low, high := math.Inf(-1), math.Inf(1)
		if d.Lo != nil && d.Hi != nil {
			low, high = min(in(*d.Lo), in(*d.Hi)), max(in(*d.Lo), in(*d.Hi))
		}
		class := "v-" + judgedClasses[d.Judged()].class
		s.group("row " + class)
		s.text("tick y", label-10, y+4, Shorten(d.Gate.Name, 28))
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
		tip := significant(at, 3) + " ×"
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
				return unknown
			}
			return significant(v, 3) + " ×"
		}
		f.Table.Rows = append(f.Table.Rows, dataRow{Cells: []string{d.Gate.Name, string(d.Verdict), times(in(*d.Change)), times(low), times(high)}})
	}
	f.SVG = s.done()
	return f, true
}

// samples draws what each gate compared: one dot for each repeat of both sides.
func (p *cellPair) samples(of compare.Pair) {
	drawn := map[string]bool{}
	for i, d := range of.Deltas {
		path := d.Gate.Metric
		if drawn[path] || of.Sides[0].Sample == nil || of.Sides[1].Sample == nil {
			continue
		}
		drawn[path] = true
		if len(drawn) > gatesInChart {
			p.Absent = append(p.Absent, fmt.Sprintf("only the samples of the first %d gates have charts", gatesInChart))
			return
		}
		var rows []spread
		for k, side := range []struct{ label, class string }{{"old", "old"}, {"new", "c1"}} {
			rows = append(rows, spread{label: side.label, class: side.class, values: sorted(of.Sides[k].Sample(path).Values)})
		}
		if f, ok := boxes(fmt.Sprintf("%s-s%d", p.ID, i), path, "Every dot is one repeat.", path, d.Unit, rows); ok {
			p.Samples = append(p.Samples, f)
		}
	}
}
