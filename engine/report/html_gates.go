package report

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"homellm/engine/compare"
	"homellm/engine/report/chart"
	"homellm/engine/report/readable"
)

// compareHTML writes a comparison as a page: the verdicts of the gates, then each change relative to its margin, the
// samples behind it and, if both sides are runs, their measurements turn by turn.
func compareHTML(b *bytes.Buffer, c compare.Comparison, _ Options) error {
	p := gatesPage(c)
	return writePage(b, p.Title, comparePage, p)
}

func gatesPage(c compare.Comparison) comparison {
	verdict, _, reason := c.Outcome()
	out := comparison{Name: "comparison", Verdict: strings.ToUpper(string(verdict)), Class: verdictClasses[verdict],
		Reason: reason, Moved: mostMoved(c), Next: nextSteps(c), Simulated: simulatedSides(c)}
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
			cell.Remarks = append(circumstances(p), p.Warnings...) // the gates show the rest
		}
		for _, d := range p.Deltas {
			cell.Gates = append(cell.Gates, gateRow(d))
		}
		slices.SortStableFunc(cell.Gates, func(a, b gateVerdict) int {
			return cmp.Compare(gateRank[a.Class], gateRank[b.Class])
		})
		before, after := p.Sides[0].Cell, p.Sides[1].Cell
		if after != nil {
			out.Name = cmp.Or(after.Run().Started.Scenario.Name, out.Name)
		}
		if charts++; charts > pageCells {
			cell.Absent = append(cell.Absent, fmt.Sprintf("only the first %d cells have charts", pageCells))
			out.Cells = append(out.Cells, cell)
			continue
		}
		if f, ok := chart.Margins(cell.ID+"-g", p.Deltas); ok {
			cell.Changes = append(cell.Changes, f)
		}
		drawn, absent := chart.Samples(cell.ID, p)
		cell.Samples, cell.Absent = drawn, append(cell.Absent, absent...)
		switch {
		case before != nil && after != nil:
			cell.charts(pair{before, after}, min(len(c.Pairs), pageCells))
		case len(p.Deltas) > 0:
			cell.Absent = append(cell.Absent, "the old side turn by turn: a baseline holds one value for each repeat of the "+
				"gated metrics")
		}
		out.Cells = append(out.Cells, cell)
	}
	out.Title = out.Verdict + ": comparison of " + out.Name + " · homellm"
	return out
}

// gateRank orders gates by their results, the worst first.
var gateRank = map[string]int{"fail": 0, "unknown": 1, "pass": 2, "skipped": 3}

func pairing(p compare.Pair) string {
	if p.Old == "" || p.New == "" {
		return ""
	}
	names := sideNames(p)
	return names[0] + " → " + names[1]
}

// sideOf describes one side of a comparison: a run by its facts, a baseline by its circumstances.
func sideOf(label string, s compare.Source) comparedRun {
	if s.Cell != nil {
		r := s.Cell.Run()
		verdict, _, _ := r.Outcome()
		return comparedRun{Label: label, Verdict: strings.ToUpper(string(verdict)), Class: verdictClasses[verdict],
			Tally: s.Name + ": " + tally(r), Facts: runFacts(r)}
	}
	out := comparedRun{Label: label, Verdict: "BASELINE", Tally: s.Name}
	for _, k := range compare.FingerprintKeys {
		if v := s.Fingerprint[k.Name]; v != "" {
			out.Facts = append(out.Facts, fact{k.Name, readable.Shorten(v, 40)})
		}
	}
	return out
}

func gateRow(d compare.Delta) gateVerdict {
	row := compareRow(d)
	j := d.Judged()
	out := gateVerdict{Class: chart.JudgedClass(j), Symbol: judgedSymbols[j], Label: row[0], Name: row[1],
		Metric: d.Gate.Metric + ", " + d.Gate.Stat,
		Old:    row[2], New: row[3], Change: row[columnChange], Margin: row[columnMargin], Interval: row[columnInterval],
		P: row[columnP], Adjusted: row[columnAdjusted], N: row[columnN], Allowed: marginText(d)}
	if d.Why != "" {
		out.Why = append(out.Why, d.Why)
	}
	out.Why = append(out.Why, d.Warnings...)
	return out
}
