package engine_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"homellm/dsl"
	"homellm/engine"
	"homellm/engine/event"
	"homellm/engine/judge"
	"homellm/engine/metrics"
	"homellm/engine/sim"
	"homellm/engine/stats"
	"homellm/engine/target"
)

// budgetPlan plays one turn a repeat in each cell and compares its median with a limit between the time of an
// undisturbed turn and that of one that the simulator keeps waiting for a second.
func budgetPlan(t *testing.T, run, more string) *dsl.Plan {
	t.Helper()
	return load(t, "budget.yaml", fmt.Appendf(nil, `schema: homellm.scenario/v1
name: budget
defaults: {request: {temperature: 0, seed: 1, max_tokens: 4}}
run: {warmup: 0, isolation: {cache: none, allow_contaminated: true}, %s}
%s
conversations: [{id: main, steps: [{id: one, ask: What is first?}]}]
assert: [{name: median, that: steps.one.ttft_ms.p50 < 500}]
`, run, more), library(t))
}

// waits keeps these requests waiting for a second.
func waits(requests ...int) sim.Config {
	if len(requests) == 0 {
		return sim.Config{}
	}
	return sim.Config{LedgerEntries: 5000,
		Faults: []sim.Fault{{Kind: "delay", Delay: sim.Duration(time.Second), Requests: requests}}}
}

// noSide leaves the preflight's canaries out, so that each cell begins with two requests that are no turns.
func noSide(target *target.Target) { target.Side = nil }

func withBudget(g *rig, b engine.Budget) {
	g.options = func(o *engine.Options) { o.Budget = b }
}

// ends are how the cells ended, in the order of the plan.
func (g *rig) ends() (out []event.CellDone) {
	for _, c := range g.fold.Cells {
		if c.Done != nil {
			out = append(out, *c.Done)
		}
	}
	return out
}

func (g *rig) note(t *testing.T, cell int, want string) {
	t.Helper()
	for _, n := range g.fold.Cells[cell].Notes {
		if n.Code == "budget" && strings.Contains(n.Text, want) {
			return
		}
	}
	t.Errorf("cell %d has no note of its budget with %q: %v", cell, want, g.fold.Cells[cell].Notes)
}

// TestBudget plays until the gate is certain, and no longer. A median of six values has an upper
// bound with 97.5 %, which is the largest; with three slow values of n the bound comes below
// them at the looks (6, 9, 13, 19) for the first time at 19: P(B < 16) = 0.9978, and the fourth
// look asks for 0.9975.
func TestBudget(t *testing.T) {
	for name, c := range map[string]struct {
		run     string
		budget  time.Duration
		slow    []int
		done    event.CellDone
		verdict event.Outcome
		note    string
	}{
		"certain at once": {"repeats: 6", time.Hour, nil, event.CellDone{Repeats: 6, Stopped: "certain"}, "pass",
			"the 6 planned repeats were played and none was added"},
		"surely broken at once": {"repeats: 6", time.Hour, []int{3, 4, 5, 6, 7, 8},
			event.CellDone{Repeats: 6, Stopped: "certain"}, "fail", "none was added"},
		"certain after a while": {"repeats: 6", time.Hour, []int{3, 4, 5},
			event.CellDone{Repeats: 19, Looks: []int{6, 9, 13, 19}, Stopped: "certain"}, "pass",
			"19 repeats were played, 13 more than planned"},
		"too few for any bound": {"repeats: 3", time.Hour, nil,
			event.CellDone{Repeats: 6, Looks: []int{3, 4, 6}, Stopped: "certain"}, "pass", "6 repeats were played, 3 more"},
		// 17 repeats, with pauses of a minute: one look would bound the median below the three slow
		// ones (P(B < 13) = 0.975), and the fourth look does not.
		"time over between looks": {"repeats: 6, cooldown: 1m", 17 * time.Minute, []int{3, 4, 5},
			event.CellDone{Repeats: 17, Looks: []int{6, 9, 13, 17}, Stopped: "budget"}, "unknown", "17 repeats were played"},
		"no time": {"repeats: 6", time.Millisecond, []int{3, 4, 5},
			event.CellDone{Repeats: 6, Stopped: "budget"}, "unknown", "the time is used up before these are certain: median"},
	} {
		t.Run(name, func(t *testing.T) {
			plan := budgetPlan(t, c.run, "")
			synctest.Test(t, func(t *testing.T) {
				g := rig{target: noSide}
				withBudget(&g, engine.Budget{Time: c.budget})
				g.play(t, plan, waits(c.slow...))
				if got := g.ends(); len(got) != 1 || fmt.Sprint(got[0]) != fmt.Sprint(c.done) {
					t.Errorf("ended with %+v, want %+v", got, c.done)
				}
				if n := len(g.requests()); n != c.done.Repeats {
					t.Errorf("%d repeats were played, and %d are told", n, c.done.Repeats)
				}
				if v := g.fold.Cells[0].Verdicts; len(v) != 1 || v[0].Verdict != c.verdict {
					t.Errorf("verdicts %+v, want one %s", v, c.verdict)
				}
				g.note(t, 0, c.note)
			})
		})
	}
}

