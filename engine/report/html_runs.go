package report

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"strconv"
	"strings"

	"homellm/engine/metrics"
	"homellm/engine/report/chart"
)

// CompareHTML writes a page with the measurements of two runs side by side, without a verdict: a comparison with
// gates decides whether a difference is more than noise.
func CompareHTML(w io.Writer, oldRun, newRun *metrics.Run, v View) error {
	return whole(func(b *bytes.Buffer, p comparison, _ Options) error {
		p.View = v
		return shell{forms: len(v.Links) > 0}.write(b, p.Title, comparePage, p)
	})(w, comparisonOf(oldRun, newRun), Options{})
}

func comparisonOf(oldRun, newRun *metrics.Run) comparison {
	out := comparison{Name: cmp.Or(newRun.Started.Scenario.Name, "empty run"), Differences: differences(oldRun, newRun),
		Moved: mostMovedOfTwo(oldRun, newRun), Next: nextOfTwo(oldRun, newRun)}
	out.Title = "Comparison: " + out.Name + " · homellm"
	var answered reasons
	for _, side := range []struct {
		label string
		run   *metrics.Run
	}{{"old", oldRun}, {"new", newRun}} {
		verdict, _, _ := side.run.Outcome()
		out.Sides = append(out.Sides, comparedRun{side.label, strings.ToUpper(string(verdict)), verdictClasses[verdict],
			tally(side.run), append([]fact{{"on", strings.Join(servers(side.run), "; ")}}, runFacts(side.run)...)})
		if what := simulated(side.run); what != "" {
			answered.add(side.label+" run", what)
		}
	}
	out.Simulated = strings.Join(answered.lines(), "; ")
	both, _ := pairs(oldRun, newRun)
	for i, p := range both {
		c := cellPair{ID: "cell-" + strconv.Itoa(i+1), Name: p.after.Name()}
		c.Numbers = chart.Table{Caption: "Numbers of " + c.Name, Head: []string{"metric", "old", "new", "change", "relative",
			"all values"}, Left: 1,
			Note: "The last column says better, worse, higher or lower only where every value of one run lies on one side of " +
				"every value of the other."}
		where := ""
		for _, d := range deltas(oldRun, newRun, p.before, p.after) {
			row := chart.Row{Cells: d.row()[1:], Class: d.side()}
			if d.where != where {
				where, row.Group = d.where, d.where
			}
			c.Numbers.Rows = append(c.Numbers.Rows, row)
		}
		c.Verdicts = chart.Table{Caption: "Assertions with another verdict", Head: []string{"assertion", "old", "new"},
			Left: 3}
		for _, row := range p.verdictChanges() {
			c.Verdicts.Rows = append(c.Verdicts.Rows, chart.Row{Cells: row})
		}
		if i < pageCells {
			c.charts(p, min(len(both), pageCells))
		} else {
			c.Absent = append(c.Absent, fmt.Sprintf("only the first %d cells have charts", pageCells))
		}
		out.Cells = append(out.Cells, c)
	}
	return out
}

func (p *cellPair) charts(of pair, cells int) {
	var absent []string
	p.Charts, absent = chart.TurnsOfTwo(p.ID, of.before, of.after, cells)
	p.Absent = append(p.Absent, absent...)
	p.Boxes = chart.PhasesOfTwo(p.ID, of.before, of.after)
}
