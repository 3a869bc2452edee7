package judge

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"homellm/dsl"
	"homellm/dsl/expr"
	"homellm/dsl/figure"
	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/stats"
)

// Overall evaluates the assertions over all cells, when the last cell is over. It returns a verdict for each
// combination of the axes that an assertion leaves out, with the notes on them.
func Overall(plan *dsl.Plan, f *metrics.Run) []event.Body {
	var out []event.Body
	for _, o := range plan.Overall {
		for _, c := range o.Cases {
			a := across{plan: plan, run: f, assertion: o.Assertion, of: c}
			v := a.verdict()
			out = append(out, v)
			for _, text := range indistinct(v, o.Assertion.Differences(), a.floor()) {
				out = append(out, event.Note{Code: "indistinct", Text: text})
			}
		}
	}
	return out
}

// OverallDoubts lists the gates over all cells that more repeats of some cells, which are still being played, would
// make certain: those with a confidence that compare no other cells. Looks are those of [Judge.Doubts].
func OverallDoubts(plan *dsl.Plan, f *metrics.Run, cells []*dsl.Cell, looks stats.Looks) []Doubt {
	var out []Doubt
	for _, o := range plan.Overall {
		if o.Assertion.Confidence == 0 || !event.Severity(o.Assertion.Severity).Gates() {
			continue
		}
		for _, c := range o.Cases {
			if c.Missing != "" || !within(c, cells) {
				continue
			}
			a := across{plan: plan, run: f, assertion: o.Assertion, of: c, going: looks}
			if more := a.more(); more > 0 {
				out = append(out, Doubt{event.Verdict{Name: o.Assertion.Name, Labels: a.labels()}.Title(), more})
			}
		}
	}
	return out
}

// within says whether all cells of a combination are among some.
func within(c dsl.Case, cells []*dsl.Cell) bool {
	for _, cell := range c.Cells {
		if !slices.Contains(cells, cell) {
			return false
		}
	}
	return true
}

// across is one assertion over all cells, for one combination of the axes that it leaves out.
type across struct {
	plan      *dsl.Plan
	run       *metrics.Run
	assertion *expr.Assertion
	of        dsl.Case
	going     stats.Looks // the cells are still being played, and these are their looks; nil: they are over
}

// more is about how many more repeats would make the assertion certain; 0 if it is, or if no number of them would.
func (a across) more() int {
	r := a.assertion.Eval(a.look)
	if r.Verdict != expr.Pass && r.Verdict != expr.Fail {
		return 0
	}
	r, i := a.confident(r)
	if r.Verdict != expr.Unknown || i == nil || i.Items { // more repeats are no more items
		return 0
	}
	half := (i.Within.High - i.Within.Low) / 2
	if math.IsInf(half, 0) || i.By == 0 {
		return max(1, i.Repeats)
	}
	part := half / math.Abs(i.By) // the width of an interval falls with the square root of the repeats
	return int(max(1, min(math.Ceil(float64(i.Repeats)*(part*part-1)), mostMore)))
}

// mostMore bounds an estimate of further repeats.
const mostMore = 1000

// labels are the values of the axes for which the assertion is judged.
func (a across) labels() []event.Label {
	var out []event.Label
	for _, l := range a.of.Labels {
		out = append(out, event.Label{Name: l.Name, Value: l.Value})
	}
	return out
}

func (a across) verdict() event.Verdict {
	t := tally{assertion: a.assertion}
	var interval *event.Interval
	if a.of.Missing != "" {
		t.add(expr.Result{Verdict: expr.Unsupported, Why: a.of.Missing}, 0)
	} else {
		r := a.assertion.Eval(a.look)
		if why := a.skipped(); why != "" && r.Verdict != expr.Unsupported {
			r.Verdict, r.Why = expr.Unsupported, why // a share of 1 is above that of any cell
		}
		if a.assertion.Confidence > 0 && (r.Verdict == expr.Pass || r.Verdict == expr.Fail) {
			r, interval = a.confident(r)
		}
		t.add(r, 0)
	}
	v := t.event()
	v.Interval = interval
	v.Labels = a.labels()
	return v
}

// look finds a figure of one of the cells.
func (a across) look(path string) expr.Value {
	ref, rest, ok := a.assertion.CutCell(path)
	if !ok {
		return expr.Value{Why: path + " is a figure of no cell"}
	}
	planned := a.of.Cells[ref.Prefix]
	cell, why := a.played(planned)
	if why != "" {
		return expr.Value{Why: why, Unsupported: planned.Skip != ""}
	}
	if name, ok := figure.Parse(figure.ScenarioScope, rest); ok && name.Level == figure.ModelFacts {
		return New(planned).modelFact(cell, name.Rest)
	}
	return valueOf(cell.Lookup(figure.ScenarioScope, 0, "", "")(rest))
}

