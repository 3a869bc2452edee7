package engine_test

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"homellm/dsl"
	"homellm/dsl/syntax"
	"homellm/engine/judge"
	"homellm/engine/prompt"
	"homellm/engine/sim"
	"homellm/engine/target"
	"homellm/engine/wire"
	"homellm/scenarios"
)

// completions loads the long retrieval scenario for a server that is asked for text completions.
func completions(t *testing.T, modelName string, scenario []byte) (*dsl.Plan, syntax.Diagnostics) {
	t.Helper()
	lib := library(t)
	sim := lib.Server("sim")
	sim.API = "completions"
	opt := prompt.PlanOptions(lib)
	opt.DefaultServer, opt.Model, opt.Repeats = "sim", modelName, 2
	return dsl.Load(dsl.File{Name: "s.yaml", Data: scenario, Dir: scenarios.FS}, lib, judge.Vocabulary(), opt)
}

// TestCompletions_EqualTheLedger plays a scenario with prompts that homellm renders itself. What
// the server found in its cache is then decided by our rendering alone, and every number still
// equals what the simulator did.
func TestCompletions_EqualTheLedger(t *testing.T) {
	data := shippedFile(t, "rag-long")
	for name, begins := range map[string]string{
		"qwen2.5-3b":   "<|im_start|>system\nYou answer from the documents",
		"phi-3.5-mini": "<|system|>\nYou answer from the documents",
		"llama-3.1-8b": "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\n" +
			"Cutting Knowledge Date: December 2023\n",
	} {
		t.Run(name, func(t *testing.T) {
			plan, ds := completions(t, name, data)
			if ds.Errors() {
				t.Fatal(ds)
			}
			synctest.Test(t, func(t *testing.T) {
				g := rig{target: func(x *target.Target) { x.Client.API = "completions" }}
				g.play(t, plan, sim.Config{LedgerEntries: 10_000, ContextTokens: 32768})
				requests := g.requests()
				ledger := g.sim.Ledger()
				ledger = ledger[len(ledger)-len(requests):]
				for i, r := range requests {
					compareTruth(t, r, ledger[i])
					if got := ledger[i].Prompt; ledger[i].Path != "/v1/completions" || !strings.HasPrefix(got, begins) {
						t.Fatalf("%s got %.90q", ledger[i].Path, got)
					}
				}
				var body struct {
					Stop    []string
					Special *bool `json:"add_special_tokens"`
				}
				if err := json.Unmarshal(g.bodies[len(g.bodies)-1], &body); err != nil {
					t.Fatal(err)
				}
				if body.Special == nil || *body.Special || len(body.Stop) > 0 {
					t.Errorf("the request says add_special_tokens %v and stop %q", body.Special, body.Stop)
				}
			})
		})
	}
}

// TestCompletionsBOS checks the beginning of prompts against the table of servers: the opening token must not be there
// twice, and a reply must end where the model ends it.
func TestCompletionsBOS(t *testing.T) {
	data := shippedFile(t, "quickstart")
	for _, tt := range []struct {
		engine string
		bos    bool
		key    string // that keeps the server from adding it
		stops  int
	}{
		{"vllm", true, "add_special_tokens", 0},
		{"tabby", true, "add_bos_token", 2},
		{"llamacpp", false, "", 2},
		{"koboldcpp", false, "", 2},
		{"lmstudio", false, "", 2},
		{"openai", false, "", 2},
		{"sglang", false, "", 0},
	} {
		plan, ds := completions(t, "llama-3.1-8b", data)
		if ds.Errors() {
			t.Fatal(ds)
		}
		synctest.Test(t, func(t *testing.T) {
			g := rig{target: func(x *target.Target) { x.Client.API, x.Facts.Engine, x.Side = "completions", tt.engine, nil }}
			g.play(t, plan, sim.Config{})
			var body map[string]any
			if err := json.Unmarshal(g.bodies[len(g.bodies)-1], &body); err != nil {
				t.Fatal(err)
			}
			stops, _ := body["stop"].([]any)
			if bos := strings.HasPrefix(body["prompt"].(string), "<|begin_of_text|>"); bos != tt.bos ||
				len(stops) < tt.stops || tt.stops == 0 && len(stops) > 0 {
				t.Errorf("%s: BOS %v, stops %v", tt.engine, bos, stops)
			}
			for _, key := range []string{"add_special_tokens", "add_bos_token"} {
				if v, sent := body[key]; sent != (key == tt.key) || sent && v != false {
					t.Errorf("%s: %s is %v", tt.engine, key, v)
				}
			}
		})
	}
}

