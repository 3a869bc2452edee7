package engine_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"homellm/engine/sim"
)

// tiersScenario opens a chat, fills the cache with another one, and opens the first again.
func tiersScenario() []byte {
	var b strings.Builder
	b.WriteString("schema: homellm.scenario/v1\nname: tiers\nrun: {repeats: 1, warmup: 0}\n" +
		"defaults: {history: recorded, request: {temperature: 0, max_tokens: 8}}\nconversations:\n")
	for i, about := range []string{"pumps", "valves", "pumps"} {
		fmt.Fprintf(&b, "  - id: c%d\n    system: %s\n    steps:\n      - {id: q%d, ask: How many are there?, reply: Many.}\n", i,
			strings.Repeat("You know a lot about "+about+" and what belongs to them. ", 60), i)
	}
	return []byte(b.String())
}

// TestTiers: what the KV cache evicts is found in the host's memory, and the figures of both are the simulator's.
func TestTiers(t *testing.T) {
	for _, tt := range []struct {
		name      string
		host      int
		offloaded bool
	}{
		{"a cache in the host's memory", 1 << 16, true},
		{"none", 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			plan := load(t, "tiers.yaml", tiersScenario(), library(t))
			synctest.Test(t, func(t *testing.T) {
				var g rig
				g.play(t, plan, sim.Config{LedgerEntries: 100, KVTokens: 1280, ContextTokens: 1280, HostTokens: tt.host})
				ledger := g.ledger(t)
				cell := g.fold.Cells[0]
				for i, r := range g.requests() {
					e := ledger[i]
					if r.Err != nil {
						t.Fatal(r.Err)
					}
					look := cell.Lookup("step", 1, r.Conversation, r.Step)
					for name, want := range map[string]int{"cache.cached_tokens": e.CachedTokens,
						"cache.local_tokens": e.CachedTokens - e.OffloadedTokens, "cache.offloaded_tokens": e.OffloadedTokens} {
						if v := look("step." + name); v.V != want {
							t.Errorf("%s: %s is %v (%s), the truth is %d", r.Step, name, v.V, v.Why, want)
						}
					}
				}
				if last := ledger[2]; last.OffloadedTokens > 0 != tt.offloaded || last.CachedTokens > 700 != tt.offloaded {
					t.Errorf("of %d prompt tokens %d were cached, %d of them offloaded", last.PromptTokens, last.CachedTokens,
						last.OffloadedTokens)
				}
			})
		})
	}
}
