package engine_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"homellm/engine"
	"homellm/engine/event"
	"homellm/engine/sim"
	"homellm/engine/target"
)

// A test of a server, which is no turn and has no limit of the scenario's, ends whatever the server sends, and
// it is said what is waited for.
func TestEndlessReplies(t *testing.T) {
	token := `data: {"choices":[{"index":0,"delta":{"content":"x"}}]}` + "\n\n"
	for name, pour := range map[string]func(w io.Writer, n int){
		"tokens": func(w io.Writer, _ int) { fmt.Fprint(w, token); time.Sleep(30 * time.Second) },
		"comments": func(w io.Writer, n int) {
			if n == 0 {
				fmt.Fprint(w, token)
			}
			fmt.Fprint(w, ": still here\n\n")
			time.Sleep(time.Second)
		},
		"a byte a second": func(w io.Writer, n int) {
			fmt.Fprint(w, string(token[n%len(token)]))
			time.Sleep(time.Second)
		},
		"nothing": func(_ io.Writer, _ int) { time.Sleep(10 * time.Second) },
		"events without text": func(w io.Writer, _ int) {
			fmt.Fprint(w, strings.Replace(token, `"content":"x"`, "", 1))
			time.Sleep(10 * time.Second)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dial, shut := sim.Pipe(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Content-Type", "text/event-stream")
					for n := 0; r.Context().Err() == nil; n++ {
						pour(w, n)
						_ = http.NewResponseController(w).Flush() // the client may have gone
					}
				}))
				defer shut()
				told := ""
				g := &rig{
					target: func(to *target.Target) { to.Client.Dial, to.Side = dial, nil },
					options: func(o *engine.Options) {
						o.Progress = func(p engine.Progress) { told += p.Waiting }
					},
				}
				plan := load(t, "endless.yaml", []byte(`schema: homellm.scenario/v1
name: endless
defaults:
  history: recorded
  timeout: 10s
  request: {temperature: 0, seed: 1, max_tokens: 8}
run: {warmup: 0, repeats: 1, isolation: {cache: none}, error_budget: 100%}
conversations:
  - id: main
    steps:
      - {id: one, ask: Who goes there?, reply: Nobody}
`), library(t))
				began := time.Now()
				_ = g.try(t, plan, simulator(t, sim.Config{})) // how it ends is not the question
				// The test and the turn have the timeout of the turn.
				if took := time.Since(began); took > 21*time.Second {
					t.Errorf("the run took %v, and a test may take no longer than a turn, 10 s", took)
				}
				if !strings.Contains(told, "a reply of http://sim to a test, for 10s at most") {
					t.Errorf("told: %q", told)
				}
			})
		})
	}
}

// A page of metrics that comes a byte a second costs seconds, and what rests on it is unknown.
func TestEndlessMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := load(t, "small.yaml", scenarioWith("{warmup: 0, repeats: 2, isolation: {cache: salt}}", "turn.ok"),
			library(t))
		server := simulator(t, sim.Config{})
		g := &rig{front: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/metrics" {
					next.ServeHTTP(w, r)
					return
				}
				w.Header().Set("Content-Type", "text/plain")
				for r.Context().Err() == nil {
					fmt.Fprint(w, "#")
					_ = http.NewResponseController(w).Flush() // the client may have gone
					time.Sleep(time.Second)
				}
			})
		}}
		began := time.Now()
		if err := g.try(t, plan, server); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > 15*time.Second {
			t.Errorf("the run took %v", took)
		}
		if n := len(g.requests()); n != 4 {
			t.Errorf("%d turns were played", n)
		}
		if !slices.ContainsFunc(g.fold.Cells[0].Notes, func(n event.Note) bool { return n.Code == "metrics_unreadable" }) {
			t.Errorf("notes %+v", g.fold.Cells[0].Notes)
		}
	})
}