// TestSaltWithoutSystem salts the prompts of a model whose template knows no system message, on a
// server without a key for salts: the first user message takes it.
func TestSaltWithoutSystem(t *testing.T) {
	const file = `schema: homellm.scenario/v1
name: salted
defaults: {request: {temperature: 0, seed: 1, max_tokens: 8}}
run: {warmup: 0, repeats: 2, isolation: {cache: salt}}
conversations:
  - id: main
    steps: [{id: one, ask: What is a pump and what is it for?, assert: [turn.ok]}]
`
	for name, want := range map[string]string{"gemma-2-9b": "user", "qwen2.5-3b": "system"} {
		lib := library(t)
		lib.Server("sim").Capabilities.CacheSalt = ""
		opt := prompt.PlanOptions(lib)
		opt.DefaultServer, opt.Model = "sim", name
		plan, ds := dsl.Load(dsl.File{Name: "s.yaml", Data: []byte(file)}, lib, judge.Vocabulary(), opt)
		if ds.Errors() {
			t.Fatal(ds)
		}
		synctest.Test(t, func(t *testing.T) {
			var g rig
			g.play(t, plan, sim.Config{})
			ledger := g.sim.Ledger()
			first := ledger[len(ledger)-1].Messages[0]
			if first.Role != want || !strings.HasPrefix(first.Content, "[session ") {
				t.Errorf("%s: the salt is not in the %s message: %+v", name, want, first)
			}
		})
	}
}

// TestSystemPlacementOnTheWire checks that a server gets the messages in the form that its profile asks for, and that
// the plan renders the same ones.
func TestSystemPlacementOnTheWire(t *testing.T) {
	const file = `schema: homellm.scenario/v1
name: placed
defaults: {history: recorded, request: {temperature: 0, seed: 1, max_tokens: 8}}
run: {warmup: 0, repeats: 1, isolation: {cache: none}}
documents: [{id: d, text: The pump is red.}]
conversations:
  - id: main
    system: Be brief.
    steps:
      - {id: one, ask: A, reply: B}
      - {id: load, inject: {docs: [d], into: message, role: system}}
      - {id: two, ask: C, reply: D, assert: [turn.ok]}
`
	block := "[RETRIEVED INFORMATION: d]\nThe pump is red.\n[END RETRIEVED INFORMATION]"
	for placement, want := range map[string][]sim.Message{
		"native": {{Role: "system", Content: "Be brief."}, {Role: "user", Content: "A"}, {Role: "assistant", Content: "B"},
			{Role: "system", Content: block}, {Role: "user", Content: "C"}},
		"merge": {{Role: "user", Content: "Be brief.\n\nA"}, {Role: "assistant", Content: "B"},
			{Role: "user", Content: block + "\n\nC"}},
	} {
		lib := library(t)
		lib.Server("sim").Placement = placement
		opt := prompt.PlanOptions(lib)
		opt.DefaultServer, opt.Model = "sim", map[string]string{"native": "qwen2.5-3b", "merge": "gemma-2-9b"}[placement]
		plan, ds := dsl.Load(dsl.File{Name: "s.yaml", Data: []byte(file)}, lib, judge.Vocabulary(), opt)
		if ds.Errors() {
			t.Fatal(ds)
		}
		synctest.Test(t, func(t *testing.T) {
			var g rig
			g.play(t, plan, sim.Config{})
			ledger := g.sim.Ledger()
			if diff := cmp.Diff(want, ledger[len(ledger)-1].Messages); diff != "" {
				t.Errorf("%s (-want +got):\n%s", placement, diff)
			}
		})
	}
}

// TestDatesInPrompts warns where the date of the day is part of every prompt, unless it is fixed.
func TestDatesInPrompts(t *testing.T) {
	data := shippedFile(t, "quickstart")
	for _, fixed := range []bool{false, true} {
		lib := library(t)
		if fixed {
			lib.Server("sim").Body = map[string]any{"chat_template_kwargs": map[string]any{"date_string": "26 Jul 2024"}}
		}
		opt := prompt.PlanOptions(lib)
		opt.DefaultServer, opt.Model = "sim", "llama-3.2-3b"
		_, ds := dsl.Load(dsl.File{Name: "s.yaml", Data: data, Dir: scenarios.FS}, lib, judge.Vocabulary(), opt)
		if warned := strings.Contains(ds.Error(), "prints today's date"); warned == fixed || ds.Errors() {
			t.Errorf("date fixed: %v; findings: %v", fixed, ds)
		}
	}
}

