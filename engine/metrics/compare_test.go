package metrics

import (
	"math"
	"slices"
	"strings"
	"testing"
)

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.IsInf(want, 0) && got == want {
		return
	}
	if math.Abs(got-want) > 1e-9*max(1, math.Abs(want)) {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

// TestCounts holds the null distributions against ones that are counted by hand.
func TestCounts(t *testing.T) {
	// U of 2 and 2 values: of the six orders one has U = 0, 1, 3 and 4 each and two have U = 2.
	for u, want := range []float64{1. / 6, 1. / 6, 2. / 6, 1. / 6, 1. / 6} {
		near(t, "P(U)", uCounts(2, 2)[u], want)
	}
	// Signed ranks 1, 2, 3: the sum 3 comes about in two ways, every other in one.
	for w, want := range []float64{1. / 8, 1. / 8, 1. / 8, 2. / 8, 1. / 8, 1. / 8, 1. / 8} {
		near(t, "P(W)", wCounts(3)[w], want)
	}
	near(t, "all of U", sum(uCounts(20, 13)), 1)
	near(t, "all of W", sum(wCounts(40)), 1)
}

func TestUnpaired(t *testing.T) {
	// Five against five without overlap: 2 of the 252 orders are as extreme, p = 2/252. The
	// differences run from 5-4=1 to 9-0=9 with 5 in their middle. P(U <= 2) = 4/252 < 0.025 and
	// P(U <= 3) = 7/252 > 0.025, so the interval leaves out the 2 smallest of the 25 differences.
	s, err := unpaired([]float64{0, 1, 2, 3, 4}, []float64{5, 6, 7, 8, 9}, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "shift", s.By, 5)
	near(t, "p", s.P, 2./252)
	// Sorted differences: 1, 2 2, 3 3 3, … : rank 3 is 2; from the end 8.
	near(t, "lower bound", s.Lo, 2)
	near(t, "upper bound", s.Hi, 8)

	s, _ = unpaired([]float64{1, 1, 1}, []float64{1, 1, 1}, 0.95)
	near(t, "p of equal values", s.P, 1)
	near(t, "bound of three values", s.Hi, math.Inf(1))
	if _, err := unpaired(nil, []float64{1}, 0.95); err == nil {
		t.Error("a comparison with nothing has a result")
	}
}

func TestPaired(t *testing.T) {
	// Six differences of one sign: 2 of 2^6 signs are as extreme.
	s, err := paired([]float64{1, 2, 3, 4, 5, 6}, []float64{2, 4, 6, 8, 10, 12}, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "p", s.P, 2./64)
	near(t, "shift", s.By, 3.5)
	// P(W = 0) = 1/64 < 0.025 < P(W <= 1) = 2/64: the smallest and the largest Walsh average bound it.
	near(t, "lower bound", s.Lo, 1)
	near(t, "upper bound", s.Hi, 6)
	// One of six against the others, and the smallest: 2*2/64.
	near(t, "p with one against", signedRank([]float64{-1, 2, 3, 4, 5, 6}), 4./64)
	// Ties: sizes 1 1 2 with ranks 1.5 1.5 3. W- = 1.5 or less in 3 of 8 ways: {}, {first}, {second}.
	near(t, "p with ties", signedRank([]float64{-1, 1, 2}), 6./8)
	near(t, "p of no difference", signedRank([]float64{0, 0}), 1)
	if _, err := paired([]float64{1}, []float64{1, 2}, 0.95); err == nil {
		t.Error("unequal pairs have a result")
	}
}

func TestStudentQuantile(t *testing.T) {
	for _, c := range []struct{ p, df, want float64 }{{0.975, 4, 2.7764451}, {0.975, 10, 2.2281389}, {0.95, 1, 6.3137515}, {0.975, 60, 2.0002978}} {
		if got := studentQuantile(c.p, c.df); math.Abs(got-c.want) > 1e-5 {
			t.Errorf("t(%v, %v) = %v, want %v", c.p, c.df, got, c.want)
		}
	}
}

func TestPercentileBounds(t *testing.T) {
	up := func(n int) (v []float64) {
		for i := range n {
			v = append(v, float64(i+1))
		}
		return v
	}
	for _, c := range []struct {
		n, p   int
		lo, hi float64
	}{
		// P(B < 5) = 31/32 for n = 5 and the median: the largest bounds it from above, the smallest from below.
		{5, 50, 1, 5},
		{4, 50, math.Inf(-1), math.Inf(1)}, // 15/16 < 0.95
		// n = 10: P(B <= 7) = 968/1024 = 0.945, P(B <= 8) = 0.989: rank 9; by symmetry rank 2.
		{10, 50, 2, 9},
		{28, 90, 23, math.Inf(1)}, // 1 - 0.9^28 = 0.948
		{29, 90, 23, 29},
		{58, 95, 52, math.Inf(1)},
		{59, 95, 53, 59},
	} {
		b := PercentileBounds(up(c.n), c.p, confidence)
		if b.Hi != c.hi || (c.p == 50 && b.Lo != c.lo) {
			t.Errorf("n=%d p%d: %v, want %v %v", c.n, c.p, b, c.lo, c.hi)
		}
	}
}

func TestSettles(t *testing.T) {
	v := []float64{10, 11, 12, 13, 14, 15, 16, 17, 18, 19} // p50 14, bounds 11 and 18
	d := NewDist(v)
	for _, c := range []struct {
		op    string
		limit float64
		ok    bool
	}{
		{"<", 20, true}, {"<", 18, false}, {"<=", 18, true}, {"<", 15, false}, // passes
		{"<", 14, false}, {"<", 11, true}, {"<", 10, true}, // failures
		{">", 10, true}, {">", 11, false}, {">=", 11, true}, {">", 18, true}, {">", 17, false},
		{"==", 14, true},
	} {
		if s := d.Settles(v, 50, c.op, c.limit, "ms", len(v), nil); s.OK != c.ok || s.OK != (s.Why == "") {
			t.Errorf("p50 %s %v: %+v", c.op, c.limit, s)
		}
	}
	why := d.Settles(v, 50, "<", 16, "ms", len(v), nil).Why
	// The bound 18 is 4 away, the limit 2: four times as many values, 30 more.
	if want := "p50 of 10 values is 14 ms, but with 95 % confidence it may be 18 ms, on the other side of 16: about 30 more repeats would settle it"; why != want {
		t.Errorf("got  %s\nwant %s", why, want)
	}
	// Of five repeats with two values each, the same 30 values are 15 repeats.
	if s := d.Settles(v, 50, "<", 16, "ms", 5, nil); s.More != 15 || !strings.Contains(s.Why, "about 15 more repeats") {
		t.Errorf("two values a repeat: %+v", s)
	}
	if s := NewDist(v[:3]).Settles(v[:3], 50, "<", 11.5, "ms", len(v[:3]), nil); !s.OK || s.More != 2 {
		t.Errorf("three values have no bound, and five have: %+v", s)
	}
}

// TestSettles_Looks holds that each look is surer than the one before, so that all together are as
// sure as one.
func TestSettles_Looks(t *testing.T) {
	var wrong float64
	for k := 1; k <= 1000; k++ {
		wrong += 1 - Confidence(k)
	}
	if Confidence(0) != 0.95 || math.Abs(wrong-0.05) > 1e-4 {
		t.Errorf("a thousand looks are wrong with probability %v, one with %v", wrong, 1-Confidence(0))
	}
	v := []float64{10, 11, 12, 13, 14, 15, 16, 17, 18, 19}
	d := NewDist(v)
	// P(B <= 7) = 0.945, P(B <= 8) = 0.989, P(B <= 9) = 0.999: rank 9 at one look and at the first of
	// several (97.5 %), rank 10 at the second (99.2 %), none at the eighth (99.93 %).
	for looks, want := range map[int]Settled{0: {OK: true}, 1: {OK: true}, 2: {}, 7: {}, 8: {More: 1}} {
		s := d.Settles(v, 50, "<", 18.5, "ms", len(v), Looks{10, 10, 10, 10, 10, 10, 10, 10}[:looks])
		if s.OK != want.OK || looks == 8 && s.More != want.More {
			t.Errorf("%d looks: %+v, want %+v", looks, s, want)
		}
	}
	// Five values bound a median at one look and not at the first of several: that is no pass.
	if one, first := NewDist(v[:5]).Settles(v[:5], 50, "<", 18, "ms", len(v[:5]), nil), NewDist(v[:5]).Settles(v[:5], 50, "<", 18, "ms", len(v[:5]), Looks{5}); !one.OK || first.OK || first.More != 1 {
		t.Errorf("five values: %+v and %+v", one, first)
	}
	// Looks at 2, 3 and 5 values could decide nothing about a median, so the one at ten is the first.
	if s := d.Settles(v, 50, "<", 18.5, "ms", len(v), Looks{2, 3, 5, 10}); !s.OK {
		t.Errorf("looks that could decide nothing are counted: %+v", s)
	}
	if s := d.Settles(v, 50, "<", 18.5, "ms", len(v), Looks{2, 3, 6, 10}); s.OK {
		t.Error("a look at six values could have decided, and is not counted")
	}
}

func sampleOf(values ...float64) Sample {
	s := Sample{Path: "steps.q.ttft_ms", Unit: "ms", Better: -1, Values: values}
	for i := range values {
		s.Repeats = append(s.Repeats, i+1)
	}
	return s
}

// around returns n values that spread evenly from 99.x to 100.y percent of mean.
func around(mean float64, n int) []float64 {
	var v []float64
	for i := range n {
		v = append(v, mean*(1+0.002*(float64(i*7%n)/float64(n)-0.5)))
	}
	return v
}

// in is a sample of another unit and direction.
func in(unit string, better int) Sample {
	s := sampleOf(around(1, 12)...)
	s.Unit, s.Better = unit, better
	return s
}

func TestCompare(t *testing.T) {
	base := Gate{Name: "ttft", Metric: "steps.q.ttft_ms", Stat: "p50", MaxWorse: new(0.05), Alpha: 0.01, MinSamples: 10, Severity: "fail"}
	noisy := []float64{100, 140, 80, 120, 95, 150, 70, 110, 130, 90}
	for _, c := range []struct {
		name     string
		gate     func(*Gate)
		old, new Sample
		want     string
		why      string
	}{
		{"equal", nil, sampleOf(around(100, 12)...), sampleOf(around(100, 12)...), Same, ""},
		{"slower", nil, sampleOf(around(100, 12)...), sampleOf(around(110, 12)...), Worse, ""},
		{"faster", nil, sampleOf(around(100, 12)...), sampleOf(around(90, 12)...), Better, ""},
		{"higher is better", func(g *Gate) { g.Better = 1 }, sampleOf(around(100, 12)...), sampleOf(around(110, 12)...), Better, ""},
		{"higher is better, lower", func(g *Gate) { g.Better = 1 }, sampleOf(around(100, 12)...), sampleOf(around(90, 12)...), Worse, ""},
		{"significant and within the margin", nil, sampleOf(around(100, 12)...), sampleOf(around(104, 12)...), Same, ""},
		{"below min_delta", func(g *Gate) { g.MinDelta = 15 }, sampleOf(around(100, 12)...), sampleOf(around(110, 12)...), Same, ""},
		{"beyond min_delta", func(g *Gate) { g.MinDelta = 9 }, sampleOf(around(100, 12)...), sampleOf(around(110, 12)...), Worse, ""},
		{"absolute margin", func(g *Gate) { g.MaxWorse, g.MaxWorseAbs = nil, new(9.0) }, sampleOf(around(100, 12)...), sampleOf(around(110, 12)...), Worse, ""},
		{"both margins", func(g *Gate) { g.MaxWorseAbs = new(11.0) }, sampleOf(around(100, 12)...), sampleOf(around(110, 12)...), Same, ""},
		{"both margins, the other way round", func(g *Gate) { g.MaxWorse, g.MaxWorseAbs = new(0.2), new(1.0) }, sampleOf(around(100, 12)...), sampleOf(around(110, 12)...), Same, ""},
		{"noise", nil, sampleOf(noisy...), sampleOf(noisy...), Unsure, "too noisy"},
		{"few", nil, sampleOf(around(100, 9)...), sampleOf(around(200, 12)...), Unsure, "the old side has 9 values, and the gate needs 10"},
		{"none", nil, sampleOf(around(100, 12)...), Sample{Why: "every request failed"}, Unsure, "the new side has no value: every request failed"},
		{"from nothing", nil, sampleOf(make([]float64, 12)...), sampleOf(around(100, 12)...), Unsure, "a change from 0"},
		{"nothing to nothing", func(g *Gate) { g.MaxWorse, g.MaxWorseAbs = nil, new(0.05) }, sampleOf(make([]float64, 12)...), sampleOf(make([]float64, 12)...), Same, ""},
		{"no direction", nil, in("ms", 0), in("ms", 0), Unsure, "better"},
		{"other unit", nil, sampleOf(around(100, 12)...), in("s", -1), Unsure, "in ms"},
		{"means", func(g *Gate) { g.Stat = "mean" }, sampleOf(around(100, 12)...), sampleOf(around(110, 12)...), Worse, ""},
		{"paired", func(g *Gate) { g.Test = "paired" }, sampleOf(around(100, 12)...), sampleOf(around(110, 12)...), Worse, ""},
		{"not a number", nil, sampleOf(around(100, 12)...), sampleOf(slices.Repeat([]float64{math.NaN()}, 12)...), Unsure, "not a number"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := base
			if c.gate != nil {
				c.gate(&g)
			}
			d := g.Compare(c.old, c.new, false)
			if d.Verdict != c.want || !strings.Contains(d.Why, c.why) || (d.Verdict == Unsure) != (d.Why != "") {
				t.Errorf("%s (%s), want %s (…%s…)", d.Verdict, d.Why, c.want, c.why)
			}
		})
	}
}

