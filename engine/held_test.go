package engine_test

import (
	"bytes"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"homellm/engine/event"
	"homellm/engine/exit"
	"homellm/engine/sim"
)

// TestHeld: a turn that waited for something else than its prompt is no failure of the gate on its time to the first
// token, also if it was the first to be judged, before the others showed what is usual.
func TestHeld(t *testing.T) {
	plan := load(t, "held.yaml", []byte(`schema: homellm.scenario/v1
name: held
defaults: {request: {temperature: 0, seed: 1, max_tokens: 4}}
run: {warmup: 0, repeats: 4, isolation: {cache: salt, scope: repeat}}
conversations:
  - id: main
    steps:
      - {id: first, ask: Which things can you help me with today?, assert: [{name: soon, that: turn.ttft_ms < 300}]}
      - {id: second, ask: And which of them tomorrow?, assert: [{name: never, that: turn.ttft_ms < 1}]}
`), library(t))
	journal := filepath.Join(t.TempDir(), "journal.jsonl")
	synctest.Test(t, func(t *testing.T) {
		server := simulator(t, sim.Config{})
		late := false
		live := attempt{plan: plan, journal: journal, side: true, server: http.HandlerFunc(
			func(w http.ResponseWriter, r *http.Request) {
				if isChat(r) && bytes.Contains(bodyOf(r), []byte("today?")) && !late {
					late = true
					time.Sleep(1500 * time.Millisecond)
				}
				server.ServeHTTP(w, r)
			})}.play(t)
		cell := live.Cells[0]
		if v := cell.Verdicts[0]; v.Name != "soon" || v.Verdict != event.Unknown || v.Passed != 3 || v.Evaluated != 4 ||
			!strings.Contains(v.Why, "(unexplained)") {
			t.Errorf("the gate that one turn may have missed: %s %d/%d: %s", v.Verdict, v.Passed, v.Evaluated, v.Why)
		}
		if v := cell.Verdicts[1]; v.Name != "never" || v.Verdict != event.Fail || v.Passed != 0 {
			t.Errorf("the gate that all turns missed: %s %d/%d", v.Verdict, v.Passed, v.Evaluated)
		}
		i := slices.IndexFunc(cell.Notes, func(n event.Note) bool { return n.Code == "unexplained" })
		if i < 0 || !strings.HasPrefix(cell.Notes[i].Text, "main/first turn 1, repeat 1: the time to the first token is 1500 ms longer") {
			t.Errorf("notes %v", cell.Notes)
		}
		if _, code, why := live.Outcome(); code != exit.Fail {
			t.Errorf("ends with %d (%s)", code, why)
		}
		agrees(t, live, journal)
	})
}
