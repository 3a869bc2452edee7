//go:build e2e && unix

package e2e

import (
	"math"
	"strings"
	"testing"
	"time"

	"homellm/engine/event"
)

// evening is a household that goes on for ten seconds. Objectives are about what the engine reports, so that its
// accounts tell which turns met them. What all prompts begin with is longer than a block of vLLM's cache.
var evening = strings.Replace(`schema: homellm.scenario/v1
name: evening
defaults:
  timeout: 900s
  request: {temperature: 0, seed: 1, max_tokens: 8, ignore_eos: true}
run:
  play: together
  users: 2
  warmup: 0
  think_time: {mean: 200ms, distribution: exponential, seed: 1}
  ramp: 1s
  duration: 10s
slo:
  whole: turn.output_tokens == 8
  warm: turn.cache.cached_tokens > 100
conversations:
  - id: talk
    system: LONG
    steps:
      - {id: first, ask: What is a river made of?}
      - {id: second, ask: And what is a bridge for?}
assert:
  - {name: whole, that: run.slo.whole >= 0}
  - {name: warm, that: run.slo.warm >= 0}
  - {name: good, that: run.goodput_rps.warm >= 0}
  - {name: rate, that: run.requests_per_s > 0}
`, "LONG", kindness, 1)

func TestLlamaServer_Duration(t *testing.T) { isEvening(t, startLlamaServer(t, "--parallel", "2")) }

// isEvening plays two users for ten seconds. No turn is lost between the windows, each begun conversation is finished,
// and the shares of turns that met an objective are those of the engine's accounts.
func isEvening(t *testing.T, address string) {
	t.Helper()
	r, p := record(t, address, nil), build(t)
	code, printed := p.run(t, "apply", p.write(t, "evening.yaml", evening), "--url", r.address, "--out", "out")
	t.Logf("exit code %d\n%s", code, printed)
	if code != 0 {
		t.Errorf("exit code %d", code)
	}
	var turns []*event.Request
	began := [3]time.Duration{}
	steps := map[string]int{}
	for _, e := range p.events(t, "out") {
		q, ok := e.Body.(event.Request)
		if !ok {
			continue
		}
		turns = append(turns, &q)
		steps[q.Step]++
		if began[q.User] == 0 {
			began[q.User] = q.Due
		}
	}
	if len(turns) < 6 || steps["first"] != steps["second"] {
		t.Fatalf("%d turns: %v", len(turns), steps)
	}
	if ramp := (began[1] - began[2]).Abs(); ramp < 100*time.Millisecond || ramp > time.Second {
		t.Errorf("the second user began %v after the first, within a ramp of 1s", ramp)
	}
	warm := 0
	for i, a := range matched(t, turns, r.everything()) {
		if a.output != 8 {
			t.Errorf("turn %d has %d tokens", i+1, a.output)
		}
		if a.cached > 100 {
			warm++
		}
	}
	result := p.result(t)
	of := func(name string) float64 {
		for _, o := range result.assertion(t, result.Cells[0].ID, name).Operands {
			if v, ok := o.Value.(float64); ok {
				return v
			}
		}
		t.Fatalf("%s has no value", name)
		return 0
	}
	share := float64(warm) / float64(len(turns))
	if got := of("whole"); got != 1 {
		t.Errorf("%v of the turns have 8 tokens, and all by the engine's accounts", got)
	}
	if got := of("warm"); math.Abs(got-share) > 1e-9 || warm == 0 || warm == len(turns) {
		t.Errorf("%v of the turns were warm, and %d of %d by the engine's accounts", got, warm, len(turns))
	}
	if got, want := of("good")/of("rate"), share; math.Abs(got-want) > 1e-6 {
		t.Errorf("goodput is %v of all requests, and %v by the engine's accounts", got, want)
	}
}
