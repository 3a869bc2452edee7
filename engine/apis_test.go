package engine_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"homellm/dsl"
	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/sim"
	"homellm/engine/target"
	"homellm/engine/wire"
)

// apiAgent is a conversation of an agent that reads a file and then answers.
var apiAgent = []byte(`schema: homellm.scenario/v1
name: apis
defaults:
  history: live
  request: {temperature: 0, max_tokens: 96}
run: {repeats: 2, warmup: 0}
conversations:
  - id: fix
    system: ` + strings.Repeat("You are a coding agent, and look at the files one after the other. ", 6) + `
    tools:
      - name: read_file
        parameters: {type: object, properties: {path: {type: string}}, required: [path]}
        results:
          - {when: 'args.path == "parser.go"', text: The parser is off by one at the end of a line.}
    steps:
      - {id: start, ask: "Where is the parser off?\nCALL read_file {\"path\": \"parser.go\"}"}
      - {id: next, continue: At the end of what is the parser off?}
`)

// told is what was measured of a request, on any API.
type told struct {
	Step, Text, Reasoning string
	Calls                 []sim.Call
	Prompt, Output        int
	Cached, Reusable      int
	TTFT, TPOT            any
	Ended                 bool // the model ended the reply
}

func tellOf(r *event.Request) told {
	each := func(name string) any {
		d, _ := metrics.Lookup(name)
		return d.Each(&metrics.Cell{}, r).V
	}
	out := told{Step: r.Step, Text: r.Text, Reasoning: r.Reasoning, TTFT: each("ttft_ms"), TPOT: each("tpot_ms")}
	for _, c := range r.Calls {
		out.Calls = append(out.Calls, sim.Call{Name: c.Function.Name, Arguments: c.Function.Arguments})
	}
	for _, n := range []struct {
		to   *int
		from *int
	}{{&out.Prompt, r.Usage.Prompt}, {&out.Output, r.Usage.Completion}, {&out.Cached, r.Cached},
		{&out.Reusable, r.Reusable}} {
		*n.to = -1
		if n.from != nil {
			*n.to = *n.from
		}
	}
	return out
}

// TestAPIs plays the same conversation on every API that takes messages, and compares the measurements with the ledger
// by ==: texts, calls, tokens, the cache, and when the first token came. A server that counts cached tokens twice on
// /v1/messages is measured correctly too.
func TestAPIs(t *testing.T) {
	plan := load(t, "apis.yaml", apiAgent, library(t))
	asked := bytes.Replace(apiAgent, []byte("max_tokens: 96"), []byte("max_tokens: 96, api: messages"), 1)
	byRequest := load(t, "apis.yaml", asked, library(t))
	for _, c := range []struct {
		api    wire.API // of the profile
		plan   *dsl.Plan
		config sim.Config
	}{
		{wire.Chat, plan, sim.Config{}},
		{wire.Responses, plan, sim.Config{}},
		{wire.Messages, plan, sim.Config{}},
		{wire.Messages, plan, sim.Config{Wire: sim.Wire{WholeInput: true}}},
		{wire.Chat, byRequest, sim.Config{Wire: sim.Wire{WholeInput: true}}},
	} {
		t.Run(fmt.Sprint(c.api, c.config.Wire.WholeInput), func(t *testing.T) {
			plan := c.plan
			synctest.Test(t, func(t *testing.T) {
				g := rig{target: func(x *target.Target) { x.Client.API = c.api }}
				c.config.Wire.ReasoningTokens = 4
				g.play(t, plan, c.config)
				ledger := g.ledger(t)
				if len(ledger) != 6 {
					t.Fatalf("%d requests", len(ledger))
				}
				for i, r := range g.requests() {
					if r.Err != nil {
						t.Fatalf("%s: %s", r.Step, r.Err.Message)
					}
					e, got := ledger[i], tellOf(&r)
					want := told{Step: r.Step, Text: e.Text, Reasoning: e.Reasoning, Calls: e.Calls, Prompt: e.PromptTokens,
						Output: e.OutputTokens, Cached: e.CachedTokens, Reusable: got.Reusable,
						TTFT: float64(e.TTFT) / float64(time.Millisecond), TPOT: got.TPOT}
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("%s, turn %d (-ledger +measured):\n%s", r.Step, r.Turn, diff)
					}
					if len(e.Calls) == 0 && got.TPOT != float64(e.E2E-e.TTFT)/float64(time.Millisecond)/float64(e.OutputTokens-1) {
						t.Errorf("%s: TPOT %v", r.Step, got.TPOT)
					}
					if (len(r.Calls) == 1) != (r.Step == "start" && r.Turn == 1) || r.Cached != nil && r.Reusable == nil {
						t.Errorf("%s, turn %d: %d calls, %v reusable %s", r.Step, r.Turn, len(r.Calls), r.Reusable, r.ReusableWhy)
					}
					if (r.Turn > 1 || r.Step == "next") && (got.Cached <= 0 || got.Reusable < got.Cached) {
						t.Errorf("%s, turn %d: %d cached of %d reusable", r.Step, r.Turn, got.Cached, got.Reusable)
					}
				}
			})
		})
	}
}

