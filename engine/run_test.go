package engine_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"homellm/engine"
	"homellm/engine/client"
	"homellm/engine/event"
	"homellm/engine/sim"
	"homellm/engine/target"
)

// scenarioWith is a scenario of two turns that share a long system text, with the given run and
// assertions.
func scenarioWith(run, asserts string) []byte {
	return fmt.Appendf(nil, `schema: homellm.scenario/v1
name: small
defaults: {request: {temperature: 0, seed: 1, max_tokens: 8}}
run: %s
conversations:
  - id: main
    system: %s
    steps:
      - {id: one, ask: What is first?}
      - {id: two, ask: What is second?, assert: [%s]}
`, run, strings.Repeat("The long system text of this conversation fills several blocks of the prefix cache. ", 6),
		asserts)
}

// firstCached is what each pass found cached for its first turn.
func (g *rig) firstCached() (out []int) {
	for _, r := range g.requests() {
		if r.Step == "one" {
			out = append(out, *r.Cached)
		}
	}
	return out
}

// TestIsolation checks what the first turn of each pass finds in the cache against the isolation that the scenario asks
// for.
func TestIsolation(t *testing.T) {
	for _, c := range []struct {
		isolation string
		warm      []bool // for each of the passes: warm-up, 1, 2
	}{
		{"{cache: salt, scope: repeat}", []bool{false, false, false}},
		{"{cache: salt, scope: run}", []bool{false, true, true}},
		{"{cache: reset, scope: repeat}", []bool{false, false, false}},
		{"{cache: reset, scope: run}", []bool{false, true, true}},
		{"{cache: none, allow_contaminated: true}", []bool{false, true, true}},
	} {
		t.Run(c.isolation, func(t *testing.T) {
			plan := load(t, "small.yaml", scenarioWith("{warmup: 1, repeats: 2, isolation: "+c.isolation+"}", "turn.ok"),
				library(t))
			synctest.Test(t, func(t *testing.T) {
				var g rig
				g.play(t, plan, sim.Config{})
				for i, cached := range g.firstCached() {
					if warm := cached > 0; warm != c.warm[i] {
						t.Errorf("pass %d found %d cached tokens; warm should be %v", i, cached, c.warm[i])
					}
				}
				for i, r := range g.requests() {
					if *r.Cached != *r.Reusable {
						t.Errorf("request %d: %d cached of %d reusable: the ceiling does not know this isolation", i, *r.Cached,
							*r.Reusable)
					}
				}
			})
		})
	}
}

// TestIsolation_SaltInMessage checks the same isolation on a server without a key for salts: the salt is at the head of
// the prompt.
func TestIsolation_SaltInMessage(t *testing.T) {
	plan := load(t, "small.yaml", scenarioWith("{warmup: 0, repeats: 2, isolation: {cache: salt, scope: repeat}}",
		"turn.ok"), library(t))
	plan.Cells[0].Server.Capabilities.CacheSalt = ""
	synctest.Test(t, func(t *testing.T) {
		var g rig
		g.play(t, plan, sim.Config{})
		for i, cached := range g.firstCached() {
			if cached != 0 {
				t.Errorf("repeat %d found %d cached tokens", i+1, cached)
			}
		}
		if method := g.fold.Cells[0].Started.Server.SaltMethod; method != "message" {
			t.Errorf("salt method %q, want message", method)
		}
		for _, e := range g.sim.Ledger() {
			if e.Salt != "" {
				t.Errorf("the request carries the salt %q in its body", e.Salt)
			}
		}
	})
}

func TestIsolation_WithoutTheMeans(t *testing.T) {
	plan := load(t, "small.yaml", scenarioWith("{warmup: 0, repeats: 1, isolation: {cache: reset, scope: repeat}}",
		"turn.ok"), library(t))
	synctest.Test(t, func(t *testing.T) {
		g := rig{target: func(target *target.Target) { target.Reset = nil }}
		g.play(t, plan, sim.Config{})
		if _, code, why := g.fold.Outcome(); code != 5 || !strings.Contains(why, "reset") {
			t.Errorf("exit code %d (%s), want 5 and the reason", code, why)
		}
		if n := len(g.requests()); n != 0 {
			t.Errorf("%d requests were measured without isolation", n)
		}
	})
}

func TestCooldown(t *testing.T) {
	plan := load(t, "small.yaml", scenarioWith("{warmup: 1, repeats: 2, cooldown: 7s}", "turn.ok"), library(t))
	synctest.Test(t, func(t *testing.T) {
		var g rig
		g.play(t, plan, sim.Config{})
		var ended time.Duration
		for i, r := range g.requests() {
			if r.Step == "one" && i > 0 {
				if pause := r.Due - ended; pause != 7*time.Second {
					t.Errorf("the pass began %v after the one before, want 7s", pause)
				}
			}
			ended = r.Done
		}
	})
}

