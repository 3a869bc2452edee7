package engine_test

import (
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"homellm/engine/metrics"
	"homellm/engine/sim"
	"homellm/engine/target"
	"homellm/engine/wire"
)

// TestCountedEvents asks an engine that can for the tokens of every event, in the preflight as well. Each of four
// tokens that came with one write is then known.
func TestCountedEvents(t *testing.T) {
	for engineName, asks := range map[string]bool{"vllm": true, "sim": false} {
		for _, api := range []wire.API{wire.Chat, wire.Completions} {
			t.Run(engineName+" "+string(api), func(t *testing.T) {
				plan := load(t, "small.yaml", scenarioWith("{warmup: 0, repeats: 1, isolation: {cache: none}}", "turn.ok"),
					library(t))
				synctest.Test(t, func(t *testing.T) {
					g := rig{target: func(x *target.Target) { x.Facts.Engine, x.Client.API = engineName, api }}
					g.play(t, plan, sim.Config{Faults: []sim.Fault{{Kind: "coalesce", Count: 4}}})
					for i, data := range g.bodies {
						var body struct {
							Options struct {
								Continuous bool `json:"continuous_usage_stats"`
								Usage      bool `json:"include_usage"`
							} `json:"stream_options"`
						}
						if err := json.Unmarshal(data, &body); err != nil {
							t.Fatal(err)
						}
						if body.Options.Continuous != asks || !body.Options.Usage {
							t.Errorf("request %d: %s", i, data)
						}
					}
					ledger := g.sim.Ledger()
					ledger = ledger[len(ledger)-len(g.requests()):]
					d, _ := metrics.Lookup("tpot_ms")
					for i, r := range g.requests() {
						told := 0
						for _, c := range r.Chunks {
							if c.Tokens != nil {
								told += *c.Tokens
							}
						}
						if asks != (told > 0) {
							t.Errorf("%s: the events tell %d of %d tokens", r.Step, told, *r.Usage.Completion)
						}
						e := ledger[i]
						want := float64(e.E2E-e.TTFT) / float64(time.Millisecond) / float64(e.OutputTokens-4)
						if got := d.Each(&metrics.Cell{}, &r); got.V != want {
							t.Errorf("%s: TPOT is %+v, the truth is %v", r.Step, got, want)
						}
					}
				})
			})
		}
	}
}
