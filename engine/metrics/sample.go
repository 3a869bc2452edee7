package metrics

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"homellm/dsl/figure"
	"homellm/engine/event"
	"homellm/engine/stats"
)

// Sample is one metric of a cell with one value per repeat, in the order played. Repeats are the unit of comparison,
// because the turns of one repeat share its conditions.
type Sample struct {
	Path    string
	Unit    string
	Better  int // +1: higher is better, -1: lower is better, 0: neither
	Values  []float64
	Repeats []int // the repeats of the values; of a pass rate, the items
	Unknown int   // repeats without a value
	// repeats whose value is not exact, among those
	Hidden []Hidden
	Why    string // why there are no values, or why some are unknown
	// the statistics of the path as every report shows them ([Def.Spread]), exact or as intervals; of a step, over its
	// turns
	Shown  map[string]float64
	Within map[string]event.Range
}

// Hidden is the value of a repeat that is known only as an interval.
type Hidden struct {
	Repeat int
	event.Range
}

// Count is how many repeats have a value, known or not.
func (s Sample) Count() int { return len(s.Values) + len(s.Hidden) }

// Pairs are the values of the repeats that are known on both sides.
func Pairs(a, b Sample) (x, y []float64) {
	for i, n := range a.Repeats {
		if j := slices.Index(b.Repeats, n); j >= 0 {
			x, y = append(x, a.Values[i]), append(y, b.Values[j])
		}
	}
	return x, y
}

// Told says whether anything is known of any value.
func (s Sample) Told() bool {
	return len(s.Values) > 0 || slices.ContainsFunc(s.Hidden, func(h Hidden) bool {
		d, ok := OfPath(s.Path)
		return !ok || h.Range != d.natural()
	})
}

// whole are the metrics of a run with a single value over all repeats.
var whole = []string{"repeats", "duration_s", "users"}

// Whole says whether the metric is one value for all repeats of a run.
func (d *Def) Whole() bool { return slices.Contains(whole, d.Name) || d.drift != "" || !d.Numeric() }

// Sample returns the values of a path such as steps.q1.ttft_ms, phases.after_removal.tpot_ms,
// conversations.main.total_ms or run.output_tps. Several turns of a repeat are folded as the
// metric says.
func (c *Cell) Sample(path string) Sample {
	s := Sample{Path: path}
	if name, ok := figure.CutScore(path); ok {
		return c.scores(name)
	}
	d, g, why := samplePath(path)
	if why != "" {
		s.Why = why
		return s
	}
	s.Unit, s.Better = d.Unit, d.Better
	if len(c.Measured(g)) == 0 {
		s.Why = "the run holds nothing of " + strings.TrimSuffix(path, "."+d.Name)
		return s
	}
	s.Shown, s.Within = shownStats(d.Spread(c, g))
	var each []Value
	none := ""
	for _, v := range d.repeats(c, g) {
		f, ok := v.Number()
		switch {
		case v.none != "":
			none = v.none
			s.Unknown++
		case ok:
			s.Values, s.Repeats = append(s.Values, f), append(s.Repeats, v.repeat)
			each = append(each, v.Value)
		default:
			s.Unknown++
			s.Hidden = append(s.Hidden, Hidden{v.repeat, d.ends(c, nil, v.Value)})
			each = append(each, v.Value)
		}
	}
	switch {
	case len(s.Hidden) > 0:
		s.Why = reason(each)
	case s.Unknown > 0:
		s.Why = none
	}
	return s
}

// Stat is a statistic of the path as every report shows it: exact, or with its limits.
func (s Sample) Stat(name string) Value {
	out := Value{Unit: s.Unit, Why: cmp.Or(s.Why, "nothing was measured")}
	exact, within := s.Shown, s.Within
	if exact == nil && within == nil { // a sample without statistics has only its values
		var all []event.Range
		for _, v := range s.Values {
			all = append(all, event.Range{Low: v, High: v})
		}
		for _, h := range s.Hidden {
			all = append(all, h.Range)
		}
		d := distOf(all, len(s.Hidden), s.Told())
		d.Why = out.Why
		exact, within = shownStats(d)
	}
	if v, ok := exact[name]; ok {
		out.V, out.Why = v, ""
	} else if r, ok := within[name]; ok {
		out.Range = &r
	}
	return out
}