// skipped says which of the cells was skipped, and why; empty: none was.
func (a across) skipped() string {
	for _, prefix := range slices.Sorted(maps.Keys(a.of.Cells)) {
		if planned := a.of.Cells[prefix]; planned.Skip != "" {
			_, why := a.played(planned)
			return why
		}
	}
	return ""
}

// played is a cell that was played to its end, or why it was not.
func (a across) played(planned *dsl.Cell) (cell *metrics.Cell, why string) {
	cell = a.run.Cell(planned.ID)
	switch {
	case planned.Skip != "":
		return nil, fmt.Sprintf("%s was skipped: %s", planned, planned.Skip)
	case cell == nil:
		return nil, fmt.Sprintf("%s was not played", planned)
	case cell.Failed != nil:
		return nil, fmt.Sprintf("%s did not run: %s", planned, cell.Failed.Err)
	case cell.Done == nil && a.going == nil:
		return nil, fmt.Sprintf("%s was not played to its end", planned)
	case cell.Done != nil && cell.Done.Err != "":
		return nil, fmt.Sprintf("%s ended early: %s", planned, cell.Done.Err)
	}
	return cell, ""
}

// floor is the time in ms that the client cannot tell from nothing, in the cell where it is greatest; 0 if unknown.
func (a across) floor() float64 {
	most := 0.0
	for _, planned := range a.of.Cells {
		if cell := a.run.Cell(planned.ID); cell != nil {
			v, _ := cell.Observed("client.ttft_bias_p99_ms").Number()
			most = max(most, v)
		}
	}
	return most
}

// claimed is what the interval of one difference says about its claim.
type claimed struct {
	verdict  expr.Verdict // pass, fail or unknown
	why      string       // of an unknown one
	interval *event.Interval
}

// confident withdraws a verdict unless every difference, within its confidence interval, is on that side of its
// bound. The interval is that of the difference that decides: the first that breaks its claim, else the first that
// leaves it open, else the first.
func (a across) confident(r expr.Result) (expr.Result, *event.Interval) {
	first := map[expr.Verdict]claimed{}
	for _, c := range a.assertion.Claims() {
		found := a.claim(c)
		if _, had := first[found.verdict]; !had {
			first[found.verdict] = found
		}
	}
	for _, v := range []expr.Verdict{expr.Fail, expr.Unknown, expr.Pass} {
		found, ok := first[v]
		if !ok {
			continue
		}
		switch {
		case v == expr.Unknown:
			r.Verdict, r.Why = v, found.why
		case v != r.Verdict:
			r.Verdict, r.Why = expr.Unknown, "the values and the differences of their repeats are on different sides of the "+
				"bound"
		}
		return r, found.interval
	}
	return r, nil
}

// claim holds a claim against the interval of its difference.
func (a across) claim(c expr.Claim) claimed {
	i, why := a.interval(c)
	if i == nil {
		return claimed{expr.Unknown, why, nil}
	}
	switch holds, open := decides(expr.Range(i.Within), expr.Limit{Op: c.Op}); {
	case open:
		return claimed{expr.Unknown, undecided(*i), i}
	case holds:
		return claimed{expr.Pass, "", i}
	}
	return claimed{expr.Fail, "", i}
}

// undecided says why an interval decides nothing.
func undecided(i event.Interval) string {
	unit, of := metrics.UnitAfter(i.Unit), sampled(i.Items)
	text := fmt.Sprintf("left minus right is %.4g%s", i.By, unit)
	if math.IsInf(i.Within.Low, 0) || math.IsInf(i.Within.High, 0) {
		return fmt.Sprintf("%s, and %d %s do not bound it with %.4g %% confidence", text, i.Repeats, of, 100*i.Confidence)
	}
	return fmt.Sprintf("%s, and with %.4g %% confidence from %.4g to %.4g%s: more %s would settle it", text,
		100*i.Confidence, i.Within.Low, i.Within.High, unit, of)
}

// sampled is what the values of a sample belong to.
func sampled(items bool) string {
	if items {
		return "items"
	}
	return "repeats"
}