// TestBudget_Time checks that a gate that never becomes certain is played for as long as a repeat surely fits, and not
// longer.
func TestBudget_Time(t *testing.T) {
	plan := budgetPlan(t, "repeats: 6, cooldown: 3s", "")
	slow := []int{}
	for i := 1; i < 1000; i += 2 {
		slow = append(slow, i)
	}
	synctest.Test(t, func(t *testing.T) {
		g := rig{target: noSide}
		var last engine.Progress
		g.options = func(o *engine.Options) {
			o.Budget = engine.Budget{Time: 2 * time.Minute}
			o.Progress = func(p engine.Progress) { last = p }
		}
		g.play(t, plan, waits(slow...))
		var longest, ended time.Duration // of a repeat with the pause before it
		for i, r := range g.requests() {
			if i > 0 {
				longest = max(longest, r.Done-ended)
			}
			ended = r.Done
		}
		if ended > 2*time.Minute || ended+longest <= 2*time.Minute {
			t.Errorf("the last repeat ended at %v; the longest took %v, and the budget is 2m", ended, longest)
		}
		if got := g.ends()[0]; got.Stopped != "budget" || got.Repeats != len(g.requests()) ||
			got.Looks[len(got.Looks)-1] != got.Repeats {
			t.Errorf("ended with %+v after %d repeats", got, len(g.requests()))
		}
		if v := g.fold.Cells[0].Verdicts[0]; v.Verdict != "unknown" {
			t.Errorf("the verdict is %s", v.Verdict)
		}
		if left := 2*time.Minute - ended; !last.AtMost || last.ETA != left || last.Total != len(g.requests()) {
			t.Errorf("the last progress was %+v, and %v are left", last, left)
		}
	})
}

// TestBudget_LeastCertain checks that the time goes to the cells that are not certain, whatever the order, and is
// shared between them.
func TestBudget_LeastCertain(t *testing.T) {
	for order, want := range map[string]string{
		"sequential":  "0 0 0 0 0 0 1 1 1 1 1 1 2 2 2 2 2 2 2 2 2 1 1 1 2 2 2 2 1 1 1 1",
		"interleaved": "0 1 2 0 1 2 0 1 2 0 1 2 0 1 2 0 1 2 2 1 2 1 2 1 2 1 2 1 2 1 2 1",
	} {
		t.Run(order, func(t *testing.T) {
			plan := budgetPlan(t, "repeats: 6, order: "+order, "matrix: {part: [a, b, c]}")
			synctest.Test(t, func(t *testing.T) {
				g := rig{target: noSide}
				withBudget(&g, engine.Budget{Time: time.Hour})
				slow, slower := []int{11, 12, 13}, []int{19, 20, 21} // of the second and the third cell, which is less certain
				if order == "interleaved" {
					slow, slower = []int{6, 11, 14}, []int{9, 12, 15}
				}
				config := waits(slow...)
				config.Faults = append(config.Faults,
					sim.Fault{Kind: "delay", Delay: sim.Duration(2 * time.Second), Requests: slower})
				g.play(t, plan, config)
				var got []string
				for _, e := range g.events {
					if _, ok := e.Body.(event.Request); ok {
						got = append(got, fmt.Sprint(slices.IndexFunc(plan.Cells, func(c *dsl.Cell) bool { return c.ID == e.Cell })))
					}
				}
				if s := strings.Join(got, " "); !strings.HasPrefix(s, want) {
					t.Errorf("played %s\nwant   %s …", s, want)
				}
				for i, n := range []int{6, 19, 19} {
					if end := g.ends()[i]; end.Repeats != n || end.Stopped != "certain" {
						t.Errorf("cell %d ended with %+v, want %d repeats", i, end, n)
					}
				}
			})
		})
	}
}

