package report

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"strconv"
	"strings"

	"homellm/dsl/figure"
	"homellm/engine/metrics"
)

// comparison is a page about two runs, or about a run and its baselines.
type comparison struct {
	Title       string
	Name        string
	Verdict     string // of the gates; empty: nothing is judged
	Class       string
	Reason      string
	Simulated   string
	Sides       []comparedRun
	Differences []string
	Cells       []cellPair
}

type comparedRun struct {
	Label, Verdict, Class, Tally string
	Facts                        []fact
}

type cellPair struct {
	ID, Name string
	Pairing  string // what is held against what, where gates judge it
	Gates    []gateVerdict
	Remarks  []string
	Changes  []chart
	Samples  []chart
	Numbers  dataTable
	Verdicts dataTable
	Charts   []chart
	Spread   []chart
	Absent   []string
}

// CompareHTML writes a page that shows what two runs measured side by side. It shows and does not
// judge: whether a difference is more than noise is for a comparison with gates to say.
func CompareHTML(w io.Writer, oldRun, newRun *metrics.Run) error {
	return whole(func(b *bytes.Buffer, _ *metrics.Run, _ Options) error {
		p := comparisonOf(oldRun, newRun)
		return writePage(b, p.Title, comparePage, p)
	})(w, nil, Options{})
}

func comparisonOf(oldRun, newRun *metrics.Run) comparison {
	out := comparison{Name: cmp.Or(newRun.Started.Scenario.Name, "empty run"), Differences: differences(oldRun, newRun)}
	out.Title = "Comparison: " + out.Name + " · homellm"
	var answered reasons
	for _, side := range []struct {
		label string
		run   *metrics.Run
	}{{"old", oldRun}, {"new", newRun}} {
		verdict, _, _ := side.run.Outcome()
		out.Sides = append(out.Sides, comparedRun{side.label, strings.ToUpper(string(verdict)), verdictClasses[verdict], tally(side.run), runFacts(side.run)})
		if what := simulated(side.run); what != "" {
			answered.add(side.label+" run", what)
		}
	}
	out.Simulated = strings.Join(answered.lines(), "; ")
	both, _ := pairs(oldRun, newRun)
	for i, p := range both {
		c := cellPair{ID: "cell-" + strconv.Itoa(i+1), Name: p.after.Name()}
		c.Numbers = dataTable{Caption: "Numbers of " + c.Name, Head: []string{"metric", "old", "new", "change", "relative", "all values"}, Left: 1,
			Note: "The last column says better or worse only where every value of one run lies on one side of every value of the other."}
		where := ""
		for _, d := range deltas(oldRun, newRun, p.before, p.after) {
			row := dataRow{Cells: d.row()[1:], Class: d.side()}
			if d.where != where {
				where, row.Group = d.where, d.where
			}
			c.Numbers.Rows = append(c.Numbers.Rows, row)
		}
		c.Verdicts = dataTable{Caption: "Assertions with another verdict", Head: []string{"assertion", "old", "new"}, Left: 3}
		for _, row := range p.verdictChanges() {
			c.Verdicts.Rows = append(c.Verdicts.Rows, dataRow{Cells: row})
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
	limit := max(fewestPlaces, pagePlaces/cells)
	now, then := placesOf(of.after, limit), placesOf(of.before, limit)
	type key struct {
		placeKey
		turns int
	}
	at := map[key]place{}
	for _, q := range then {
		at[key{placeKey{q.conversation, q.step, q.turn}, q.turns}] = q
	}
	matched := make([]place, len(now)) // the old run's turns in the places of the new run's
	same := 0
	for i, q := range now {
		k := key{placeKey{q.conversation, q.step, q.turn}, q.turns}
		if m, ok := at[k]; ok {
			matched[i] = m
			same++
		}
	}
	if same < max(len(now), len(then)) {
		p.Absent = append(p.Absent, fmt.Sprintf("of the old run's %s, %d stand in the charts: the others are not in the new run",
			Plural(turnsIn(then), "turn"), turnsIn(matched)))
	}
	for i, chart := range metrics.Charts() {
		line := chart.Lines[0]
		for _, l := range chart.Lines {
			if !l.At.Limit {
				line = l
				break
			}
		}
		tracks := []track{
			trackOf(of.before, matched, line.Def, "old", "old"), trackOf(of.after, now, line.Def, "new", lineClass(line.At)),
		}
		if !tracks[0].known() && !tracks[1].known() {
			p.Absent = append(p.Absent, chart.Title+": "+whyUnknown(of.after, line.Def))
			continue
		}
		title := cmp.Or(line.At.Alone, chart.Title)
		p.Charts = append(p.Charts, perTurn(fmt.Sprintf("%s-t%d", p.ID, i), title, "Medians of the repeats; the bands are their ranges.", now, tracks, false))
	}
	for i, box := range metrics.Boxes() {
		d := box.Def
		var rows []spread
		for _, phase := range figure.Phases() {
			a, b := valuesOf(of.before, d, of.before.Measured(metrics.Group{Phase: phase})), valuesOf(of.after, d, of.after.Measured(metrics.Group{Phase: phase}))
			if len(a)+len(b) > 0 {
				rows = append(rows, spread{phaseName(phase) + ", old", "", "old", a}, spread{phaseName(phase) + ", new", "", boxClass(d), b})
			}
		}
		if f, ok := boxes(fmt.Sprintf("%s-d%d", p.ID, i), box.At+" by phase", "Every dot is one turn.", d.Doc, d.Unit, rows); ok {
			p.Spread = append(p.Spread, f)
		}
	}
}
