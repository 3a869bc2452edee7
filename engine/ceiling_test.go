package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"homellm/dsl"
	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/prompt"
	"homellm/engine/sim"
	"homellm/engine/target"
	"homellm/engine/wire"
)

// talk is a scenario of three turns over one history.
func talk(history, steps string) []byte {
	return fmt.Appendf(nil, `schema: homellm.scenario/v1
name: talk
defaults: {request: {temperature: 0, seed: 1, max_tokens: 120}}
run: {warmup: 0, repeats: 1, error_budget: 50%%, isolation: {cache: salt, scope: repeat}}
documents: [{id: manual, text: %q}]
conversations:
  - id: main
    history: %s
    system: You answer in one sentence.
    steps: [%s]
    assert: [conv.turns > 0]
`, strings.Repeat("The flange bolts of the pump are tightened to a torque of 41 Nm. ", 12), history, steps)
}

// The ceiling of the cache is what the simulator's cache really keeps, turn by turn: whatever
// went wrong with the turns before, and whatever of them no later prompt repeats.
func TestCeiling(t *testing.T) {
	live := "{id: one, ask: Which things can you help me with today?}, " +
		"{id: two, ask: And which can you not help me with at all?}, {id: three, ask: Why?}"
	long := strings.Repeat(" Say it at length and leave nothing out.", 10)
	recorded := "{id: one, ask: Which things can you help me with today?" + long + ", reply: All of them.}, " +
		"{id: two, ask: And which not?, reply: None.}, {id: three, ask: Why?, reply: No.}"
	for name, c := range map[string]struct {
		history, steps string
		config         sim.Config
	}{
		"plain":     {"live", live, sim.Config{}},
		"reasoning": {"live", live, sim.Config{Wire: sim.Wire{ReasoningTokens: 40}}},
		"truncated": {"recorded", recorded,
			sim.Config{Faults: []sim.Fault{{Kind: "eof", Prompt: "today", Token: 3, Times: 1}}}},
		"refused": {"recorded", recorded,
			sim.Config{Faults: []sim.Fault{{Kind: "status", Status: 500, Prompt: "today", Times: 1}}}},
	} {
		t.Run(name, func(t *testing.T) {
			plan := load(t, "talk.yaml", talk(c.history, c.steps), library(t))
			synctest.Test(t, func(t *testing.T) {
				var g rig
				g.play(t, plan, c.config)
				if n := len(g.requests()); n != 3 {
					t.Fatalf("%d requests, want 3", n)
				}
				for _, r := range g.requests() {
					if r.Err == nil && (r.Reusable == nil || r.Cached == nil || *r.Reusable != *r.Cached) {
						t.Errorf("%s: %v reusable (%s), %v cached", r.Step, show(r.Reusable), r.ReusableWhy, show(r.Cached))
					}
				}
			})
		})
	}
}

func show(n *int) string {
	if n == nil {
		return "unknown"
	}
	return fmt.Sprint(*n)
}

// A prefill asks for one token. If that token has no text, like the first token of reasoning, the prefill has served
// its purpose, and the conversation continues.
func TestPrefill_TokenWithoutText(t *testing.T) {
	steps := `{id: load, inject: {docs: [manual], prefill: true}, request: {stop: ["T", "A", "I", "Y"]}}, ` +
		`{id: ask_it, query: How tight are the bolts?}`
	plan := load(t, "talk.yaml", talk("live", steps), library(t))
	synctest.Test(t, func(t *testing.T) {
		var g rig
		g.play(t, plan, sim.Config{})
		all := g.requests()
		if all[0].Text != "" {
			t.Fatalf("the prefill says %q: this test is about one that says nothing", all[0].Text)
		}
		if len(all) != 2 || all[0].Err != nil || all[1].Err != nil {
			t.Fatalf("%d requests, the prefill ended with %v", len(all), all[0].Err)
		}
		if *all[1].Cached == 0 {
			t.Error("the question found nothing of the prefill")
		}
		for path, known := range map[string]bool{"steps.load.ok": true, "steps.load.ttft_ms": false,
			"phases.with_rag.stalls": true, "phases.with_rag.icl_max_ms": true} {
			why := g.fold.Cells[0].Lookup("conversation", 1, "main", "")(path).Why
			if (why == "") != known {
				t.Errorf("%s: known %v (%s), want %v", path, why == "", why, known)
			}
		}
	})
}

// Without a tokeniser the ceiling is homellm's share of the server's own count: it lies within its
// label of what the cache really keeps, and the label is made of what the server reported.
func TestCeiling_Estimated(t *testing.T) {
	steps := "{id: one, inject: {docs: [manual]}}, {id: two, query: How tight are the bolts?}, " +
		"{id: three, remove: {docs: [manual]}}, {id: four, ask: What else do you know of pumps and of their valves?}, " +
		"{id: five, ask: Why?}"
	plan := load(t, "talk.yaml", talk("live", steps), library(t))
	broken := func(context.Context, []dsl.Message, ...wire.Tool) ([]int, error) {
		return nil, errors.New("404 page not found")
	}
	for name, tokenize := range map[string]prompt.Tokenize{"none": nil, "broken": broken} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := rig{target: func(target *target.Target) { target.Tokenize = tokenize }}
				g.play(t, plan, sim.Config{})
				cell := g.fold.Cells[0]
				e := cell.Estimate()
				all := g.requests()
				if e == nil || e.Requests != len(all) || len(all) < 2 || !strings.HasPrefix(e.String(), "estimated ± ") {
					t.Fatalf("%d requests, estimate %+v", len(all), e)
				}
				told, counted := 0.0, 0.0
				for _, r := range all {
					told += float64(*r.Usage.Prompt)
					counted += float64(r.Estimate.Prompt)
					off := math.Abs(float64(*r.Reusable - *r.Cached))
					if limit := e.Spread*float64(*r.Usage.Prompt) + 16; off > limit {
						t.Errorf("%s: %d reusable, %d cached of %d, estimated ± %.3f", r.Step, *r.Reusable, *r.Cached, *r.Usage.Prompt,
							e.Spread)
					}
					if r.ReusableSource != "estimated" {
						t.Errorf("%s: source %q", r.Step, r.ReusableSource)
					}
				}
				if math.Abs(e.Factor-told/counted) > 1e-12 {
					t.Errorf("factor %v, want %v", e.Factor, told/counted)
				}
				replayed := &metrics.Run{}
				for _, x := range g.events {
					replayed.Add(x)
				}
				if diff := cmp.Diff(e, replayed.Cells[0].Estimate()); diff != "" {
					t.Errorf("replayed: -live +replayed\n%s", diff)
				}
				if noted := slices.ContainsFunc(cell.Notes,
					func(n event.Note) bool { return n.Code == "no_tokeniser" }); noted != (name == "broken") {
					t.Errorf("notes %+v", cell.Notes)
				}
			})
		})
	}
}
