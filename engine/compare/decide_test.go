package compare

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/stats"
)

// some returns n values of which k are another one, spread over them.
func some(n, k int, usual, other float64) []float64 {
	v := steady(usual, n)
	for i := range k {
		v[i*n/max(k, 1)] = other
	}
	return v
}

// TestCompare_WhatAMedianDoesNotSee: a few repeats that are much worse leave a median as it is. Mean and tail say
// worse where the sample lets a test reach it, and else what they could have seen, never the same.
func TestCompare_WhatAMedianDoesNotSee(t *testing.T) {
	gate := func(stat string, better int) Gate {
		return Gate{Name: stat, Metric: "steps.q.ttft_ms", Stat: stat, MaxWorse: new(0.05), Better: better, Alpha: 0.01,
			MinSamples: 10, Severity: "fail"}
	}
	for _, c := range []struct {
		name     string
		better   int
		old, new []float64
		worse    bool // found by the mean or the tail
	}{
		{"two fifths of 40 twice as slow", -1, steady(100, 40), some(40, 16, 100, 200), true},
		{"one fifth of 20 twice as slow", -1, steady(100, 20), some(20, 4, 100, 200), false},
		{"1 of 20 slow becomes 5", -1, some(20, 1, 100, 200), some(20, 5, 100, 200), false},
		{"a tenth of 60 ten times slower becomes 30 %", -1, some(60, 6, 100, 1000), some(60, 18, 100, 1000), true},
		{"6 of 20 lose the cache", 1, slices.Repeat([]float64{0.9}, 20), some(20, 6, 0.9, 0), false},
		{"8 of 20 lose the cache", 1, slices.Repeat([]float64{0.9}, 20), some(20, 8, 0.9, 0), true},
		{"nothing", -1, steady(100, 20), steady(100, 20), false},
	} {
		found := false
		for _, stat := range []string{"mean", "p90", "p95", "max"} {
			d := gate(stat, c.better).Compare(sampleOf(c.old...), sampleOf(c.new...), true)
			found = found || d.Verdict == Worse
			if d.Verdict != Worse && (d.Verdict != NotSeen || !strings.Contains(d.Why, "nothing worse is seen")) {
				t.Errorf("%s, %s: %s (%s)", c.name, stat, d.Verdict, d.Why)
			}
			if d.Judged() == metrics.Unknown {
				t.Errorf("%s, %s makes the comparison inconclusive", c.name, stat)
			}
		}
		if found != c.worse {
			t.Errorf("%s: found %v, want %v", c.name, found, c.worse)
		}
	}
	// What a tail could have seen is right: one repeat more is worse, one less is not.
	d := gate("max", -1).Compare(sampleOf(steady(100, 20)...), sampleOf(steady(100, 20)...), true)
	if !strings.Contains(d.Why, "from 7 on") {
		t.Errorf("what could have been seen: %s", d.Why)
	}
	for k, want := range map[int]event.Outcome{6: NotSeen, 7: Worse} {
		d := gate("max", -1).Compare(sampleOf(steady(100, 20)...), sampleOf(some(20, k, 100, 200)...), true)
		if d.Verdict != want {
			t.Errorf("%d of 20: %s, want %s", k, d.Verdict, want)
		}
	}
}

// TestCompare_FewFar: a few repeats ten times as slow, which an unchanged server has as well, make no gate on the
// median unknown, unless there are more of them than chance gives, or the others do not tell either.
func TestCompare_FewFar(t *testing.T) {
	g := Gate{Name: "token", Metric: "steps.q.tpot_ms", Stat: "p50", MaxWorse: new(0.025), Better: -1, Alpha: 0.01,
		MinSamples: 10, Severity: "fail"}
	// values of this mean spread as noise does, and the first few are ten times as slow.
	values := func(far int, mean, noise float64) []float64 {
		var v []float64
		for i := range 20 {
			x := mean * (1 + noise*math.Sqrt2*math.Erfinv((2*float64(i*7%20)+1)/20-1))
			if i < far {
				x *= 10
			}
			v = append(v, x)
		}
		return v
	}
	turned := func(v []float64) []float64 { slices.Reverse(v); return v }
	for _, c := range []struct {
		name     string
		old, new []float64
		want     event.Outcome
		why      string
	}{
		{"2 of 20, and 6", values(2, 100, 0.03), values(6, 100, 0.03), NotSeen,
			"6 of 20 repeats lie far from the others, of the old side 2 of 20"},
		{"none, and 6", values(0, 100, 0.03), values(6, 100, 0.03), event.Unknown, "too noisy"},
		{"the others do not tell", values(2, 100, 0.1), turned(values(6, 100, 0.1)), event.Unknown, "too noisy"},
		{"all are slower", values(2, 100, 0.03), values(6, 130, 0.03), Worse, ""},
		{"as many", values(2, 100, 0.03), values(2, 100, 0.03), Same, ""},
	} {
		for _, inTurn := range []bool{false, true} {
			d := g.Compare(sampleOf(c.old...), sampleOf(c.new...), inTurn)
			if d.Verdict != c.want || !strings.Contains(d.Why, c.why) {
				t.Errorf("%s, by %s: %s (%s), want %s", c.name, d.Test, d.Verdict, d.Why, c.want)
			}
		}
	}
}

