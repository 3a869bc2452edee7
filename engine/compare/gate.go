// Package compare compares two sides: two runs, two servers of one run, or a run and its baseline.
//
// In come cells of folds, baselines and the rules of a gates file. Out come the verdict of each gate, and that of all.
// cells.go finds what belongs together, such as a cell and its baseline; Rules.Compare in comparison.go compares them.
// The package reads no file and shows nothing.
package compare

import (
	"fmt"
	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/stats"
	"math"
	"slices"
)

// Gate says which change of a metric is a regression.
type Gate struct {
	Name        string          `json:"name"`
	Metric      string          `json:"metric"` // path of a sample: steps.q1.ttft_ms
	Stat        string          `json:"stat"`   // p50 | mean | p90 | p95 | max
	Better      int             `json:"better"` // +1: higher is better, -1: lower; 0: as the metric says
	MaxWorse    *float64        `json:"max_worse"`
	MaxWorseAbs *float64        `json:"max_worse_abs"` // in the metric's unit
	MinDelta    float64         `json:"min_delta"`     // in the metric's unit: smaller changes are never a regression
	Test        string          `json:"test"`          // mann_whitney | paired; empty: see inPairs
	Alpha       float64         `json:"alpha"`
	MinSamples  int             `json:"min_samples"`
	Severity    event.Severity  `json:"severity"`
	OnUnknown   event.OnUnknown `json:"on_unknown"`
	File        string          `json:"file,omitempty"` // where the gate is written; empty: it is built in
	Line        int             `json:"line,omitempty"`
	Column      int             `json:"column,omitempty"`

	looks stats.Looks // of a run whose length depends on what was seen
	// what a change must exceed to be worse or better beside the margin, as shares of the old side: what may lie
	// between two runs, and what their noise makes of it
	between, noise float64

	step bool // it is a built-in one of a single step
}

// OfStep says whether the gate is a built-in one of a single step, of which there are many.
func (g Gate) OfStep() bool { return g.step }

// What a gate gets that does not say otherwise. With two-sided alpha 0.01 an unchanged server is
// called worse in at most one of 200 comparisons; docs/gate-quality.md shows what the sample size finds.
const (
	DefaultAlpha      = 0.01
	DefaultMinSamples = 10
	// DefaultRepeats are the default repeats of a comparison: how often each side is played where two
	// servers are compared, and what everything advises where a sample is too small. A scenario that is
	// only looked at plays fewer.
	DefaultRepeats = 20
)

// The verdicts of a gate that holds samples against each other, beside [event.Unknown].
const (
	Worse  event.Outcome = "worse"
	Better event.Outcome = "better"
	// Same is no change beyond the margin, by samples that are good enough to have shown one of twice the margin.
	Same event.Outcome = "same"
	// NotSeen is what a mean or a tail is that is not seen to be worse: they may hide what few repeats cannot show, and
	// so are never called the same.
	NotSeen event.Outcome = "not seen"
)

// Side is one side of a comparison: its sample, described.
type Side struct {
	N       int      `json:"n"`
	Unknown int      `json:"n_unknown"`
	Center  *float64 `json:"center"` // the gate's statistic
	Lo      *float64 `json:"lo"`     // 95 % confidence interval of the median; null where the sample is too small
	Hi      *float64 `json:"hi"`

	judged float64 // the gate's statistic of the values that are held against each other, one a repeat
}

// Delta is the outcome of one gate.
type Delta struct {
	Gate     Gate     `json:"gate"`
	Unit     string   `json:"unit"`
	Old      Side     `json:"old"`
	New      Side     `json:"new"`
	Change   *float64 `json:"change"`   // new - old, in the metric's unit
	Relative *float64 `json:"relative"` // Change / old
	Lo       *float64 `json:"lo"`       // 95 % confidence interval of Change; null where unbounded
	Hi       *float64 `json:"hi"`
	P        *float64 `json:"p"`
	Adjusted *float64 `json:"p_adjusted,omitempty"` // by Holm, over the gates of the comparison that gate; nil: it is none
	Margin   *float64 `json:"margin"`               // the change that must be exceeded, in the metric's unit
	// the one that must be exceeded to be worse or better, where what lies between runs makes it larger
	Widened  *float64      `json:"margin_widened,omitempty"`
	Test     string        `json:"test"`
	Verdict  event.Outcome `json:"verdict"`
	Why      string        `json:"why,omitempty"`
	Warnings []string      `json:"warnings,omitempty"`
	// about how many more repeats of each side would decide what is unknown; 0: none would, or it is not known
	More int `json:"more,omitempty"`

	evidence evidence // what the verdict follows from; see [Delta.decide]
}

