package engine_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"homellm/dsl"
	"homellm/engine"
	"homellm/engine/event"
	"homellm/engine/exit"
	"homellm/engine/metrics"
	"homellm/engine/sim"
)

// elsewhere plays cells without sending anything: each is done, at an instant that the others do not depend on.
func elsewhere(at map[int]time.Duration, end error) engine.Elsewhere {
	return func(_ context.Context, cells []*dsl.Cell, to engine.Record) error {
		for i, c := range cells {
			to.Keep(event.Event{At: at[i], Cell: c.ID, Body: event.CellStarted{Attempt: 1, Box: &event.Box{Name: "cellar"}}})
			to.Keep(event.Event{At: at[i], Cell: c.ID, Body: event.CellDone{}})
		}
		return end
	}
}

// TestElsewhere_Skip has a machine go before it played its cell: the cell is skipped, which the run survives.
func TestElsewhere_Skip(t *testing.T) {
	data := slices.Concat(scenarioWith("{warmup: 0, repeats: 1}", "turn.ok"), []byte("matrix: {n: [1, 2]}\n"))
	plan := load(t, "small.yaml", data, library(t))
	synctest.Test(t, func(t *testing.T) {
		g := rig{options: func(o *engine.Options) {
			o.Elsewhere = func(ctx context.Context, cells []*dsl.Cell, to engine.Record) error {
				to.Skip(cells[0], "its box left")
				return elsewhere(map[int]time.Duration{0: time.Hour}, nil)(ctx, cells[1:], to)
			}
		}}
		g.play(t, plan, sim.Config{})
		first, second := g.fold.Cells[0], g.fold.Cells[1]
		if first.Planned.Skip != "its box left" || len(first.Planned.Labels) == 0 || second.Done == nil {
			t.Errorf("cells %+v and %+v", first.Planned, second.Planned)
		}
		if verdict, code, why := g.fold.Outcome(); code == exit.Environment {
			t.Errorf("%s, exit code %d: %s", verdict, code, why)
		}
	})
}

// TestElsewhere_Pair resumes a run that ended when one of two cells was stored that are compared with each other: both
// are played again, on one machine. A cell that is compared with none stays as it is.
func TestElsewhere_Pair(t *testing.T) {
	data := slices.Concat(scenarioWith("{warmup: 0, repeats: 5}", "turn.ok"), []byte("matrix: {n: [1, 2, 3]}\n"+
		"overall:\n  - {name: pair, confidence: 90%, "+
		"that: 'cell({n: 1}).steps.one.ttft_ms.p50 < cell({n: 2}).steps.one.ttft_ms.p50'}\n"))
	plan := load(t, "small.yaml", data, library(t))
	synctest.Test(t, func(t *testing.T) {
		var before *metrics.Run
		var asked [][]string
		g := rig{options: func(o *engine.Options) {
			if before != nil {
				o.Journal.Fold, o.Journal.Seq = before, 100
			}
			o.Elsewhere = func(ctx context.Context, cells []*dsl.Cell, to engine.Record) error {
				var of []string
				for _, c := range cells {
					of = append(of, c.Labels[len(c.Labels)-1].Value)
				}
				if asked = append(asked, of); len(asked) == 1 {
					cells = []*dsl.Cell{cells[0], cells[2]}
				}
				return elsewhere(nil, nil)(ctx, cells, to)
			}
		}}
		g.play(t, plan, sim.Config{})
		before = g.fold
		g.play(t, plan, sim.Config{})
		if d := cmp.Diff([][]string{{"1", "2", "3"}, {"1", "2"}}, asked); d != "" {
			t.Errorf("other machines were to play (-want +got):\n%s", d)
		}
		for _, c := range before.Cells {
			if !c.Finished() {
				t.Errorf("%v is not finished", c.Planned.Labels)
			}
		}
	})
}

// TestElsewhere has other machines play the cells: the run keeps their events at their own instants, opens no server,
// judges what is asserted over all cells, and ends.
func TestElsewhere(t *testing.T) {
	data := slices.Concat(scenarioWith("{warmup: 0, repeats: 1}", "turn.ok"), []byte(
		"matrix: {n: [1, 2]}\noverall: ['cell({n: 1}).run.requests_failed <= cell({n: 2}).run.requests_failed']\n"))
	plan := load(t, "small.yaml", data, library(t))
	for _, tt := range []struct {
		name string
		end  error
		done event.RunDone
	}{
		{"played", nil, event.RunDone{}},
		{"aborted", engine.Aborted{Why: "a box said so"}, event.RunDone{Aborted: "a box said so"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				kept := map[string]time.Duration{}
				g := rig{options: func(o *engine.Options) {
					keep := o.Journal.Keep
					o.Journal.Keep = func(e event.Event) error {
						if _, ok := e.Body.(event.CellDone); ok {
							kept[e.Cell] = e.At
						}
						return keep(e)
					}
					o.Elsewhere = elsewhere(map[int]time.Duration{0: 2 * time.Hour, 1: time.Hour}, tt.end)
				}}
				g.play(t, plan, sim.Config{})
				for i, c := range g.fold.Cells {
					if want := time.Duration(2-i) * time.Hour; kept[c.ID] != want {
						t.Errorf("cell %d was kept at %v, want %v", i, kept[c.ID], want)
					}
					if c.Done == nil || c.Started.Box == nil || c.Labels()[len(c.Labels())-1].Value != "cellar" {
						t.Errorf("cell %d: %+v, labels %v", i, c.Started, c.Labels())
					}
				}
				if len(g.requests()) > 0 || len(g.fold.Cells) != 2 || len(g.fold.Overall) != 1 {
					t.Errorf("%d requests, %d cells, verdicts over all %v", len(g.requests()), len(g.fold.Cells), g.fold.Overall)
				}
				if g.fold.Done == nil || *g.fold.Done != tt.done {
					t.Errorf("the run ended with %+v", g.fold.Done)
				}
			})
		})
	}
}