// TestAdjust compares Holm's adjustment with values computed by hand, and checks that a gate that does not gate is not
// in the family.
func TestAdjust(t *testing.T) {
	var deltas []Delta
	for i, p := range []float64{0.009, 0.0001, 0.004} {
		g := Gate{Name: fmt.Sprint(i), Stat: "p50", Better: -1, MaxWorse: new(0.05), Alpha: 0.01, Severity: "fail"}
		if i == 2 {
			g.Severity = "warn"
		}
		d := Delta{Gate: g, Old: Side{N: 20, Center: new(100.0)}, New: Side{N: 20}, P: new(p)}
		d.evidence = evidence{Shift: stats.Shift{By: 10, Lo: 8, Hi: 12,
			Probabilities: stats.Probabilities{P: p, Up: p / 2, Down: 1}}, base: 100, withdraw: func(*Delta) {}}
		d.decide(nil)
		deltas = append(deltas, d)
	}
	adjust([]Pair{{Deltas: deltas}})
	if a, b := *deltas[0].Adjusted, *deltas[1].Adjusted; a != 0.009 || b != 0.0002 || deltas[2].Adjusted != nil {
		t.Errorf("adjusted to %v and %v, want 0.009 and 0.0002", a, b)
	}
	for i, d := range deltas {
		if d.Verdict != Worse {
			t.Errorf("gate %d is %s", i, d.Verdict)
		}
	}
	// Twenty times the same p of 0.004 is 0.08 for the smallest: chance does so in one of twelve comparisons.
	many := make([]Delta, 20)
	for i := range many {
		many[i] = deltas[0]
		many[i].P = new(0.004)
		many[i].evidence.Probabilities = stats.Probabilities{P: 0.004, Up: 0.002, Down: 1}
	}
	adjust([]Pair{{Deltas: many[:10]}, {Deltas: many[10:]}})
	for _, d := range many {
		if d.Verdict != event.Unknown || d.More < 1 || *d.Adjusted < 0.079 || !strings.Contains(d.Why, "number of gates") {
			t.Errorf("one of twenty: %s, %d more (%s)", d.Verdict, d.More, d.Why)
		}
	}
}

// sideOf is a side whose only metric has these values.
func sideOf(values []float64) Source {
	return Source{Fingerprint: Fingerprint{}, Sample: func(path string) metrics.Sample {
		s := sampleOf(values...)
		s.Path = path
		return s
	}}
}

// TestCompare_Apart: what was played in two runs may differ by what lies between runs, and a side that was not
// steady has no times.
func TestCompare_Apart(t *testing.T) {
	random := rand.New(rand.NewPCG(9, 9))
	noisy := func(mean float64, drift func(i int) float64) []float64 {
		var v []float64
		for i := range 20 {
			v = append(v, mean*(1+0.01*random.NormFloat64())*drift(i))
		}
		return v
	}
	still := func(int) float64 { return 1 }
	rules := Rules{OnMismatch: "inconclusive", Between: DefaultBetween, Gates: []Gate{{Name: "g",
		Metric: "steps.q.ttft_ms", Stat: "p50", MaxWorse: new(0.05), Alpha: 0.01, MinSamples: 10, Severity: "fail"}}}
	for _, c := range []struct {
		name   string
		new    []float64
		inTurn bool
		want   event.Outcome
		why    string
	}{
		{"8 % in two runs", noisy(108, still), false, event.Unknown, "two runs of the same server may differ by"},
		{"8 % better in two runs", noisy(92, still), false, event.Unknown, "two runs of the same server may differ by"},
		{"8 % in one run", noisy(108, still), true, Worse, ""},
		{"20 % in two runs", noisy(120, still), false, Worse, ""},
		{"nothing in two runs", noisy(100, still), false, Same, ""},
		{"a drift", noisy(120, func(i int) float64 { return 1 + 0.01*float64(i) }), false, event.Unknown, "not steady"},
		{"half of it slower", noisy(120, func(i int) float64 { return 1 + 0.1*float64(i/10) }), false, event.Unknown,
			"not steady"},
		{"half of it slower, in one run", noisy(120, func(i int) float64 { return 1 + 0.1*float64(i/10) }), true, Worse, ""},
		{"a slow wave", noisy(120, func(i int) float64 { return 1 + 0.1*math.Cos(math.Pi*float64(i)/10) }), false,
			event.Unknown, "not steady"},
	} {
		r := rules
		r.InTurn = c.inTurn
		p := r.Compare("x", sideOf(noisy(100, still)), sideOf(c.new), time.Time{})
		if d := p.Deltas[0]; d.Verdict != c.want || !strings.Contains(d.Why, c.why) {
			t.Errorf("%s: %s (%s), want %s", c.name, d.Verdict, d.Why, c.want)
		}
		if said := strings.Contains(strings.Join(p.Warnings, " "), "each side is one run"); said == c.inTurn {
			t.Errorf("%s: said of two runs: %v", c.name, said)
		}
	}
	// Three runs measure what lies between them: t(0.995, 2) is 9.9248, sqrt((1 + 1/3)/2) is 0.8165.
	old := sideOf(noisy(100, still))
	old.Runs = 3
	old.Noise = func(string) *float64 { return new(0.5) } // is asked for by noise: alone
	old.BetweenRuns = func(_, stat string) (float64, bool) { return 0.01, stat == "p50" }
	d := rules.Compare("x", old, sideOf(noisy(110, still)), time.Time{}).Deltas[0]
	if center := *d.Old.Center; d.Verdict != Worse || d.Widened == nil ||
		*d.Widened < 0.08103*center || *d.Widened > 0.08105*center {
		t.Errorf("three runs: %s (%s), beyond %v", d.Verdict, d.Why, d.Widened)
	}
	// Five times slower is worse whatever the noise of the machine is, within reason.
	rules.Tighter = 2
	old.Runs, old.Noise = 1, func(string) *float64 { return new(0.026) }
	if d := rules.Compare("x", old, sideOf(noisy(500, still)), time.Time{}).Deltas[0]; d.Verdict != Worse {
		t.Errorf("five times slower: %s (%s)", d.Verdict, d.Why)
	}
}

