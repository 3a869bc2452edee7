package compare

import (
	"homellm/engine/event"
	"homellm/engine/metrics"
	"math"
	"slices"
	"strings"
	"testing"
)

func sampleOf(values ...float64) metrics.Sample {
	s := metrics.Sample{Path: "steps.q.ttft_ms", Unit: "ms", Better: -1, Values: values}
	for i := range values {
		s.Repeats = append(s.Repeats, i+1)
	}
	return s
}

// steady returns n values that spread evenly from 99.x to 100.y percent of mean.
func steady(mean float64, n int) []float64 {
	var v []float64
	for i := range n {
		v = append(v, mean*(1+0.002*(float64(i*7%n)/float64(n)-0.5)))
	}
	return v
}

// in is a sample of another unit and direction.
func in(unit string, better int) metrics.Sample {
	s := sampleOf(steady(1, 12)...)
	s.Unit, s.Better = unit, better
	return s
}

func TestCompare(t *testing.T) {
	base := Gate{Name: "ttft", Metric: "steps.q.ttft_ms", Stat: "p50", MaxWorse: new(0.05), Alpha: 0.01, MinSamples: 10,
		Severity: "fail"}
	noisy := []float64{100, 140, 80, 120, 95, 150, 70, 110, 130, 90}
	for _, c := range []struct {
		name     string
		gate     func(*Gate)
		old, new metrics.Sample
		want     event.Outcome
		why      string
	}{
		{"equal", nil, sampleOf(steady(100, 12)...), sampleOf(steady(100, 12)...), Same, ""},
		{"slower", nil, sampleOf(steady(100, 12)...), sampleOf(steady(110, 12)...), Worse, ""},
		{"faster", nil, sampleOf(steady(100, 12)...), sampleOf(steady(90, 12)...), Better, ""},
		{"higher is better", func(g *Gate) { g.Better = 1 }, sampleOf(steady(100, 12)...), sampleOf(steady(110, 12)...),
			Better, ""},
		{"higher is better, lower", func(g *Gate) { g.Better = 1 }, sampleOf(steady(100, 12)...), sampleOf(steady(90, 12)...),
			Worse, ""},
		{"significant and within the margin", nil, sampleOf(steady(100, 12)...), sampleOf(steady(104, 12)...), Same, ""},
		{"below min_delta", func(g *Gate) { g.MinDelta = 15 }, sampleOf(steady(100, 12)...), sampleOf(steady(110, 12)...),
			Same, ""},
		{"beyond min_delta", func(g *Gate) { g.MinDelta = 9 }, sampleOf(steady(100, 12)...), sampleOf(steady(110, 12)...),
			Worse, ""},
		{"absolute margin", func(g *Gate) { g.MaxWorse, g.MaxWorseAbs = nil, new(9.0) }, sampleOf(steady(100, 12)...),
			sampleOf(steady(110, 12)...), Worse, ""},
		{"both margins", func(g *Gate) { g.MaxWorseAbs = new(11.0) }, sampleOf(steady(100, 12)...),
			sampleOf(steady(110, 12)...), Same, ""},
		{"both margins, the other way round", func(g *Gate) { g.MaxWorse, g.MaxWorseAbs = new(0.2), new(1.0) },
			sampleOf(steady(100, 12)...), sampleOf(steady(110, 12)...), Same, ""},
		{"noise", nil, sampleOf(noisy...), sampleOf(noisy...), event.Unknown, "too noisy"},
		{"few", nil, sampleOf(steady(100, 9)...), sampleOf(steady(200, 12)...), event.Unknown,
			"the old side has 9 values, and the gate needs 10"},
		{"none", nil, sampleOf(steady(100, 12)...), metrics.Sample{Why: "every request failed"}, event.Unknown,
			"the new side has no value: every request failed"},
		{"from nothing", nil, sampleOf(make([]float64, 12)...), sampleOf(steady(100, 12)...), event.Unknown,
			"a change from 0"},
		{"nothing to nothing", func(g *Gate) { g.MaxWorse, g.MaxWorseAbs = nil, new(0.05) }, sampleOf(make([]float64, 12)...),
			sampleOf(make([]float64, 12)...), Same, ""},
		{"no direction", nil, in("ms", 0), in("ms", 0), event.Unknown, "better"},
		{"other unit", nil, sampleOf(steady(100, 12)...), in("s", -1), event.Unknown, "in ms"},
		{"means", func(g *Gate) { g.Stat = "mean" }, sampleOf(steady(100, 12)...), sampleOf(steady(110, 12)...), Worse, ""},
		{"paired", func(g *Gate) { g.Test = "paired" }, sampleOf(steady(100, 12)...), sampleOf(steady(110, 12)...), Worse,
			""},
		{"not a number", nil, sampleOf(steady(100, 12)...), sampleOf(slices.Repeat([]float64{math.NaN()}, 12)...),
			event.Unknown, "not a number"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := base
			if c.gate != nil {
				c.gate(&g)
			}
			d := g.Compare(c.old, c.new, false)
			if d.Verdict != c.want || !strings.Contains(d.Why, c.why) || (d.Verdict == event.Unknown) != (d.Why != "") {
				t.Errorf("%s (%s), want %s (…%s…)", d.Verdict, d.Why, c.want, c.why)
			}
		})
	}
}

// TestCompareInTurn: a drift that both sides share hides a change from two samples and not from
// their pairs.
func TestCompareInTurn(t *testing.T) {
	var a, b []float64
	for i, v := range steady(100, 20) {
		a = append(a, v*(1+0.05*float64(i)))
		b = append(b, v*(1+0.05*float64(i))*1.06)
	}
	g := Gate{Stat: "p50", MaxWorse: new(0.04), Alpha: 0.01, MinSamples: 10}
	if d := g.Compare(sampleOf(a...), sampleOf(b...), true); d.Verdict != Worse || d.Test != "paired" {
		t.Errorf("in turn: %s by %s (%s)", d.Verdict, d.Test, d.Why)
	}
	if d := g.Compare(sampleOf(a...), sampleOf(b...), false); d.Verdict == Worse || d.Test != "mann_whitney" {
		t.Errorf("apart: %s by %s", d.Verdict, d.Test)
	}
}