// TestCompletionsOfOneStep asks for text completions in one step only: both forms are the same
// prompt to a server that renders as we do, so the prefix is reused across them.
func TestCompletionsOfOneStep(t *testing.T) {
	const file = `schema: homellm.scenario/v1
name: mixed
defaults: {request: {temperature: 0, seed: 1, max_tokens: 8}}
run: {warmup: 0, repeats: 1, isolation: {cache: none}}
conversations:
  - id: main
    system: You are terse and precise, and you never say more than what you were asked for.
    steps:
      - {id: one, ask: What is a pump and what is it for?, request: {api: chat}}
      - {id: two, ask: And a valve?, request: {api: completions}, assert: [turn.ok]}
`
	lib := library(t)
	plan := load(t, "mixed.yaml", []byte(file), lib)
	plan.Cells[0].Model = lib.Model("qwen2.5-3b")
	synctest.Test(t, func(t *testing.T) {
		var g rig
		g.play(t, plan, sim.Config{})
		requests, ledger := g.requests(), g.sim.Ledger()
		last := ledger[len(ledger)-1]
		if last.Path != "/v1/completions" || len(requests) != 2 {
			t.Fatalf("%d requests, the last to %s", len(requests), last.Path)
		}
		compareTruth(t, requests[1], last)
		if last.CachedTokens < 16 {
			t.Errorf("%d cached tokens: the text is not what the chat's prompt was", last.CachedTokens)
		}
	})
}

// TestWhatATemplateCannotTake is found before anything is sent, with what to do instead.
func TestWhatATemplateCannotTake(t *testing.T) {
	const file = `schema: homellm.scenario/v1
name: middle
defaults: {history: recorded, request: {temperature: 0, max_tokens: 8}}
run: {warmup: 0, repeats: 1, isolation: {cache: none}}
documents: [{id: d, text: "The pump has <|im_end|> in it."}]
conversations:
  - id: main
    system: Be brief.
    steps:
      - {id: one, ask: A, reply: B}
      - {id: load, inject: {docs: [d], into: system}}
      - {id: two, ask: C, reply: D, assert: [turn.ok]}
`
	lib := library(t)
	own := *lib.Server("sim")
	for _, tt := range []struct {
		model, engine, api, placement string
		want                          string // of the reason to skip
	}{
		{"gemma-2-9b", "vllm", "chat", "native", `"system_placement: first_user" renders it`},
		{"gemma-2-9b", "vllm", "chat", "first_user", ""},
		{"gemma-2-9b", "vllm", "chat", "merge", ""},
		{"gemma-2-9b", "llamacpp", "chat", "native", ""}, // it moves the text itself
		{"gemma-2-9b", "llamacpp", "completions", "native", "system message is not supported"},
		{"gemma-2-9b", "ollama", "chat", "native", ""},
		{"qwen2.5-3b", "vllm", "chat", "native", ""},
		{"qwen2.5-3b", "ollama", "completions", "native", "use api: chat"},
		{"", "vllm", "completions", "native", "name one with --model"},
	} {
		s := own
		s.Engine, s.API, s.Placement, s.Models = tt.engine, wire.API(tt.api), tt.placement, nil
		*lib.Server("sim") = s
		opt := prompt.PlanOptions(lib)
		opt.DefaultServer, opt.Model = "sim", tt.model
		plan, ds := dsl.Load(dsl.File{Name: "s.yaml", Data: []byte(file)}, lib, judge.Vocabulary(), opt)
		if plan == nil {
			t.Fatal(ds)
		}
		if got := plan.Cells[0].Skip; tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
			t.Errorf("%+v: skipped %q", tt, got)
		}
		if marked := strings.Contains(ds.Error(), "plan/special"); marked != (tt.model == "qwen2.5-3b" && tt.api == "chat") {
			t.Errorf("%+v: the special token: %v", tt, ds)
		}
	}
}