// evidence is what a test found.
type evidence struct {
	stats.Shift
	base     float64      // the old side's statistic
	tail     *tail        // of a gate on the tail
	withdraw func(*Delta) // what else may speak against a verdict; nil: nothing
}

// tests are the ways to hold two samples against each other, by test and statistic.
var tests = map[string]map[string]func(a, b []float64, confidence float64) (stats.Shift, error){
	"mann_whitney": {"p50": stats.Unpaired, "mean": stats.Means},
	"paired":       {"p50": stats.Paired, "mean": stats.PairedMeans},
}

// Tests of other statistics than the median, as reports call them.
const (
	testMeans       = "permutation"
	testPairedMeans = "paired permutation"
	testTail        = "fisher"
)

// Compare judges the change from old to new. inTurn says that both were played in turn in one run,
// so that their repeats are pairs.
//
// A change is worse only if it is larger than every margin of the gate and the test says that
// chance does not explain it; better is the mirror image. Otherwise it is the same, if the
// confidence interval rules out a change for the worse of twice the margin: a sample that cannot
// is too noisy or too small to call anything the same, and the verdict is unknown. A mean or a tail that is not seen
// to be worse is never the same: see [NotSeen].
func (g Gate) Compare(old, new metrics.Sample, inTurn bool) Delta {
	if g.Better == 0 {
		g.Better = max(-1, min(1, new.Better+old.Better))
	}
	d := Delta{Gate: g, Unit: new.Unit, Old: side(old, g.Stat, g.Better), New: side(new, g.Stat, g.Better),
		Verdict: event.Unknown, Test: g.Test}
	if d.Unit == "" {
		d.Unit = old.Unit
	}
	tail := tailPercent(g.Stat) > 0
	if d.Test == "" {
		d.Test = "mann_whitney"
		if a, b := pairs(old, new); inTurn && !tail && inPairs(a, b) {
			d.Test = "paired"
		}
	}
	d.remark(old, new)
	if d.Why = g.unfit(old, new, d.Gate.Better, d.Test); d.Why != "" {
		if n := min(len(old.Values), len(new.Values)); n > 0 && n < g.MinSamples {
			d.More = g.MinSamples - n
		}
		return d
	}
	a, b := old.Values, new.Values
	if d.Test == "paired" {
		a, b = pairs(old, new)
		if len(a) < g.MinSamples {
			d.Why = fmt.Sprintf("only %d repeats are known on both sides, and the gate needs %d", len(a), g.MinSamples)
			d.More = g.MinSamples - len(a)
			return d
		}
	}
	if tail {
		d.Test = testTail
		d.judgeTail(a, b)
		return d
	}
	s, err := tests[d.Test][g.Stat](a, b, stats.Confidence(g.look()))
	if err != nil {
		d.Why = err.Error()
		return d
	}
	if g.Stat == "mean" {
		d.Test = map[string]string{"mann_whitney": testMeans, "paired": testPairedMeans}[d.Test]
	}
	d.Change, d.P = &s.By, &s.P
	d.Lo, d.Hi = finite(s.Lo), finite(s.Hi)
	base := d.Old.judged
	if base != 0 {
		r := s.By / math.Abs(base)
		d.Relative = &r
	}
	d.evidence.Shift, d.evidence.base = s, base
	d.decide(nil)
	return d
}

// remark tells what else to know of the samples.
func (d *Delta) remark(old, new metrics.Sample) {
	for _, s := range []struct {
		side string
		of   metrics.Sample
	}{{"old", old}, {"new", new}} {
		if s.of.Unknown > 0 {
			d.Warnings = append(d.Warnings, fmt.Sprintf("%s: unknown in %d repeats (%s)", s.side, s.of.Unknown, s.of.Why))
		}
		if far := s.of.Outliers(); len(far) > 0 {
			d.Warnings = append(d.Warnings, fmt.Sprintf("%s: %s far from the others, kept", s.side, far))
		}
		if t, ok := s.of.Trend(); ok && t.P < 0.005 && math.Abs(t.Total) >= 0.03 {
			d.Warnings = append(d.Warnings, fmt.Sprintf("%s: drifted by %+.1f %% over its repeats", s.side, 100*t.Total))
		}
	}
}

