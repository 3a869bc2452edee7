package main

import (
	"math"
	"math/rand/v2"
	"slices"

	"homellm/engine/compare"
	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/stats"
)

// The true values of the simulated servers.
const (
	ttft = 400.0 // ms
	tpot = 12.0  // ms
)

// gates are those of a comparison without a gates file, for the two figures that are simulated.
func gates() (first, token compare.Gate) {
	for _, g := range compare.DefaultRules().Gates {
		switch g.Name {
		case "ttft-with-rag":
			first = g
		case "decode-speed":
			token = g
		}
	}
	token.Better = -1 // its reciprocal, the time per token, is what is simulated
	return first, token
}

// data is one comparison: samples of both metrics of both servers.
type data struct {
	first, token [2][]float64
	inTurn       bool
}

// layout plays two servers.
type layout struct {
	inTurn bool
	play   func(n noise, random *rand.Rand, a, b float64, repeats int) (x, y []float64)
}

var ab = layout{true, noise.inTurn}

func (l layout) data(n noise, random *rand.Rand, slowFirst, slowToken float64, repeats int) data {
	d := data{inTurn: l.inTurn}
	d.first[0], d.first[1] = l.play(n, random, ttft, ttft*slowFirst, repeats)
	d.token[0], d.token[1] = l.play(n, random, tpot, tpot*slowToken, repeats)
	return d
}

// judge says what one way of judging makes of a comparison: one verdict for each metric.
type judge struct {
	name string
	of   func(d data) (first, token event.Outcome)
}

func sample(v []float64) metrics.Sample {
	s := metrics.Sample{Unit: "ms", Better: -1, Values: v}
	for i := range v {
		s.Repeats = append(s.Repeats, i+1)
	}
	return s
}

func byGates(d data) (first, token event.Outcome) {
	f, t := gates()
	return f.Compare(sample(d.first[0]), sample(d.first[1]), d.inTurn).Verdict,
		t.Compare(sample(d.token[0]), sample(d.token[1]), d.inTurn).Verdict
}

// fixed judges as a load tester with fixed thresholds does: the limit was once set to the true
// value and a share above it, and the p95 of the new run must stay below.
func fixed(above float64) func(d data) (first, token event.Outcome) {
	verdict := func(v []float64, limit float64) event.Outcome {
		if stats.Percentile(slices.Sorted(slices.Values(v)), 95) > limit {
			return compare.Worse
		}
		return compare.Same
	}
	return func(d data) (first, token event.Outcome) {
		return verdict(d.first[1], ttft*(1+above)), verdict(d.token[1], tpot*(1+above))
	}
}

// delta judges by the change of the mean in percent, without regard to noise.
func delta(first, token float64) func(d data) (event.Outcome, event.Outcome) {
	verdict := func(v [2][]float64, limit float64) event.Outcome {
		if metrics.NewDist(v[1]).Mean > metrics.NewDist(v[0]).Mean*(1+limit) {
			return compare.Worse
		}
		return compare.Same
	}
	return func(d data) (event.Outcome, event.Outcome) { return verdict(d.first, first), verdict(d.token, token) }
}

// tally counts the verdicts of many comparisons.
type tally struct {
	alarm   int // either metric is called worse
	found   [2]int
	unsure  [2]int
	missed  [2]int // called the same or better
	spreads []float64
}

// count adds the verdicts of one comparison.
func (t *tally) count(first, token event.Outcome) {
	if first == compare.Worse || token == compare.Worse {
		t.alarm++
	}
	for k, v := range []event.Outcome{first, token} {
		switch v {
		case compare.Worse:
			t.found[k]++
		case event.Unknown:
			t.unsure[k]++
		default:
			t.missed[k]++
		}
	}
}

// trial plays comparisons and lets each judge judge the same data.
func trial(l layout, n noise, slowFirst, slowToken float64, repeats, trials int, judges []judge) []tally {
	out := make([]tally, len(judges))
	random := rand.New(rand.NewPCG(uint64(repeats), math.Float64bits(slowFirst*slowToken))) // the page is reproducible
	for range trials {
		d := l.data(n, random, slowFirst, slowToken, repeats)
		for i, j := range judges {
			out[i].count(j.of(d))
		}
		out[0].spreads = append(out[0].spreads, spread(d.token[0]))
	}
	return out
}

// spread is the coefficient of variation without what the model calls disturbances: the
// half-width of the middle 68 % over the median.
func spread(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	n := len(s)
	return (s[int(0.84*float64(n-1)+0.5)] - s[int(0.16*float64(n-1)+0.5)]) / 2 / s[n/2]
}
