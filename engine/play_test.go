package engine_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"homellm/engine/metrics"
	"homellm/engine/sim"
)

// household is a scenario of two conversations with settings of the run.
func household(run string) []byte {
	long := func(of string) string {
		return strings.TrimSpace(strings.Repeat(of+" is what this talk is about. ", 12))
	}
	return fmt.Appendf(nil, `schema: homellm.scenario/v1
name: household
defaults: {request: {temperature: 0, seed: 1, max_tokens: 24}}
run: %s
conversations:
  - id: boats
    system: %s
    steps:
      - {id: boat_one, ask: Which boat leaks?}
      - {id: boat_two, ask: And which does not?}
      - {id: boat_three, ask: Why?}
  - id: pumps
    system: %s
    steps:
      - {id: pump_one, ask: Which pump is loud?}
      - {id: pump_two, ask: And which is not?}
    assert: [conv.turns > 0]
`, run, long("A boat"), long("A pump"))
}

// Conversations that take turns are sent turn by turn, and the cache serves exactly the ceiling of each prompt, given
// all that the server has seen from both.
func TestPlay_ByTurn(t *testing.T) {
	want := []string{"boat_one", "pump_one", "boat_two", "pump_two", "boat_three"}
	for _, isolation := range []string{"{cache: salt, scope: repeat}", "{cache: salt, scope: conversation}",
		"{cache: reset, scope: repeat}"} {
		t.Run(isolation, func(t *testing.T) {
			plan := load(t, "household.yaml", household("{play: by_turn, repeats: 2, isolation: "+isolation+"}"), library(t))
			var planned []string
			for _, turn := range plan.Cells[0].Turns {
				planned = append(planned, turn.Step)
			}
			if !slices.Equal(planned, want) {
				t.Errorf("planned %v, want %v", planned, want)
			}
			synctest.Test(t, func(t *testing.T) {
				var g rig
				g.play(t, plan, sim.Config{})
				ledger := g.ledger(t)
				var played []string
				for i, r := range g.requests() {
					played = append(played, r.Step)
					compareTruth(t, r, ledger[i])
				}
				if all := slices.Concat(want, want, want); !slices.Equal(played, all) {
					t.Errorf("played %v, want %v", played, all)
				}
				allPass(t, g.fold)
			})
		})
	}
}

// A cache with room for one conversation loses it during a turn of the other. If each is played to its end, it is kept.
// The ceiling, which no server can exceed, is the same for both orders.
func TestPlay_ByTurnShowsWhatALittleCacheLoses(t *testing.T) {
	cached := map[string]int{}
	for _, order := range []string{"sequential", "by_turn"} {
		plan := load(t, "household.yaml", household("{play: "+order+", warmup: 0, repeats: 1}"), library(t))
		synctest.Test(t, func(t *testing.T) {
			var g rig
			g.play(t, plan, sim.Config{KVTokens: 224, ContextTokens: 224})
			for _, r := range g.requests() {
				if r.Err != nil {
					t.Fatalf("%s: %s", r.Step, r.Err.Message)
				}
				if strings.HasSuffix(r.Step, "_two") {
					cached[order] += *r.Cached
					if *r.Reusable == 0 {
						t.Errorf("%s: nothing could be kept", r.Step)
					}
				}
			}
		})
	}
	if 2*cached["by_turn"] > cached["sequential"] {
		t.Errorf("cached tokens of the second turns: %v", cached)
	}
}

// Every user plays every conversation. With separate salts no user finds in the cache what another one sent, and with
// one salt for the repeat all users but the first find all of it. An assertion of a step holds for each user.
func TestPlay_Users(t *testing.T) {
	for _, order := range []string{"sequential", "by_turn"} {
		for scope, shared := range map[string]bool{"": false, ", isolation: {scope: repeat}": true} {
			t.Run(order+scope, func(t *testing.T) {
				file := household("{play: " + order + ", users: 3, warmup: 0, repeats: 2" + scope + "}")
				file = bytes.Replace(file, []byte("{id: pump_two, ask: And which is not?}"),
					[]byte("{id: pump_two, ask: And which is not?, assert: [turn.output_tokens > 0 && user < 3]}"), 1)
				plan := load(t, "household.yaml", file, library(t))
				synctest.Test(t, func(t *testing.T) {
					var g rig
					g.play(t, plan, sim.Config{})
					ledger, firsts := g.ledger(t), map[int]int{}
					for i, r := range g.requests() {
						compareTruth(t, r, ledger[i])
						if r.Step == "boat_one" {
							firsts[r.User] += *r.Cached
						}
					}
					if len(firsts) != 3 || firsts[1] > 0 || (firsts[2] > 0) != shared || (firsts[3] > 0) != shared {
						t.Errorf("cached tokens of the first turns, by user: %v", firsts)
					}
					cell := g.fold.Cells[0]
					if n := len(cell.Measured(metrics.Group{User: 2})); n != 2*5 || cell.Planned.Turns != 3*5 {
						t.Errorf("the second user has %d turns, and %d are planned for a repeat", n, cell.Planned.Turns)
					}
					for _, v := range cell.Verdicts {
						if v.Step == "pump_two" && (v.Evaluated != 6 || v.Passed != 4) {
							t.Errorf("%s: %d of %d passed, want those of the first two users", v.That, v.Passed, v.Evaluated)
						}
					}
					look := cell.Lookup("scenario", 0, "", "")
					n, turns := look("steps.boat_one.ttft_ms.n_turns"), look("conversations.boats.turns.max")
					if n.V != 6 || turns.V != 9.0 {
						t.Errorf("%v first turns (%s), %v turns of a conversation in a repeat (%s)", n.V, n.Why, turns.V, turns.Why)
					}
				})
			})
		}
	}
}