// TestAPIs_Mixed checks that prompt tokens are unknown, and not wrong, for a step on an API whose usage the self-test
// did not see.
func TestAPIs_Mixed(t *testing.T) {
	text := bytes.Replace(apiAgent, []byte("parser off?}"), []byte("parser off?, request: {api: messages}}"), 1)
	plan := load(t, "apis.yaml", text, library(t))
	synctest.Test(t, func(t *testing.T) {
		var g rig
		g.play(t, plan, sim.Config{Wire: sim.Wire{WholeInput: true}})
		for i, r := range g.requests() {
			truth := g.ledger(t)[i].PromptTokens
			if known := r.Step != "next"; r.Err != nil || known != (r.Usage.Prompt != nil) || known && *r.Usage.Prompt != truth {
				t.Errorf("%s: %v prompt tokens, the truth is %d (%v)", r.Step, r.Usage.Prompt, truth, r.Err)
			}
		}
		notes := g.fold.Cells[0].Notes
		if !slices.ContainsFunc(notes, func(n event.Note) bool { return n.Code == "prompt_uncounted" }) {
			t.Errorf("nothing says why: %v", notes)
		}
	})
}

// TestAPIs_ToolChoice checks that a tool_choice which the server ignores is noted with its turn, on every API.
func TestAPIs_ToolChoice(t *testing.T) {
	for _, tt := range []struct {
		choice string
		deaf   bool // the server ignores the tools of the second repeat
		want   string
	}{
		{"required", false, ""},
		{"required", true, "the server ignored tool_choice: required in 1 of 2 turns and did not say so, first in " +
			"fix/next turn 1, repeat 2 (the reply calls no tool)"},
		{"read_file", true, "tool_choice: read_file in 1 of 2 turns"},
		{"auto", true, ""},
	} {
		for _, api := range []wire.API{wire.Chat, wire.Responses, wire.Messages} {
			t.Run(fmt.Sprint(tt.choice, tt.deaf, api), func(t *testing.T) {
				choice := []byte("parser off?, max_rounds: 1, request: {tool_choice: " + tt.choice + "}}")
				text := bytes.Replace(apiAgent, []byte("parser off?}"), choice, 1)
				plan := load(t, "apis.yaml", text, library(t))
				synctest.Test(t, func(t *testing.T) {
					g := rig{target: func(x *target.Target) { x.Client.API = api }}
					var config sim.Config
					if tt.deaf {
						config.Faults = []sim.Fault{{Kind: "no_tools", Prompt: "At the end of what", Every: 2}}
					}
					g.play(t, plan, config)
					said := ""
					for _, n := range g.fold.Cells[0].Notes {
						if n.Code == "tool_choice_ignored" {
							said = n.Text
						}
					}
					if (said == "") != (tt.want == "") || !strings.Contains(said, tt.want) {
						t.Errorf("noted: %q, want %q", said, tt.want)
					}
				})
			})
		}
	}
}

// TestAPIs_Faults checks the outcome of faults on the APIs whose events state their type.
func TestAPIs_Faults(t *testing.T) {
	for name, c := range map[string]struct {
		fault sim.Fault
		class string
	}{
		"an error in the middle": {sim.Fault{Kind: "error", Token: 3}, "server_error"},
		"an early end":           {sim.Fault{Kind: "eof", Token: 3}, "truncated"},
		"cut in an event":        {sim.Fault{Kind: "cut", Token: 3}, "truncated"},
		"broken JSON":            {sim.Fault{Kind: "malformed", Token: 3}, "protocol"},
		"no end of its own":      {sim.Fault{Kind: "no_done"}, ""},
		"no usage":               {sim.Fault{Kind: "no_usage"}, ""},
		"all at once":            {sim.Fault{Kind: "coalesce", Count: 1000}, ""},
		"split characters":       {sim.Fault{Kind: "split_utf8"}, ""},
		"too much to do":         {sim.Fault{Kind: "status", Status: 503}, "overloaded"},
		"another name":           {sim.Fault{Kind: "swap", Body: "other"}, ""},
	} {
		for _, api := range []wire.API{wire.Responses, wire.Messages} {
			t.Run(name+" "+string(api), func(t *testing.T) {
				plan := load(t, "small.yaml", scenarioWith("{warmup: 0, repeats: 1, isolation: {cache: none}}", "turn.ok"),
					library(t))
				synctest.Test(t, func(t *testing.T) {
					g := rig{target: func(x *target.Target) { x.Client.API = api }}
					c.fault.Prompt = "What is" // not in the preflight
					g.play(t, plan, sim.Config{Faults: []sim.Fault{c.fault}})
					for i, r := range g.requests() {
						class := ""
						if r.Err != nil {
							class = r.Err.Class
						}
						e := g.ledger(t)[i]
						if class != c.class || class == "" && r.Text != e.Text {
							t.Errorf("%s: class %q, want %q; text %q, the truth %q", r.Step, class, c.class, r.Text, e.Text)
						}
						if c.fault.Kind == "no_usage" && r.Usage.Completion != nil && *r.Usage.Completion != e.OutputTokens {
							t.Errorf("%s: %d tokens, the truth is %d", r.Step, *r.Usage.Completion, e.OutputTokens)
						}
					}
				})
			})
		}
	}
}