// TestCompareInTurn: a drift that both sides share hides a change from two samples and not from
// their pairs.
func TestCompareInTurn(t *testing.T) {
	var a, b []float64
	for i, v := range around(100, 20) {
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
	// Pairs are by the number of the repeat, not by the place in the list.
	x, y := pairs(Sample{Values: []float64{1, 2, 3}, Repeats: []int{1, 2, 3}}, Sample{Values: []float64{20, 30}, Repeats: []int{2, 3}})
	if !slices.Equal(x, []float64{2, 3}) || !slices.Equal(y, []float64{20, 30}) {
		t.Errorf("pairs: %v %v", x, y)
	}
}

func TestDrift(t *testing.T) {
	d, ok := sampleOf(100, 101, 102, 103, 104, 105, 106, 107, 108, 109).Drift()
	if !ok {
		t.Fatal("no trend is looked for in ten values")
	}
	near(t, "total", d.Total, 9/104.5) // one a repeat over nine steps
	// S = 45, var = 10*9*25/18 = 125, z = 44/sqrt(125)
	near(t, "p", d.P, math.Erfc(44/math.Sqrt(125)/math.Sqrt2))
	if _, ok := sampleOf(1, 2, 3, 4, 5, 6, 7).Drift(); ok {
		t.Error("seven values have a trend")
	}
	if d, ok := sampleOf(100, 109, 101, 108, 102, 107, 103, 106, 104, 105).Drift(); !ok || d.P < 0.5 {
		t.Errorf("no trend: %+v", d)
	}
	if _, ok := sampleOf(5, 5, 5, 5, 5, 5, 5, 5).Drift(); ok {
		t.Error("equal values have a trend")
	}
}

func TestOutliers(t *testing.T) {
	s := sampleOf(100, 101, 99, 100, 102, 98, 250, 100)
	if got := s.Outliers(); !slices.Equal(got, []int{7}) {
		t.Errorf("outliers: %v", got)
	}
	if got := sampleOf(around(100, 20)...).Outliers(); got != nil {
		t.Errorf("outliers among equals: %v", got)
	}
}

func TestSpread(t *testing.T) {
	if _, ok := sampleOf(1, 2, 3).Spread(100); ok {
		t.Error("three values have a noise floor")
	}
	// Of 2 low and 2 high values, a third of the halvings separates them (difference 10 of 105)
	// and the others find none: variance (10/105)^2/3, halved.
	sd, ok := sampleOf(100, 100, 110, 110).Spread(20000)
	if want := 10. / 105 / math.Sqrt(6); !ok || math.Abs(sd-want) > 0.02*want {
		t.Errorf("spread %v, want %v", sd, want)
	}
}

func TestSamplePaths(t *testing.T) {
	c := repeated("pass", 100, 3, 2).Cells[0]
	s := c.Sample("steps.q.ttft_ms")
	if !slices.Equal(s.Repeats, []int{1, 3}) || s.Unknown != 1 || s.Unit != "ms" || s.Better != -1 || s.Why == "" {
		t.Errorf("a sample with a failed repeat: %+v", s)
	}
	if s := c.Sample("run.requests_failed"); !slices.Equal(s.Values, []float64{0, 1, 0}) {
		t.Errorf("failures by repeat: %+v", s)
	}
	for path, want := range map[string]string{
		"steps.q.nothing": "there is no metric", "steps.q.text": "is not a number", "steps.q.status": "is not a metric of steps.q", "run.ttft_ms": "is not a metric of run",
		"run.duration_s": "is not a number that each repeat has", "run.repeats": "is not a number", "steps.q.gpu.power_w": "is not a number", "turn.ttft_ms": "it starts with steps.",
		"steps.zzz.ttft_ms": "the run holds nothing of steps.zzz", "phases.with_rag.ttft_ms": "the run holds nothing of phases.with_rag",
	} {
		if s := c.Sample(path); len(s.Values) > 0 || !strings.Contains(s.Why, want) {
			t.Errorf("%s: %v %q, want …%s…", path, s.Values, s.Why, want)
		}
	}
}
