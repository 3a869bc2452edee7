package engine_test

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"homellm/dsl"
	"homellm/engine/event"
	"homellm/engine/exit"
	"homellm/engine/metrics"
	"homellm/engine/sim"
)

// manuals are three files about different things, each longer than a chunk.
var manuals = fstest.MapFS{
	"docs/pump_manual.md": {Data: []byte("The pump stands in the cellar. " +
		strings.Repeat("Its filter is rinsed monthly. ", 20) +
		"To bleed the pump, open the brass screw until water comes without bubbles. " +
		strings.Repeat("The pressure vessel holds eighteen litres. ", 20))},
	"docs/boat_rules.md": {Data: []byte("The key of the boathouse hangs in the bakery. " +
		strings.Repeat("Whoever rows signs the logbook. ", 20))},
	"docs/rye_bread.md": {Data: []byte("Sourdough rests overnight. " +
		strings.Repeat("Rye needs less kneading than wheat. ", 20))},
}

// cellar is a scenario that retrieves twice from the manuals; settings go to both steps.
func cellar(run, settings string) []byte {
	return []byte(`schema: homellm.scenario/v1
name: cellar
run: ` + run + `
defaults: {history: recorded, request: {temperature: 0, max_tokens: 32}}
corpora:
  - {id: manuals, files: docs/*.md, chunk: {tokens: 64, overlap: 8}}
conversations:
  - id: main
    system: You answer in one sentence.
    steps:
      - {id: hello, ask: Good morning., reply: Good morning to you.}
      - {id: find, retrieve: {query: How is the pump bled of bubbles?, from: manuals, top_k: 2, expect: [pump_manual]` +
		settings + `}}
      - {id: bleed, query: How is the pump bled?, reply: By the brass screw.}
      - {id: clear, remove: {docs: [manuals]}}
      - {id: find_key, retrieve: {query: Where hangs the key of the boathouse?, from: manuals, top_k: 3, into: message,
          expect: [boat_rules.md, docs/rye_bread.md]` + settings + `}}
      - {id: key, query: {text: Where is the key?, docs: [manuals]}, reply: In the bakery.}
      - {id: more, continue: Thank you., reply: You are welcome.}
assert:
  - run.requests_failed == 0
`)
}

// What is measured of a retrieval is what the simulator took, in virtual time with ==; what comes goes into the prompt,
// is within what was planned, and the ceiling of the run is computed from it.
func TestRetrieve_EqualsTheLedger(t *testing.T) {
	for name, settings := range map[string]string{"embeddings": "", "reranked": ", rerank: true"} {
		t.Run(name, func(t *testing.T) {
			plan := loadIn(t, manuals, "cellar.yaml", cellar("{repeats: 2, warmup: 1}", settings), library(t))
			synctest.Test(t, func(t *testing.T) {
				var g rig
				g.play(t, plan, sim.Config{})
				ledger, searches := g.ledger(t), g.sim.Retrievals()
				allPass(t, g.fold)
				cell := g.fold.Cells[0]

				corpus := plan.Cells[0].Scenario.Corpora[0]
				index, want := time.Duration(0), 0
				for len(searches) > 0 && want < len(corpus.Chunks) {
					index, want = index+searches[0].Took, want+len(searches[0].Texts)
					searches = searches[1:]
				}
				if got := cell.Observed("retrieve.index_ms"); got.V != any(event.Milliseconds(index)) {
					t.Errorf("index_ms is %v (%s), want %v", got.V, got.Why, event.Milliseconds(index))
				}
				for i, r := range g.requests() {
					compareTruth(t, r, ledger[i])
					if len(r.Retrieved) != map[string]int{"bleed": 1, "key": 1}[r.Step] {
						t.Fatalf("%s: %d retrievals", r.Step, len(r.Retrieved))
					}
					blocks := 0
					for _, m := range ledger[i].Messages {
						blocks += strings.Count(m.Content, blockOpen)
					}
					if want := map[string]int{"bleed": 2, "key": 3, "more": 3}[r.Step]; blocks != want {
						t.Errorf("%s: the prompt has %d chunks, want %d", r.Step, blocks, want)
					}
					for _, found := range r.Retrieved {
						if found.Embed != searches[0].Took {
							t.Errorf("%s: embedding took %v, want %v", r.Step, found.Embed, searches[0].Took)
						}
						searches = searches[1:]
						if settings != "" {
							if found.Rerank == nil || *found.Rerank != searches[0].Took || len(searches[0].Texts) < 8 {
								t.Errorf("%s: reranking %d chunks took %v, want %v", r.Step, len(searches[0].Texts), found.Rerank,
									searches[0].Took)
							}
							searches = searches[1:]
						}
						prompt := ledger[i].Messages
						for _, f := range found.Chunks {
							has := slices.ContainsFunc(prompt, func(m sim.Message) bool {
								return strings.Contains(m.Content, corpus.Chunks[chunkNumber(t, f.ID)].Text)
							})
							if !has {
								t.Errorf("%s: chunk %s is not in the prompt", r.Step, f.ID)
							}
						}
						if !slices.IsSortedFunc(found.Chunks, func(a, b event.Found) int { return int(1000 * (b.Score - a.Score)) }) {
							t.Errorf("%s: chunks are not in the order of their scores: %v", r.Step, found.Chunks)
						}
					}
				}
				if len(searches) > 0 {
					t.Errorf("%d requests to the services are in no record", len(searches))
				}
				within(t, plan.Cells[0], cell)
				look := cell.Lookup("scenario", 0, "", "")
				for path, want := range map[string]any{
					"steps.bleed.retrieve.recall.mean": 1.0, "steps.key.retrieve.recall.mean": 0.5,
					"phases.with_rag.retrieve.recall.mean": 0.75,
				} {
					if v := look(path); v.V != want {
						t.Errorf("%s is %v (%s), want %v", path, v.V, v.Why, want)
					}
				}
			})
		})
	}
}

