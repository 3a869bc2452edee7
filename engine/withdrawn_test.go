package engine_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"homellm/dsl"
	"homellm/engine"
	"homellm/engine/event"
	"homellm/engine/exit"
	"homellm/engine/metrics"
	"homellm/engine/report"
	"homellm/engine/sim"
)

// lyingPlan compares the hit rate of its second turn with a limit, in each repeat and over all. A lying server claims
// to have cached the whole prompt of the third turn, most of which was never sent before.
func lyingPlan(t *testing.T, run string) *dsl.Plan {
	t.Helper()
	return load(t, "lying.yaml", fmt.Appendf(nil, `schema: homellm.scenario/v1
name: lying
defaults: {request: {temperature: 0, seed: 1, max_tokens: 4}}
run: {warmup: 0, isolation: {cache: salt, scope: repeat}, %s}
matrix: {word: [true, false]}
conversations:
  - id: main
    system: %s
    steps:
      - {id: first, ask: Which things can you help me with today?}
      - id: second
        ask: And which of them tomorrow?
        assert: [{name: each, that: turn.cache.hit_rate > 0.3, min_pass_rate: 90%%}]
      - {id: third, ask: "This is ${matrix.word}: %s"}
assert:
  - {name: all, that: steps.second.cache.hit_rate.min > 0.3}
  - {name: time, that: steps.second.ttft_ms.max > 0}
`, run, strings.Repeat("You answer in one sentence from what you are given. ", 8),
		strings.Repeat("the pump stands in the cellar of the old mill, ", 12)), library(t))
}

// liar is a simulator that lies in the third turn of the cell whose word is false, from the n-th such turn on.
func liar(t *testing.T, from int) http.Handler {
	t.Helper()
	server := simulator(t, sim.Config{})
	seen := 0
	return counts(`"cached_tokens":(\d+)`, func(prompt, n int) int {
		if seen < from {
			return n
		}
		return prompt - 1
	})(nil, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		told := w
		if bytes.Contains(bodyOf(r), []byte("This is false")) {
			seen++
		} else if rewriting, ok := w.(*rewritten); ok {
			told = rewriting.ResponseWriter
		}
		server.ServeHTTP(told, r)
	}))
}

// verdicts are those of each cell, with the numbers of evaluations.
func verdictsOf(f *metrics.Run) (out []string) {
	for _, c := range f.Cells {
		for _, v := range c.Verdicts {
			out = append(out, fmt.Sprintf("%s %s: %s %d/%d", wordOf(c), v.Name, v.Verdict, v.Passed, v.Evaluated))
		}
	}
	return out
}

// wordOf is the word of the matrix that the cell is of.
func wordOf(c *metrics.Cell) string {
	labels := c.Labels()
	return labels[slices.IndexFunc(labels, func(l event.Label) bool { return l.Name == "word" })].Value
}

// agrees says whether every report of a run is that of its journal.
func agrees(t *testing.T, live *metrics.Run, journal string) {
	t.Helper()
	for _, f := range report.Formats {
		if !bytes.Equal(render(t, live, f.Name), render(t, replay(t, journal), f.Name)) {
			t.Errorf("format %s of the replayed journal differs from the live one", f.Name)
		}
	}
}

// TestWithdrawn: a server's report of cached tokens that is withdrawn in a later repeat or in another cell reaches
// every verdict that it had a part in, also of cells that have ended.
func TestWithdrawn(t *testing.T) {
	for _, c := range []struct {
		name, order string
		from        int // the lie
		want        []string
		code        int
	}{
		{"in a later repeat and the other cell", "sequential", 2, []string{
			"true each: unknown 0/2", "true all: unknown 0/1", "true time: pass 1/1",
			"false each: unknown 0/2", "false all: unknown 0/1", "false time: pass 1/1"}, exit.Inconclusive},
		{"of cells in turn", "interleaved", 1, []string{
			"true each: unknown 0/2", "true all: unknown 0/1", "true time: pass 1/1",
			"false each: unknown 0/2", "false all: unknown 0/1", "false time: pass 1/1"}, exit.Inconclusive},
		{"no lie", "sequential", 99, []string{
			"true each: pass 2/2", "true all: pass 1/1", "true time: pass 1/1",
			"false each: pass 2/2", "false all: pass 1/1", "false time: pass 1/1"}, exit.Pass},
	} {
		t.Run(c.name, func(t *testing.T) {
			plan := lyingPlan(t, "repeats: 2, order: "+c.order)
			journal := filepath.Join(t.TempDir(), "journal.jsonl")
			synctest.Test(t, func(t *testing.T) {
				live := attempt{plan: plan, journal: journal, server: liar(t, c.from)}.play(t)
				if d := cmp.Diff(c.want, verdictsOf(live)); d != "" {
					t.Errorf("verdicts (-want +got):\n%s", d)
				}
				if _, code, why := live.Outcome(); code != c.code {
					t.Errorf("ends with %d (%s), want %d", code, why, c.code)
				}
				agrees(t, live, journal)
			})
		})
	}
}