// twoServers is a plan of two cells that differ in their server alone.
func twoServers(t *testing.T) *dsl.Plan {
	t.Helper()
	plan := budgetPlan(t, "repeats: 2, order: abba", "")
	other := *plan.Cells[0]
	other.ID, other.Labels = "other", []dsl.Label{{Name: "server", Value: "other"}, plan.Cells[0].Labels[1]}
	plan.Cells = append(plan.Cells, &other)
	plan.Alternate() // as ab does
	return plan
}

// TestBudget_Pairs checks that cells that are compared are judged together and played equally often, in the order A B B
// A.
func TestBudget_Pairs(t *testing.T) {
	plan := twoServers(t)
	synctest.Test(t, func(t *testing.T) {
		g := rig{target: noSide}
		var looks []string
		withBudget(&g, engine.Budget{Time: time.Hour,
			Judge: func(f *metrics.Run, cells []string, l stats.Looks) []judge.Doubt {
				looks = append(looks, fmt.Sprint(l))
				if len(cells) != 2 || len(f.Cells[0].Repeats()) != len(f.Cells[1].Repeats()) {
					t.Errorf("cells %v are judged, with %v and %v repeats", cells, f.Cells[0].Repeats(), f.Cells[1].Repeats())
				}
				if len(f.Cells[0].Repeats()) < 4 {
					return []judge.Doubt{{Gate: "ttft", More: 2}}
				}
				return nil
			}})
		g.play(t, plan, sim.Config{})
		var got strings.Builder
		for _, e := range g.events {
			if r, ok := e.Body.(event.Request); ok {
				fmt.Fprintf(&got, "%s%d ", map[bool]string{true: "B", false: "A"}[e.Cell == "other"], r.Repeat)
			}
		}
		if want := "A1 B1 B2 A2 A3 B3 B4 A4 "; got.String() != want {
			t.Errorf("played %s, want %s", got.String(), want)
		}
		if want := "[[2] [2 3] [2 3 4]]"; fmt.Sprint(looks) != want {
			t.Errorf("looked at %v, want %s", looks, want)
		}
	})
}

// TestBudget_Overall checks that an assertion over all cells with a confidence earns its cells more repeats, in turn,
// until the interval of the difference decides, and that other cells get none. The sides are equal but for a first
// request of one of them that waits: of 19 pairs one is 1,000 ms apart and 18 are 100 ms on the other side of the
// bound.
func TestBudget_Overall(t *testing.T) {
	plan := budgetPlan(t, "repeats: 6", `matrix: {part: [a, b, c]}
overall:
  - name: alike
    that: 'cell({part: "a"}).steps.one.ttft_ms.p50 < cell({part: "b"}).steps.one.ttft_ms.p50 + 100'
    confidence: 95%`)
	synctest.Test(t, func(t *testing.T) {
		g := rig{target: noSide}
		withBudget(&g, engine.Budget{Time: time.Hour})
		g.play(t, plan, waits(3))
		var got strings.Builder
		for _, e := range g.events {
			if r, ok := e.Body.(event.Request); ok && r.Repeat > 6 && r.Repeat < 9 {
				fmt.Fprint(&got, slices.IndexFunc(plan.Cells, func(c *dsl.Cell) bool { return c.ID == e.Cell }), " ")
			}
		}
		if want := "0 1 1 0 "; got.String() != want {
			t.Errorf("played on %s, want %s", got.String(), want)
		}
		for i, n := range []int{19, 19, 6} {
			if end := g.ends()[i]; end.Repeats != n || end.Stopped != "certain" {
				t.Errorf("cell %d ended with %+v, want %d repeats", i, end, n)
			}
		}
		v := g.fold.Overall
		if len(v) != 1 || v[0].Verdict != event.Pass || v[0].Interval == nil || v[0].Interval.Repeats != 19 {
			t.Errorf("judged as %+v", v)
		}
	})
}

