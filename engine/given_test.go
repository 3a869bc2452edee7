package engine_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"

	"homellm/dsl"
	"homellm/engine/judge"
	"homellm/engine/prompt"
	"homellm/engine/sim"
)

// TestGiven plays conversations that begin with a recorded chat with tools, and with lines of a trace: the requests,
// the tokens that the simulator's cache served, the ceiling and the journal agree.
func TestGiven(t *testing.T) {
	chats := fstest.MapFS{
		"chats/session.json": {Data: []byte(`[{"role": "system", "content": "` +
			strings.Repeat("You mend parsers. ", 40) + `"},
{"role": "user", "content": "Why does it fail?"},
{"role": "assistant", "content": null, "tool_calls": [{"id": "c9", "function": {"name": "read", "arguments": "{}"}}]},
{"role": "tool", "tool_call_id": "c9", "content": "off by one"},
{"role": "assistant", "content": "It is off by one."}]`)},
		"chats/trace.jsonl": {Data: []byte(`{"timestamp": 0, "input_length": 655, "output_length": 52, "hash_ids": [46, 47]}
{"timestamp": 10535, "input_length": 672, "output_length": 26, "hash_ids": [46, 48]}
`)},
	}
	var trace strings.Builder
	for i := range 2 {
		fmt.Fprintf(&trace, "  - id: t%d\n    given: {file: chats/trace.jsonl, line: %d}\n    steps: "+
			"[{id: a%d, ask: Go on., reply: R}]\n", i, i+1, i)
	}
	plan, ds := dsl.Load(dsl.File{Name: "given.yaml", Dir: chats, Data: []byte(`schema: homellm.scenario/v1
name: given
defaults:
  history: recorded
  request: {temperature: 0, max_tokens: 16}
run: {repeats: 1, warmup: 0}
conversations:
  - id: main
    given: {file: chats/session.json}
    steps:
      - {id: q, continue: And now?, reply: Mend it.}
      - {id: q2, continue: And then?, reply: Test it.}
` + trace.String())}, library(t), judge.Vocabulary(), dsl.Options{DefaultServer: "sim",
		Count: prompt.PlanOptions(library(t)).Count, Render: prompt.PlanOptions(library(t)).Render})
	if ds.Errors() {
		t.Fatal(ds)
	}
	synctest.Test(t, func(t *testing.T) {
		var g rig
		g.play(t, plan, sim.Config{LedgerEntries: 100})
		ledger := g.ledger(t)
		requests := g.requests()
		if len(requests) != 4 {
			t.Fatalf("%d requests, want one for each step: %+v", len(requests), g.fold.Cells[0].Planned)
		}
		for i, r := range requests {
			compareTruth(t, r, ledger[i])
		}
		if q := requests[1]; *q.Cached < *requests[0].Usage.Prompt-40 {
			t.Errorf("%d of %d tokens of the second prompt were cached", *q.Cached, *q.Usage.Prompt)
		}
		if q := requests[3]; math.Abs(float64(*q.Cached)/float64(*q.Usage.Prompt)-512.0/680) > 0.02 {
			t.Errorf("%d of %d tokens of the second line were cached, want one block of 512 of 672", *q.Cached,
				*q.Usage.Prompt)
		}
		said := g.fold.Started.Scenario.Conversations
		if a, b := said[0].Given, said[1].Given; a == nil || b == nil || a.From != "chats/session.json" || a.Messages != 5 ||
			b.From != "chats/trace.jsonl:1" || b.Tokens != 655 {
			t.Errorf("the journal says %+v and %+v", a, b)
		}
	})
}
