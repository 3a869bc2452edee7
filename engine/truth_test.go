package engine_test

import (
	"testing"
	"testing/synctest"
	"time"

	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/sim"
)

// Trouble on the way must not change what a figure says: it is the truth still, or unknown.
func TestTruth_OfOddReplies(t *testing.T) {
	each := func(name string, r *event.Request) metrics.Value {
		d, _ := metrics.Lookup(name)
		return d.Each(&metrics.Cell{}, r)
	}
	for name, c := range map[string]struct {
		fault sim.Fault
		tpot  func(sim.Entry) any // in ms; nil: unknown
	}{
		// Four tokens a write: the first four came before the window opened, not one of them.
		"coalesced": {sim.Fault{Kind: "coalesce", Count: 4}, func(e sim.Entry) any {
			return float64(e.E2E-e.TTFT) / float64(time.Millisecond) / float64(e.OutputTokens-4)
		}},
		"held back to the end": {sim.Fault{Kind: "coalesce", Count: 1000}, func(sim.Entry) any { return nil }},
		"no usage":             {sim.Fault{Kind: "no_usage"}, func(sim.Entry) any { return nil }},
		"a count of one":       {sim.Fault{Kind: "usage", Count: 1}, func(sim.Entry) any { return nil }},
	} {
		t.Run(name, func(t *testing.T) {
			plan := load(t, "small.yaml", scenarioWith("{warmup: 0, repeats: 1, isolation: {cache: none}}", "turn.ok"),
				library(t))
			synctest.Test(t, func(t *testing.T) {
				var g rig
				c.fault.Prompt = "What is" // not the preflight
				g.play(t, plan, sim.Config{Faults: []sim.Fault{c.fault}})
				ledger := g.ledger(t)
				for i, r := range g.requests() {
					if r.Err != nil {
						t.Fatalf("%s failed: %s", r.Step, r.Err.Message)
					}
					if got, want := each("tpot_ms", &r), c.tpot(ledger[i]); got.V != want {
						t.Errorf("%s: TPOT is %v (%s), the truth is %v", r.Step, got.V, got.Why, want)
					}
					got, want := each("ttft_ms", &r), float64(ledger[i].TTFT)/float64(time.Millisecond)
					if c.fault.Kind == "coalesce" { // the first token was there before the write that brought it
						if got.Known() || got.Range == nil || *got.Range != (event.Range{High: want}) {
							t.Errorf("%s: TTFT is %+v, the truth lies before %v", r.Step, got, want)
						}
					} else if got.V != want {
						t.Errorf("%s: TTFT is %v, the truth is %v", r.Step, got, want)
					}
				}
			})
		})
	}
}