// TestBudget_Resume checks that the time counts that a resumed run used before.
func TestBudget_Resume(t *testing.T) {
	plan := budgetPlan(t, "repeats: 6", "")
	synctest.Test(t, func(t *testing.T) {
		g := rig{target: noSide}
		g.options = func(o *engine.Options) { o.Budget, o.Journal.Elapsed = engine.Budget{Time: time.Hour}, time.Hour }
		g.play(t, plan, waits(3, 4, 5))
		if got := g.ends()[0]; got.Repeats != 6 || got.Stopped != "budget" {
			t.Errorf("ended with %+v: the planned repeats are played, and none after them", got)
		}
	})
}

// TestBudget_Interrupted checks that cells which have played their planned repeats are judged when the run ends, and
// that a resume does not play them further.
func TestBudget_Interrupted(t *testing.T) {
	plan := budgetPlan(t, "repeats: 6", "")
	synctest.Test(t, func(t *testing.T) {
		server, err := sim.New(waits(3, 4, 5))
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		g := rig{target: noSide}
		ctx, stop := context.WithCancelCause(t.Context())
		g.options = func(o *engine.Options) {
			o.Budget = engine.Budget{Time: time.Hour}
			keep := o.Journal.Keep
			o.Journal.Keep = func(e event.Event) error {
				if r, ok := e.Body.(event.Request); ok && r.Repeat == 8 {
					stop(engine.Interrupted{Signal: "SIGINT"})
				}
				return keep(e)
			}
		}
		g.ctx = ctx
		if err := g.try(t, plan, server); err != nil {
			t.Fatal(err)
		}
		if _, code, _ := g.fold.Outcome(); code != 130 {
			t.Errorf("exit code %d, want 130", code)
		}
		if c := g.fold.Cells[0]; !c.Finished() || c.Done.Stopped != "ended" || len(c.Verdicts) != 1 {
			t.Errorf("the cell ended with %+v and verdicts %v", c.Done, c.Verdicts)
		}
	})
}

// TestBudget_FailedCell checks that a cell whose partner failed is judged with what it has.
func TestBudget_FailedCell(t *testing.T) {
	plan := twoServers(t)
	synctest.Test(t, func(t *testing.T) {
		g := rig{target: noSide}
		g.options = func(o *engine.Options) {
			o.Budget = engine.Budget{Time: time.Hour, Judge: func(*metrics.Run, []string, stats.Looks) []judge.Doubt {
				t.Error("a cell that failed is judged")
				return nil
			}}
			open := o.Open
			o.Open = func(ctx context.Context, c *dsl.Cell) (*target.Target, error) {
				if c.ID == "other" {
					return nil, fmt.Errorf("no memory")
				}
				return open(ctx, c)
			}
		}
		g.play(t, plan, sim.Config{})
		if c := g.fold.Cells[0]; !c.Finished() || c.Done.Repeats != 2 || c.Done.Stopped != "partner" {
			t.Errorf("the other cell ended with %+v", c.Done)
		}
		if _, code, _ := g.fold.Outcome(); code != 5 {
			t.Errorf("exit code %d, want 5", code)
		}
	})
}