// TestAbort checks that a failed assertion with abort ends the run after its repeat, and that what was measured is
// judged and kept.
func TestAbort(t *testing.T) {
	plan := load(t, "small.yaml", scenarioWith("{warmup: 0, repeats: 5}",
		`{name: never, that: 'turn.text contains "zyx"', abort: true}`), library(t))
	synctest.Test(t, func(t *testing.T) {
		var g rig
		g.play(t, plan, sim.Config{})
		if n := len(g.requests()); n != 2 {
			t.Errorf("%d requests, want the 2 of one repeat", n)
		}
		if g.fold.Done == nil || !strings.Contains(g.fold.Done.Aborted, "never") {
			t.Errorf("the run ended with %+v", g.fold.Done)
		}
		if _, code, _ := g.fold.Outcome(); code != 1 {
			t.Errorf("exit code %d, want 1", code)
		}
		if n := len(g.fold.Cells[0].Verdicts); n != 1 {
			t.Errorf("%d verdicts, want the one that aborted", n)
		}
	})
}

// TestErrorBudget checks failed requests against the budget: within it they do not decide, beyond it they decide before
// any assertion.
func TestErrorBudget(t *testing.T) {
	for _, c := range []struct {
		budget string
		code   int
	}{{"0%", 6}, {"40%", 0}} {
		t.Run(c.budget, func(t *testing.T) {
			data := scenarioWith("{warmup: 0, repeats: 3, error_budget: "+c.budget+"}",
				"{name: answered, that: turn.ok, min_pass_rate: 60%}")
			plan := load(t, "small.yaml", data, library(t))
			synctest.Test(t, func(t *testing.T) {
				var g rig
				// Requests 1 and 2 are the preflight; 6 is the second turn of the second repeat.
				g.play(t, plan, sim.Config{Faults: []sim.Fault{{Kind: "status", Status: 500, Requests: []int{6}}}})
				failed := 0
				for _, r := range g.requests() {
					if r.Err != nil {
						failed++
					}
				}
				if failed != 1 {
					t.Fatalf("%d requests failed, want 1", failed)
				}
				if _, code, why := g.fold.Outcome(); code != c.code {
					t.Errorf("exit code %d (%s), want %d", code, why, c.code)
				}
			})
		})
	}
}

// TestJournalFails checks that a run whose observations cannot be kept ends with that error.
func TestJournalFails(t *testing.T) {
	plan := load(t, "small.yaml", scenarioWith("{warmup: 0, repeats: 5}", "turn.ok"), library(t))
	synctest.Test(t, func(t *testing.T) {
		server := simulator(t, sim.Config{})
		var g rig
		kept := 0
		g.options = func(o *engine.Options) {
			o.Journal.Keep = func(event.Event) error {
				if kept++; kept > 6 {
					return fmt.Errorf("disk full")
				}
				return nil
			}
		}
		err := g.try(t, plan, server)
		if err == nil || !strings.Contains(err.Error(), "disk full") {
			t.Errorf("the run ended with %v, want the journal's error", err)
		}
		if sent := len(server.Ledger()); sent > 8 {
			t.Errorf("%d requests were sent after the journal had failed", sent)
		}
	})
}

// A run marks what its own client cannot tell apart.
func TestIndistinctTimes(t *testing.T) {
	for floor, marked := range map[time.Duration]bool{time.Hour: true, time.Nanosecond: false} {
		synctest.Test(t, func(t *testing.T) {
			g := &rig{options: func(o *engine.Options) {
				o.Calibrate = func(context.Context) (client.Floor, error) { return client.Floor{TTFTp99: floor}, nil }
			}}
			g.play(t, load(t, "a.yaml", scenarioWith("{warmup: 0, repeats: 1, isolation: {cache: salt}}",
				"{name: apart, that: 'turn.ok and turn.ttft_ms >= 0.5 * turn.icl_p50_ms', severity: warn}"), library(t)),
				sim.Config{})
			found := false
			for _, e := range g.events {
				if n, ok := e.Body.(event.Note); ok && n.Code == "indistinct" {
					found = strings.HasPrefix(n.Text, "apart: the sides of the comparison of turn.ttft_ms and turn.icl_p50_ms are ")
				}
			}
			if found != marked {
				t.Errorf("with a floor of %v: marked %v", floor, found)
			}
		})
	}
}

// The raw reply that is kept is that of the worst measured turn: a warm-up on a cold cache is slower.
func TestKeepRaw_IsOfAMeasuredTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kept := map[string][]byte{}
		g := &rig{options: func(o *engine.Options) {
			o.KeepRaw = func(name string, data ...[]byte) error { kept[name] = bytes.Join(data, nil); return nil }
		}}
		g.play(t, load(t, "a.yaml", scenarioWith("{warmup: 1, repeats: 2, isolation: {cache: none, allow_contaminated: "+
			"true}}", "turn.ok"), library(t)), sim.Config{})
		var about struct {
			Repeat int
			Step   string
			TTFT   *float64 `json:"ttft_ms"`
		}
		if err := json.Unmarshal(kept["worst-turn.json"], &about); err != nil {
			t.Fatalf("%v: %s", err, kept["worst-turn.json"])
		}
		slowest, warm := time.Duration(0), time.Duration(0)
		for _, r := range g.requests() {
			ttft := r.Chunks[0].At - *r.Sent
			if r.Warmup {
				warm = max(warm, ttft)
			} else {
				slowest = max(slowest, ttft)
			}
		}
		if warm <= slowest {
			t.Fatalf("the warm-up took %v, the slowest other turn %v: this shows nothing", warm, slowest)
		}
		if about.TTFT == nil || *about.TTFT != float64(slowest)/float64(time.Millisecond) ||
			len(kept["worst-turn.body"]) == 0 {
			t.Errorf("kept %s, want that of %v", kept["worst-turn.json"], slowest)
		}
	})
}
