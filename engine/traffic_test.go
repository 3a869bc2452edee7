package engine_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/sim"
)

// foreignPlan has two cells that take turns on one server and share its cache from one repeat to
// the next, so that a scrape that is kept too long would take the other cell for another client.
const foreignPlan = `schema: homellm.scenario/v1
name: shared
defaults: {request: {temperature: 0, seed: 1, max_tokens: 8, ignore_eos: true}}
run: {warmup: 0, repeats: 2, order: interleaved, isolation: {cache: salt, scope: run}}
matrix: {n: [1, 2]}
conversations:
  - id: main
    system: You answer in one sentence, number ${matrix.n}.
    steps:
      - {id: one, ask: What is first?}
      - {id: two, continue: What is second?}
`

// notesOf are the notes of a code, in order.
func notesOf(fold *metrics.Run, code string) (out []event.Note) {
	for _, c := range fold.Cells {
		for _, n := range c.Notes {
			if n.Code == code {
				out = append(out, n)
			}
		}
	}
	return out
}

func TestTraffic(t *testing.T) {
	guest := func(f sim.Fault) sim.Fault {
		f.Kind, f.Prompt, f.Count = "guest", "number 1", 300
		return f
	}
	for name, c := range map[string]struct {
		faults []sim.Fault
		failed int      // turns
		want   []string // parts of the notes, in order
	}{
		"no other client": {},
		"a request of our own that is given up is not somebody else's": {
			faults: []sim.Fault{{Kind: "hang", Prompt: "number", Token: 2, Every: 3},
				{Kind: "reset", Prompt: "number", Token: 2, Every: 4}},
			failed: 3,
		},
		"refusals": {faults: []sim.Fault{{Kind: "status", Status: 503, Prompt: "number", Every: 2}},
			failed: 4},
		"an answer that is wrong": {faults: []sim.Fault{{Kind: "usage", Count: 3, Prompt: "number"},
			{Kind: "cached", Count: 3, Prompt: "first"}}},
		"once": {
			faults: []sim.Fault{guest(sim.Fault{Times: 1})},
			want: []string{"main/one turn 1, repeat 1: the server also worked for another client: 1 request ended (300 " +
				"prompt tokens, 8 output tokens); the figures are those of a server that is shared"},
		},
		"in every turn": {
			faults: []sim.Fault{guest(sim.Fault{Token: 3})},
			want: []string{
				"main/one turn 1, repeat 1: the server also worked for another client: " +
					"1 request ended (300 prompt tokens, 8 output tokens)",
				"4 of 4 turns shared the server with other clients: in all " +
					"4 requests ended (1200 prompt tokens, 32 output tokens); measure again when no other client uses the server",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			plan := load(t, "shared.yaml", []byte(foreignPlan), library(t))
			synctest.Test(t, func(t *testing.T) {
				var g rig
				g.play(t, plan, sim.Config{Faults: c.faults})
				failed := 0
				for _, r := range g.requests() {
					if r.Err != nil {
						failed++
					}
				}
				if failed != c.failed {
					t.Errorf("%d turns failed, want %d", failed, c.failed)
				}
				got := notesOf(g.fold, "foreign_traffic")
				if len(got) != len(c.want) {
					t.Fatalf("notes %+v, want %q", got, c.want)
				}
				for i, n := range got {
					if !strings.HasPrefix(n.Text, c.want[i]) {
						t.Errorf("note %q, want %q", n.Text, c.want[i])
					}
				}
			})
		})
	}
}

// A conversation with recorded replies continues after a turn that failed. What the server kept of
// that turn's prompt is no sign that isolation does not isolate.
func TestIsolation_AfterAFailedFirstTurn(t *testing.T) {
	const recorded = `schema: homellm.scenario/v1
name: recorded
defaults: {history: recorded, request: {temperature: 0, seed: 1, max_tokens: 8, ignore_eos: true}}
run: {warmup: 0, repeats: 2, error_budget: 50%, isolation: {cache: salt, scope: repeat}}
conversations:
  - id: main
    system: You answer in one sentence, and you know each and every one of the ships that lie in the harbour today.
    steps:
      - {id: one, ask: Which ships are here?, reply: Two ships are here.}
      - {id: two, continue: Where do they lie?, reply: At the quay.}
`
	plan := load(t, "recorded.yaml", []byte(recorded), library(t))
	synctest.Test(t, func(t *testing.T) {
		var g rig
		g.play(t, plan, sim.Config{Faults: []sim.Fault{{Kind: "reset", Token: 2, Prompt: "harbour", Every: 3}}})
		if verdict, code, why := g.fold.Outcome(); len(g.requests()) != 4 || g.requests()[2].Err == nil || code != 0 &&
			code != 4 {
			t.Errorf("%s (%d): %s, %d requests", verdict, code, why, len(g.requests()))
		}
	})
}
