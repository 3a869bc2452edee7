package main

import (
	"math/rand/v2"
	"slices"

	"homellm/engine/compare"
	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/stats"
)

// What a budget may add: repeats of each side, or of a run.
const (
	firstRepeats = 5
	mostRepeats  = 100
)

// stopping is a way to decide when an assertion on a median has been played often enough.
type stopping struct {
	name string
	of   func(values []float64, limit float64) (repeats int, s metrics.Certainty)
}

// stoppings judge `p50 < limit`.
func stoppings() []stopping {
	decide := func(v []float64, limit float64, looks stats.Looks) metrics.Certainty {
		s := metrics.NewDist(v).Certain(v, 50, "<", limit, "ms", len(v), looks)
		s.OK = s.OK && s.More == 0
		return s
	}
	return []stopping{
		{"one look at 20 repeats", func(v []float64, limit float64) (int, metrics.Certainty) {
			return compare.DefaultRepeats, decide(v[:compare.DefaultRepeats], limit, nil)
		}},
		{"a look after every repeat, at the full 95 %", func(v []float64, limit float64) (n int, s metrics.Certainty) {
			for n = firstRepeats; n <= mostRepeats; n++ {
				if s = decide(v[:n], limit, nil); s.OK {
					return n, s
				}
			}
			return mostRepeats, s
		}},
		{"homellm with a budget", func(v []float64, limit float64) (n int, s metrics.Certainty) {
			var looks stats.Looks
			for n = firstRepeats; n <= mostRepeats; n = stats.NextLook(n) {
				looks = append(looks, n)
				if s = decide(v[:n], limit, looks); s.OK {
					break
				}
			}
			return min(n, mostRepeats), s
		}},
	}
}

// sequential counts how often an assertion that is false in truth is passed, and how often it is failed.
// The true median lies above the limit by a share of it.
func sequential(s stopping, above float64, trials int) (wrong, right int, repeats float64) {
	random := rand.New(rand.NewPCG(7, 7))
	n := noise{Jitter: typical.Jitter}
	for range trials {
		m := n.run(random)
		v := make([]float64, mostRepeats)
		for i := range v {
			v[i] = m.at(0, i, ttft*(1+above))
		}
		played, decision := s.of(v, ttft)
		repeats += float64(played) / float64(trials)
		if !decision.OK {
			continue
		}
		if metrics.NewDist(v[:played]).P50 < ttft {
			wrong++
		} else {
			right++
		}
	}
	return wrong, right, repeats
}

// budgeted plays two servers in turn for as long as a gate is not certain.
func budgeted(n noise, slowFirst, slowToken float64, trials int) (t tally, repeats float64) {
	random := rand.New(rand.NewPCG(8, 8))
	first, token := gates()
	for range trials {
		d := ab.data(n, random, slowFirst, slowToken, mostRepeats)
		var looks stats.Looks
		var verdicts [2]event.Outcome
		played := 0
		for r := firstRepeats; r <= mostRepeats; r = stats.NextLook(r) {
			looks, played = append(looks, r), r
			for k, g := range []compare.Gate{first, token} {
				of := [][2][]float64{d.first, d.token}[k]
				verdicts[k] = g.At(looks).Compare(sample(of[0][:r]), sample(of[1][:r]), true).Verdict
			}
			if !slices.Contains(verdicts[:], event.Unknown) {
				break
			}
		}
		repeats += float64(played) / float64(trials)
		t.count(verdicts[0], verdicts[1])
	}
	return t, repeats
}
