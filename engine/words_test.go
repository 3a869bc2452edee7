package engine_test

import (
	"testing"
	"testing/synctest"

	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/sim"
	"homellm/scenarios"
)

// TestSkipLooksAwayOnlyFromWhatNobodyCanTell plays quickstart, whose gates of the cache may be skipped: it passes on a server
// that has no word for what it found in its cache, and not on one that has it and leaves it out of one turn.
func TestSkipLooksAwayOnlyFromWhatNobodyCanTell(t *testing.T) {
	noMetrics := sim.Fault{Kind: "no_metrics"}
	for name, c := range map[string]struct {
		config  sim.Config
		verdict event.Outcome // of the gates of the cache
		code    int
	}{
		"cannot tell": {sim.Config{NoCachedUsage: true, Faults: []sim.Fault{noMetrics}}, event.Unsupported, metrics.ExitPass},
		"did not tell": {sim.Config{Faults: []sim.Fault{noMetrics, {Kind: "no_usage", Prompt: "Thank you"}}},
			event.Unknown, metrics.ExitInconclusive},
		"no cache": {sim.Config{NoPrefixCache: true}, event.Fail, metrics.ExitFail},
	} {
		t.Run(name, func(t *testing.T) {
			data, err := scenarios.FS.ReadFile("quickstart.yaml")
			if err != nil {
				t.Fatal(err)
			}
			plan := load(t, "quickstart.yaml", data, library(t))
			synctest.Test(t, func(t *testing.T) {
				var g rig
				g.play(t, plan, c.config)
				verdict, code, why := g.fold.Outcome()
				if code != c.code {
					t.Errorf("%s, exit %d (%s), want %d", verdict, code, why, c.code)
				}
				for _, v := range g.fold.Cells[0].Verdicts {
					if v.Name == "cache-recovers" && v.Verdict != c.verdict {
						t.Errorf("%s is %s (%s), want %s", v.Name, v.Verdict, v.Why, c.verdict)
					}
				}
			})
		})
	}
}
