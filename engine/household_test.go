package engine_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"homellm/engine"
	"homellm/engine/event"
	"homellm/engine/sim"
)

// Of 64 users who play together for three minutes, every turn is asked once, answered and written down as the
// simulator tells it, and what a turn leaves behind does not grow with their number.
func TestTogether_SixtyFourUsers(t *testing.T) {
	const users, turns = 64, 12
	var steps strings.Builder
	for i := range turns {
		fmt.Fprintf(&steps, "      - {id: turn_%d, ask: What of number %d?}\n", i, i)
	}
	plan := load(t, "village.yaml", fmt.Appendf(nil, `schema: homellm.scenario/v1
name: village
defaults: {request: {temperature: 0, seed: 1, max_tokens: 8, ignore_eos: true}}
run:
  {play: together, users: %d, warmup: 0, repeats: 1, ramp: 8s,
   think_time: {mean: 16s, distribution: exponential, seed: 3}}
conversations:
  - id: main
    steps:
%sassert: [run.requests_failed == 0]
`, users, steps.String()), library(t))
	type look struct {
		heap       uint64
		goroutines int
	}
	var looks []look // after each eighth of the turns
	synctest.Test(t, func(t *testing.T) {
		done := 0
		g := rig{options: func(o *engine.Options) {
			keep := o.Journal.Keep
			o.Journal.Keep = func(e event.Event) error {
				if _, ok := e.Body.(event.Request); ok {
					if done++; done%(users*turns/8) == 0 {
						runtime.GC()
						var m runtime.MemStats
						runtime.ReadMemStats(&m)
						looks = append(looks, look{m.HeapAlloc, runtime.NumGoroutine()})
					}
				}
				return keep(e)
			}
		}}
		g.play(t, plan, sim.Config{LedgerEntries: 2 * users * turns, MaxNumSeqs: 16})
		ledger := g.ledger(t)
		seen, last := map[string]bool{}, time.Duration(0)
		for _, r := range g.requests() {
			ledgerOf(t, r, g.fold.Started.Started, &ledger)
			seen[fmt.Sprint(r.User, r.Step)] = true
			last = max(last, r.Done)
		}
		if len(seen) != users*turns || len(g.requests()) != users*turns || len(ledger) != 0 {
			t.Errorf("%d turns were played, %d of them different, want %d; %d more were answered", len(g.requests()), len(seen),
				users*turns, len(ledger))
		}
		if last < 3*time.Minute {
			t.Errorf("it took only %v", last)
		}
		allPass(t, g.fold)
	})
	// bytes: the prompt in the test, in the simulator's ledger and in the fold, the reply in them
	const perTurn = 16 << 10
	first, middle, end := looks[1], looks[4], looks[6] // the users have begun, and have not ended
	if grown := (int64(end.heap) - int64(middle.heap)) / (2 * users * turns / 8); grown > perTurn {
		t.Errorf("a turn of the last quarter left %d bytes behind", grown)
	}
	if end.goroutines > first.goroutines+users/8 {
		t.Errorf("%d goroutines, and %d in the beginning", end.goroutines, first.goroutines)
	}
	t.Logf("%+v", looks)
}