// scores says whether a claim compares pass rates, whose sample is the items of a data set. All cells are asked the
// same items, which makes pairs of them in any order of play.
func (a across) scores(claim expr.Claim) bool {
	return slices.ContainsFunc(claim.Paths, func(path string) bool {
		_, rest, _ := a.assertion.CutCell(path)
		_, ok := figure.CutScore(rest)
		return ok
	})
}

// interval is where the difference of a claim lies, or why that is not known.
func (a across) interval(claim expr.Claim) (*event.Interval, string) {
	sides, unit, mean, why := a.sides(claim)
	if why != "" {
		return nil, why
	}
	items := a.scores(claim)
	level := 1 - (1-a.assertion.Confidence)*stats.Share(a.looks())
	out := &event.Interval{Confidence: a.assertion.Confidence, Unit: unit, Items: items,
		Paired: items || a.plan.Order != dsl.Sequential || len(sides) == 1}
	var shift stats.Shift
	var err error
	if out.Paired {
		difference := together(sides, claim.Offset)
		out.Repeats = len(difference)
		nothing := make([]float64, len(difference))
		if mean {
			shift, err = stats.PairedMeans(nothing, difference, level)
		} else {
			shift, err = stats.Paired(nothing, difference, level)
		}
	} else {
		left, right := values(sides[0], claim.Offset), values(sides[1], 0)
		for i := range right {
			right[i] = -right[i]
		}
		out.Repeats = min(len(left), len(right))
		if mean {
			shift, err = stats.Means(right, left, level)
		} else {
			shift, err = stats.Unpaired(right, left, level)
		}
	}
	if err != nil {
		return nil, "the cells have no " + strings.TrimSuffix(sampled(items), "s") + " in common whose values are known"
	}
	out.By, out.Within = shift.By, event.Range{Low: shift.Lo, High: shift.Hi}
	return out, ""
}

// looks is the number of judgements that decided whether to play on, in a run with a time budget.
func (a across) looks() int {
	n := len(a.going)
	for _, planned := range a.of.Cells {
		if cell := a.run.Cell(planned.ID); cell != nil {
			n = max(n, len(cell.Looks()))
		}
	}
	return n
}

// side is what one cell contributes to a difference, by repeat.
type side map[int]float64

// sides splits the difference of a claim by cells, in the order in which it names them. Mean says that means are
// compared, not medians.
func (a across) sides(claim expr.Claim) (out []side, unit string, mean bool, why string) {
	at := map[*dsl.Cell]int{}
	for i, path := range claim.Paths {
		ref, rest, _ := a.assertion.CutCell(path)
		planned := a.of.Cells[ref.Prefix]
		cell, why := a.played(planned)
		if why != "" {
			return nil, "", false, why
		}
		name, stat, found := metrics.CutStat(rest)
		sample := cell.Sample(name)
		switch {
		case sample.Why != "" && sample.Count() == 0:
			return nil, "", false, fmt.Sprintf("%s: %s", path, sample.Why)
		case len(sample.Hidden) > 0:
			_, items := figure.CutScore(rest)
			return nil, "", false, fmt.Sprintf("%s: %d of %d %s are not exact: %s", path, len(sample.Hidden),
				sample.Count(), sampled(items), sample.Why)
		}
		unit, mean = sample.Unit, !found || stat == "mean"
		share := sideOf(sample, claim.Factors[i])
		if k, known := at[planned]; known {
			out[k] = out[k].plus(share)
		} else {
			at[planned] = len(out)
			out = append(out, share)
		}
	}
	if len(out) > 2 && a.plan.Order == dsl.Sequential {
		return nil, "", false, "the cells were not played in turn, and the difference is one of more than two"
	}
	return out, unit, mean, ""
}

// sideOf is a sample, times a factor.
func sideOf(sample metrics.Sample, factor float64) side {
	out := side{}
	for i, n := range sample.Repeats {
		out[n] = factor * sample.Values[i]
	}
	return out
}

// plus is the sum in every repeat that both have.
func (s side) plus(other side) side {
	out := side{}
	for n, v := range s {
		if w, both := other[n]; both {
			out[n] = v + w
		}
	}
	return out
}

// together is the difference in every repeat that all cells have, in their order.
func together(sides []side, offset float64) []float64 {
	sum := sides[0]
	for _, s := range sides[1:] {
		sum = sum.plus(s)
	}
	return values(sum, offset)
}

// values are the values of all repeats, in their order, each plus an offset.
func values(s side, offset float64) []float64 {
	out := make([]float64, 0, len(s))
	for _, n := range slices.Sorted(maps.Keys(s)) {
		out = append(out, s[n]+offset)
	}
	return out
}