// At is the gate at looks that decide how much is measured; see [stats.Looks].
func (g Gate) At(looks stats.Looks) Gate {
	g.looks = looks
	return g
}

// look is the number of looks at which there were samples enough for a verdict.
func (g Gate) look() int {
	n, _ := g.looks.Counted(func(size, _ int) bool { return size >= g.MinSamples })
	return n
}

// margin is the change in the metric's unit that must be exceeded: the largest of all margins.
func (g Gate) margin(base float64) float64 {
	m := g.MinDelta
	if g.MaxWorse != nil {
		m = max(m, *g.MaxWorse*math.Abs(base))
	}
	if g.MaxWorseAbs != nil {
		m = max(m, *g.MaxWorseAbs)
	}
	return m
}

// unfit says why two samples cannot be held against each other.
func (g Gate) unfit(old, new metrics.Sample, better int, test string) string {
	for _, s := range []struct {
		side string
		of   metrics.Sample
	}{{"old", old}, {"new", new}} {
		switch {
		case len(s.of.Values) == 0 && s.of.Why != "":
			return fmt.Sprintf("the %s side has no value: %s", s.side, s.of.Why)
		case len(s.of.Values) == 0:
			return fmt.Sprintf("the %s side has no value", s.side)
		case len(s.of.Values) < g.MinSamples:
			return fmt.Sprintf("the %s side has %d values, and the gate needs %d: play more repeats (--repeats %d finds what "+
				"docs/gate-quality.md promises)",
				s.side, len(s.of.Values), g.MinSamples, max(DefaultRepeats, g.MinSamples))
		case slices.ContainsFunc(s.of.Values, func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) }):
			return fmt.Sprintf("the %s side holds a value that is not a number", s.side)
		}
	}
	switch {
	case old.Unit != new.Unit && old.Unit != "":
		return fmt.Sprintf("the old side is in %s, the new in %s", old.Unit, new.Unit)
	case better == 0:
		return "the metric does not say which direction is better: give the gate better: lower or higher"
	case tests[test][g.Stat] == nil && tailPercent(g.Stat) == 0:
		return fmt.Sprintf("there is no test %q for %s", test, g.Stat)
	}
	return ""
}

// pairs keeps the repeats that are known on both sides.
func pairs(old, new metrics.Sample) (a, b []float64) {
	for i, n := range old.Repeats {
		if j := slices.Index(new.Repeats, n); j >= 0 {
			a, b = append(a, old.Values[i]), append(b, new.Values[j])
		}
	}
	return a, b
}

// inPairs says whether samples that were taken in turn share so much that their pairs tell more
// than the samples apart: the variance of a difference is 2(1-r) that of a value, so from a rank
// correlation r of one half. Below that a pair doubles the damage of an outlier and gains nothing,
// and playing in turn has spread what drifts evenly over both sides all the same.
func inPairs(a, b []float64) bool {
	if len(a) < 4 {
		return false
	}
	return stats.RankCorrelation(a, b) >= 0.5
}

// side describes a sample: its statistic, and the confidence interval of its median.
func side(s metrics.Sample, stat string, better int) Side {
	out := Side{N: len(s.Values), Unknown: s.Unknown}
	if out.N == 0 {
		return out
	}
	_, lo, hi := stats.MedianInterval(s.Values, stats.Level)
	center, why := metrics.NewDist(s.Values).Stat(stat)
	if why != "" { // a test that asks for no statistic of this name
		center = metrics.NewDist(s.Values).P50
	}
	if p := tailPercent(stat); p > 0 {
		center = tailOf(s.Values, p, better)
	}
	out.judged = center
	if shown, ok := s.Shown[stat]; ok && (tailPercent(stat) == 0 || better <= 0) {
		center = shown // the path and the statistic have this value everywhere: of a step over its turns
	}
	out.Center, out.Lo, out.Hi = &center, finite(lo), finite(hi)
	return out
}

func finite(v float64) *float64 {
	if math.IsInf(v, 0) || math.IsNaN(v) {
		return nil
	}
	return &v
}

// amount writes a change as a share of the base, or in the metric's unit where that is 0.
func amount(v, base float64, unit string) string {
	switch {
	case math.IsInf(v, 0):
		return "any amount"
	case base == 0:
		return fmt.Sprintf("%.3g%s", v, metrics.UnitAfter(unit))
	}
	return fmt.Sprintf("%.1f %%", 100*v/math.Abs(base))
}