func chunkNumber(t *testing.T, id string) int {
	t.Helper()
	at := slices.Index([]string{"manuals_0001", "manuals_0002", "manuals_0003", "manuals_0004", "manuals_0005",
		"manuals_0006",
		"manuals_0007", "manuals_0008", "manuals_0009", "manuals_0010", "manuals_0011", "manuals_0012", "manuals_0013"}, id)
	if at < 0 {
		t.Fatalf("there is no chunk %s", id)
	}
	return at
}

// within checks that prompts and ceilings of a cell are in the intervals of the plan.
func within(t *testing.T, planned *dsl.Cell, cell *metrics.Cell) {
	t.Helper()
	for _, p := range planned.Turns {
		for _, r := range cell.Measured(metrics.Group{Step: p.Step, Turn: p.Turn}) {
			low, high := p.PromptTokens, p.PromptTokens
			if p.Retrieved {
				low = p.Least.PromptTokens
			}
			n := *r.Usage.Prompt
			if slack := 5 + n/10; n < low-slack || n > high+slack { // the plan estimates
				t.Errorf("%s: the prompt has %d tokens, planned were %d to %d", p.Step, n, low, high)
			}
			if p.Retrieved && (low >= high || p.Least.Ceiling > p.Ceiling) {
				t.Errorf("%s: planned were %d to %d tokens, and a ceiling from %v to %v", p.Step, low, high, p.Least.Ceiling,
					p.Ceiling)
			}
			if share := float64(*r.Reusable) / float64(n); p.Retrieved && (share < p.Least.Ceiling-0.05 ||
				share > p.Ceiling+0.05) {
				t.Errorf("%s: the ceiling is %v, planned was %v to %v", p.Step, share, p.Least.Ceiling, p.Ceiling)
			}
		}
	}
}

// Every fault of a service is told with what is wrong, and no answer is made up for it: the request that needed it is
// not sent and has failed, or the cell could not be played.
func TestRetrieve_Faults(t *testing.T) {
	const embeddings, rerank = "/v1/embeddings", "/v1/rerank"
	// The corpus takes the first request, and the warm-up's searches come next.
	for name, c := range map[string]struct {
		fault sim.Fault
		why   string
		index bool // the corpus cannot be embedded
	}{
		"another dimension": {sim.Fault{Kind: "dimension", Requests: []int{2}}, "the vector of the query has 1023 numbers, " +
			"and those of the chunks have 1024", false},
		"NaN in a vector": {sim.Fault{Kind: "nan", Path: embeddings, Requests: []int{2}},
			"has a number that is NaN or infinite", false},
		"NaN in the corpus": {sim.Fault{Kind: "nan", Path: embeddings, Requests: []int{1}},
			"has a number that is NaN or infinite", true},
		"no vector": {sim.Fault{Kind: "fewer", Path: embeddings, Requests: []int{2}},
			"vectors of 1 texts: 1 were asked for and 0 came", false},
		"too few vectors": {sim.Fault{Kind: "fewer", Path: embeddings, Requests: []int{1}}, "were asked for and", true},
		"no embeddings":   {sim.Fault{Kind: "status", Status: 404, Path: embeddings}, "answers HTTP 404", true},
		"slow": {sim.Fault{Kind: "delay", Delay: sim.Duration(2 * time.Minute), Path: embeddings,
			Requests: []int{2}}, "no reply within 1m0s", false},
		"too few ranks":       {sim.Fault{Kind: "fewer", Path: rerank}, "8 were asked for and 7 came", false},
		"an order of its own": {sim.Fault{Kind: "unsorted"}, "are not in the order of their scores", false},
		"NaN for a score":     {sim.Fault{Kind: "nan", Path: rerank}, "has a number that is NaN or infinite", false},
		"no reranker":         {sim.Fault{Kind: "status", Status: 404, Path: rerank}, "answers HTTP 404", false},
		"a server out of luck": {sim.Fault{Kind: "status", Status: 500, Path: rerank},
			"answers HTTP 500: a fault that was asked for", false},
	} {
		t.Run(name, func(t *testing.T) {
			plan := loadIn(t, manuals, "cellar.yaml", cellar("{repeats: 1, warmup: 0}", ", rerank: true"), library(t))
			synctest.Test(t, func(t *testing.T) {
				var g rig
				g.play(t, plan, sim.Config{Faults: []sim.Fault{c.fault}})
				cell := g.fold.Cells[0]
				if c.index {
					if cell.Failed == nil || !strings.Contains(cell.Failed.Err, c.why) {
						t.Fatalf("the cell failed with %+v, want %q", cell.Failed, c.why)
					}
					return
				}
				requests := g.requests()
				last := requests[len(requests)-1]
				if last.Step != "bleed" || last.Err == nil || last.Err.Class != "retrieval" || last.Sent != nil ||
					!strings.Contains(last.Err.Message, c.why) || !strings.Contains(last.Err.Message, "step find:") {
					t.Errorf("%s: %+v, want %q", last.Step, last.Err, c.why)
				}
				if verdict, code, why := g.fold.Outcome(); code != exit.Requests {
					t.Errorf("%v: %s (%s)", code, verdict, why)
				}
			})
		})
	}
}