// TestWithdrawn_CutAnywhere: a run that is cut off behind any event and resumed ends with the verdicts of an
// uninterrupted one, also where it was cut between the withdrawal and the verdicts that follow from it.
func TestWithdrawn_CutAnywhere(t *testing.T) {
	dir := inMemory(t)
	plan := lyingPlan(t, "repeats: 1, order: sequential")
	var want any
	var events int
	synctest.Test(t, func(t *testing.T) {
		live := attempt{plan: plan, journal: filepath.Join(dir, "whole.jsonl"), server: liar(t, 1),
			keep: func(event.Event) error { events++; return nil }}.play(t)
		want = result(t, live)
		if c := live.Cells[0]; c.Stale() || !slices.ContainsFunc(c.Notes,
			func(n event.Note) bool { return n.Code == metrics.JudgedAgain && strings.Contains(n.Text, "withdrawn") }) {
			t.Errorf("the first cell does not say that it was judged again: %v", c.Notes)
		}
	})
	killed := errors.New("killed")
	for cut := 1; cut < events; cut++ {
		if raced && cut%4 != 0 {
			continue
		}
		journal := filepath.Join(dir, fmt.Sprintf("cut%d.jsonl", cut))
		n := 0
		synctest.Test(t, func(t *testing.T) {
			attempt{plan: plan, journal: journal, server: liar(t, 1), keep: func(event.Event) error {
				if n++; n > cut {
					return killed
				}
				return nil
			}}.play(t)
		})
		synctest.Test(t, func(t *testing.T) {
			resumed := attempt{plan: plan, journal: journal, server: liar(t, 1)}.play(t)
			got := result(t, resumed)
			if d := cmp.Diff(want, got); d != "" {
				t.Fatalf("cut behind event %d (-uninterrupted +resumed):\n%s", cut, d)
			}
			if d := cmp.Diff(got, result(t, replay(t, journal))); d != "" {
				t.Fatalf("cut behind event %d: the replayed journal differs:\n%s", cut, d)
			}
		})
	}
}

// TestWithdrawn_Budget: what is certain is found with the report that is believed now, and a cell whose repeats were
// enough before the withdrawal is judged again.
func TestWithdrawn_Budget(t *testing.T) {
	for _, order := range []string{"sequential", "interleaved"} {
		plan := lyingPlan(t, "repeats: 6, order: "+order)
		synctest.Test(t, func(t *testing.T) {
			g := &rig{front: func(http.Handler) http.Handler { return liar(t, 6) }}
			withBudget(g, engine.Budget{Time: time.Hour})
			g.play(t, plan, sim.Config{})
			for _, c := range g.fold.Cells {
				for _, v := range c.Verdicts {
					if v.Name != "time" && (v.Verdict != event.Unknown || !strings.Contains(v.Why, "withdrawn")) {
						t.Errorf("%s: %s %s is %s (%s)", order, c.Name(), v.Name, v.Verdict, v.Why)
					}
				}
				if len(c.Verdicts) != 3 || c.Stale() {
					t.Errorf("%s: %s has %d verdicts", order, c.Name(), len(c.Verdicts))
				}
				if n := len(c.Judged()); n != 6 { // more figures from a distrusted report make nothing certain
					t.Errorf("%s: %s played %d repeats, want 6", order, c.Name(), n)
				}
			}
			if _, code, why := g.fold.Outcome(); code != exit.Inconclusive {
				t.Errorf("%s: ends with %d (%s)", order, code, why)
			}
		})
	}
}