// shownStats are the exact statistics of a distribution, and those that are known only as intervals.
func shownStats(of Dist) (exact map[string]float64, within map[string]event.Range) {
	exact = map[string]float64{}
	for _, s := range Stats {
		if s.Floor == 0 {
			continue
		}
		if v, why := of.Stat(s.Name); why == "" {
			exact[s.Name] = v
		}
		if r, ok := of.Within(s.Name); ok {
			if within == nil {
				within = map[string]event.Range{}
			}
			within[s.Name] = r
		}
	}
	return exact, within
}

// OfPath is the metric that a sample's path ends in.
func OfPath(path string) (*Def, bool) {
	d, _, why := samplePath(path)
	return d, why == ""
}

// samplePath splits a path, or says why it has no sample.
func samplePath(path string) (d *Def, g Group, why string) {
	at, ok := figure.Parse(figure.SampleScope, path)
	if !ok {
		words := figure.RootNames(figure.SampleScope)
		last := len(words) - 1
		return nil, g, path + " is not a metric with one value a repeat: it starts with " +
			strings.Join(words[:last], "., ") + ". or " + words[last] + "."
	}
	name := at.Rest
	d, ok = Lookup(name)
	switch {
	case !ok:
		return nil, g, fmt.Sprintf("there is no metric %q", name)
	case d.Whole() || d.At(CellLevel):
		return nil, g, name + " is not a number that each repeat has"
	case at.Level == figure.RunLevel && !d.At(RunLevel), at.Level != figure.RunLevel && d.over == nil && !d.Aggregate(),
		d.over != nil && at.Level != figure.RunLevel && !d.At(ConversationLevel):
		return nil, g, name + " is not a metric of " + at.Prefix()
	}
	return d, groupOf(at), ""
}

// Outliers lists the repeats that lie far from the others. They are reported, never left out: a stall is part of the
// server's behaviour.
func (s Sample) Outliers() Repeats {
	var out Repeats
	for _, i := range stats.Outliers(s.Values) {
		out = append(out, s.Repeats[i])
	}
	return out
}

// Trend finds a steady rise or fall over the repeats.
func (s Sample) Trend() (stats.Trend, bool) { return stats.TrendOf(s.Values, s.Repeats) }

// Unsteady notes what makes the numbers of the cell less certain: a drift of at least 3 % over the run that chance
// does not explain, and repeats far from the others.
func (c *Cell) Unsteady() []string {
	var paths []string
	for _, phase := range figure.Phases() {
		for _, m := range []string{"ttft_ms", "tpot_ms"} {
			if len(c.Measured(Group{Phase: phase})) > 0 {
				paths = append(paths, "phases."+phase+"."+m)
			}
		}
	}
	var out, far []string
	for _, path := range paths {
		s := c.Sample(path)
		if d, ok := s.Trend(); ok && d.P < 0.01/float64(len(paths)) && math.Abs(d.Total()) >= 0.03 {
			out = append(out, fmt.Sprintf("%s drifted by %+.1f %% over the %d repeats (Mann-Kendall p = %.2g): the machine "+
				"was not steady", path, 100*d.Total(), len(s.Values), d.P))
		}
		if n := s.Outliers(); len(n) > 0 {
			far = append(far, path+" in "+n.String())
		}
	}
	if len(far) > 0 {
		out = append(out, "far from the other repeats, and kept: "+strings.Join(far, "; "))
	}
	return out
}

// Repeats are the numbers of repeats.
type Repeats []int

// String names them in a sentence.
func (n Repeats) String() string {
	if len(n) == 1 {
		return fmt.Sprintf("repeat %d", n[0])
	}
	return "repeats " + strings.Trim(strings.ReplaceAll(fmt.Sprint([]int(n)), " ", ", "), "[]")
}
