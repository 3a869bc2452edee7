package compare

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"homellm/dsl/figure"
	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/stats"
)

// tests are the tests of two samples, by test and statistic.
var tests = map[string]map[string]func(a, b []float64, confidence float64) (stats.Shift, error){
	"mann_whitney": {"p50": stats.Unpaired, "mean": stats.Means},
	"paired":       {"p50": stats.Paired, "mean": stats.PairedMeans},
}

// The names of tests of statistics other than the median, in reports.
const (
	testMeans       = "permutation"
	testPairedMeans = "paired permutation"
	testTail        = "fisher"
)

// Compare judges the change from old to new. inTurn says that both were played in turn in one run, so that their
// repeats are pairs.
//
// A change is worse only if it is larger than every margin of the gate and the test excludes chance; better is the
// mirror image. Otherwise it is the same if the confidence interval excludes a change for the worse of twice the
// margin. A sample that cannot exclude that is too noisy or too small, and the verdict is unknown. A mean or a tail
// that is not seen to be worse is never the same: see [NotSeen].
//
// Values that are known only as intervals count with everything that they may be: see [Gate.judgeHidden].
func (g Gate) Compare(old, new metrics.Sample, inTurn bool) Delta {
	if g.Better == 0 {
		g.Better = max(-1, min(1, new.Better+old.Better))
	}
	var d Delta
	if len(old.Hidden)+len(new.Hidden) > 0 && old.Told() && new.Told() {
		d = g.judgeHidden(old, new, inTurn)
	} else {
		d = g.exactly(old, new, inTurn)
	}
	d.remark(old, new)
	return d
}

// exactly judges the change between samples of exact values.
func (g Gate) exactly(old, new metrics.Sample, inTurn bool) Delta {
	d := Delta{Gate: g, Unit: cmp.Or(new.Unit, old.Unit), Old: side(old, g.Stat, g.Better),
		New: side(new, g.Stat, g.Better), Verdict: event.Unknown, Test: g.testOf(old, new, inTurn)}
	tail := tailPercent(g.Stat) > 0
	if d.Why = g.unfit(old, new, d.Gate.Better, d.Test); d.Why != "" {
		if n := min(len(old.Values), len(new.Values)); n > 0 && n < g.MinSamples {
			d.More = g.MinSamples - n
		}
		return d
	}
	a, b := old.Values, new.Values
	if d.Test == "paired" {
		a, b = metrics.Pairs(old, new)
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
	d.evidence.Shift, d.evidence.base, d.evidence.values = s, base, [2][]float64{a, b}
	d.decide(nil)
	return d
}

// testOf is the test of a gate that names none: the paired test for repeats that were played in turn and are
// correlated.
func (g Gate) testOf(old, new metrics.Sample, inTurn bool) string {
	if g.Test != "" {
		return g.Test
	}
	if a, b := metrics.Pairs(old, new); inTurn && tailPercent(g.Stat) == 0 && inPairs(a, b) {
		return "paired"
	}
	return "mann_whitney"
}

// remark notes what else is worth knowing of the samples.
func (d *Delta) remark(old, new metrics.Sample) {
	for _, s := range []struct {
		side string
		of   metrics.Sample
	}{{"old", old}, {"new", new}} {
		if s.of.Unknown > 0 && !strings.Contains(d.Why, counted.ReplaceAllString(s.of.Why, "")) {
			d.Warnings = append(d.Warnings, fmt.Sprintf("%s: unknown in %d repeats (%s)", s.side, s.of.Unknown, s.of.Why))
		}
		if _, items := figure.CutScore(s.of.Path); items {
			continue // a wrong answer is no outlier, and the order of items no time
		}
		if far := s.of.Outliers(); len(far) > 0 {
			d.Warnings = append(d.Warnings, fmt.Sprintf("%s: %s far from the others, kept", s.side, far))
		}
		if t, ok := s.of.Trend(); ok && t.P < 0.005 && math.Abs(t.Total()) >= 0.03 {
			d.Warnings = append(d.Warnings, fmt.Sprintf("%s: drifted by %+.1f %% over its repeats", s.side, 100*t.Total()))
		}
	}
}

// unfit says why two samples cannot be compared.
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

// inPairs says whether the pairs of samples taken in turn tell more than the samples apart. The variance of a
// difference is 2(1-r) that of a value, so this holds from a rank correlation r of one half. Below that, a pair
// doubles the effect of an outlier and gains nothing; playing in turn still spreads drift evenly over both sides.
func inPairs(a, b []float64) bool {
	if len(a) < 4 {
		return false
	}
	return stats.RankCorrelation(a, b) >= 0.5
}

// side describes a sample: its statistic, and the confidence interval of its median.
func side(s metrics.Sample, stat string, better int) Side {
	out := Side{N: s.Count(), Unknown: s.Unknown}
	if len(s.Values) == 0 {
		return out
	}
	_, lo, hi := stats.MedianInterval(s.Values, stats.Level)
	center, why := metrics.NewDist(s.Values).Stat(stat)
	if why != "" { // a test without a statistic of this name
		center = metrics.NewDist(s.Values).P50
	}
	if p := tailPercent(stat); p > 0 {
		center = tailOf(s.Values, p, better)
	}
	out.judged = center
	if shown, ok := s.Stat(stat).Number(); ok && (tailPercent(stat) == 0 || better <= 0) {
		center = shown // every report shows this value for the path and the statistic: of a step over its turns
	}
	out.Center, out.Lo, out.Hi = &center, finite(lo), finite(hi)
	return out
}

// judgeTail counts the values of the new side that exceed the old side's percentile by more than the margin. On the
// old side the percentile itself says how many exceed it. If both sides have the same distribution, Fisher's test
// applies to these counts, whatever the distribution is.
func (d *Delta) judgeTail(a, b []float64) {
	base := d.Old.judged
	by := d.New.judged - base
	d.Change = &by
	if base != 0 {
		d.Relative = new(by / math.Abs(base))
	}
	p := tailPercent(d.Gate.Stat)
	margin := d.widenedMargin(base)
	worse := -float64(d.Gate.Better)
	t := tail{n: [2]int{len(a), len(b)}, limit: base + worse*margin}
	t.far[0] = len(a) - max((p*len(a)+99)/100, 1)
	for _, v := range b {
		if (v-t.limit)*worse > 0 {
			t.far[1]++
		}
	}
	f := stats.Fisher(t.far, t.n)
	d.evidence.Probabilities, d.evidence.base, d.evidence.tail = f, base, &t
	d.P = new(math.Min(1, 2*f.Up))
	d.decide(nil)
}