// TestDefaultRules_Steps: one step of ten at +40 % leaves its phase the same, and is worse.
func TestDefaultRules_Steps(t *testing.T) {
	r := DefaultRules()
	side := func(slow string) Source {
		return Source{Fingerprint: Fingerprint{}, kept: []string{"a", "b"}, Sample: func(path string) metrics.Sample {
			s := metrics.Sample{Path: path, Unit: "ms", Better: -1}
			switch {
			case path == "steps."+slow+".ttft_ms":
				s = sampleOf(steady(140, 20)...)
			case strings.HasSuffix(path, "_ms"), path == "run.output_tps":
				s = sampleOf(steady(100, 20)...)
			}
			s.Path = path
			return s
		}, Figure: func(string) metrics.Value { return metrics.Value{} }}
	}
	r.InTurn = true
	c := Comparison{Pairs: []Pair{r.Compare("x", side(""), side("b"), time.Time{})}}
	var worse []string
	for _, d := range c.Pairs[0].Deltas {
		if d.Verdict == Worse {
			worse = append(worse, d.Gate.Name)
		}
	}
	if want := []string{"step-b-ttft", "step-b-ttft-mean", "step-b-ttft-tail"}; !slices.Equal(worse, want) {
		t.Errorf("worse: %v, want %v", worse, want)
	}
	if verdict, _, reason := c.Outcome(); verdict != event.Fail || !strings.Contains(reason, "3 gates of single steps") {
		t.Errorf("%s: %s", verdict, reason)
	}
}

// TestUncertain_Hopeless: a gate that would take more repeats than anybody plays is not certain, and a budget goes on
// while there is time.
func TestUncertain_Hopeless(t *testing.T) {
	var old, now []float64
	for i := range 12 {
		old, now = append(old, 100+float64(i*37%12)*20), append(now, 109.9+float64(i*31%12)*20)
	}
	g := Gate{Name: "g", Stat: "p50", Metric: "steps.q.ttft_ms", Better: -1, MaxWorseAbs: new(5.0), Alpha: 0.01,
		MinSamples: 10, Severity: "fail"}
	d := g.Compare(sampleOf(old...), sampleOf(now...), false)
	if d.Verdict != event.Unknown || d.More != mostRepeats || !strings.Contains(d.Why, "more than 1000 more repeats") {
		t.Errorf("%s, %d more (%s)", d.Verdict, d.More, d.Why)
	}
	c := Comparison{Pairs: []Pair{{Deltas: []Delta{d}}}}
	if open := c.Uncertain(); len(open) != 1 {
		t.Errorf("%d gates are open, want 1", len(open))
	}
}

// TestRecord_ThreeRuns: a baseline of several runs holds the values of all, and the noise between them of each
// statistic. Medians of 100, 102 and 104 have a standard deviation of 2.
func TestRecord_ThreeRuns(t *testing.T) {
	b, err := record(repeated("pass", 100, 12).Cells[0], wants("steps.q.ttft_ms"), nil, 0,
		repeated("pass", 102, 12).Cells[0], repeated("pass", 104, 12).Cells[0])
	if err != nil {
		t.Fatal(err)
	}
	m := b.Metrics["steps.q.ttft_ms"]
	if len(m.Values) != 36 || b.AARuns != 3 {
		t.Errorf("%d values of %d runs", len(m.Values), b.AARuns)
	}
	s := b.Source("b")
	for _, stat := range []string{"p50", "mean", "p90", "p95", "max"} {
		sd, ok := s.BetweenRuns("steps.q.ttft_ms", stat)
		if want := 2 * math.Sqrt2 / 102; !ok || math.Abs(sd-want) > 1e-3*want {
			t.Errorf("%s: %v, want %v", stat, sd, want)
		}
	}
	if !slices.Equal(s.steps(), []string{"q"}) || s.Runs != 3 {
		t.Errorf("steps %v of %d runs", s.steps(), s.Runs)
	}
}
