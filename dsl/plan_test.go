package dsl

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"homellm/dsl/expr"
	"homellm/dsl/syntax"
	"homellm/engine/wire"
)

// TestMain lets garbage grow: hundreds of files are planned and thrown away.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	os.Exit(m.Run())
}

const testServers = `schema: homellm.servers/v1
servers:
  big:
    engine: vllm
    models: [any]
    attach: {url: "http://127.0.0.1:8000"}
    context_tokens: 32768
    capabilities: {streaming: true, usage: true, cache_report: {source: usage, null_means: zero}, block_tokens: 16}
  small:
    engine: llamacpp
    models: [tiny]
    attach: {url: "http://127.0.0.1:8001"}
    context_tokens: 460
    capabilities: {streaming: true, usage: true, cache_report: {source: none}}
`

const testModels = `schema: homellm.models/v1
templates:
  chatml: {prefix_stable: true}
models:
  tiny:
    aliases: [tiny-chat]
    template: chatml
    context: {trained: 4096}
  other:
    template: chatml
    context: {trained: 131072}
`

// vocabulary has what the scenarios of the plan's tests name.
var vocabulary = expr.Vocabulary{
	Turn: []expr.Name{
		{Path: "ok", Kind: expr.Bool},
		{Path: "ttft_ms", Kind: expr.Float, Unit: "ms", Aggregate: true},
		{Path: "prompt_tokens", Kind: expr.Int, Unit: "tokens", Aggregate: true},
		{Path: "cache.hit_rate", Kind: expr.Float, Rate: true, Aggregate: true, Reported: true},
		{Path: "cache.reusable_rate", Kind: expr.Float, Rate: true, Aggregate: true},
	},
	Conversation: []expr.Name{{Path: "requests", Kind: expr.Int}},
}

func testLibrary(t *testing.T) *Library {
	t.Helper()
	lib, diags := LoadLibrary(File{Name: "servers.yaml", Data: []byte(testServers)},
		File{Name: "models.yaml", Data: []byte(testModels)})
	if diags.Errors() {
		t.Fatal(diags)
	}
	return lib
}

// countWords counts a token for each run of letters and each other character.
func countWords(_ *Model, text string) (int, bool) {
	n, in := 0, false
	for _, r := range text {
		switch {
		case r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9':
			if !in {
				n++
			}
			in = true
		case r == ' ' || r == '\n':
			in = false
		default:
			n++
			in = false
		}
	}
	return n, true
}

// plainRender is a template that only appends.
func plainRender(_ *Server, _ *Model, messages []Message, _ []wire.Tool) (string, bool, error) {
	var b strings.Builder
	for _, m := range messages {
		fmt.Fprintf(&b, "<%s> %s ", m.Role, m.Text())
	}
	return b.String() + "<assistant> ", true, nil
}

func exactOptions() Options {
	return Options{Servers: []string{"big"}, Model: "tiny", Count: countWords, Render: plainRender}
}

func scenario(body string) File {
	return File{Name: "s.yaml", Data: []byte("schema: homellm.scenario/v1\nname: s\ndefaults:\n  history: recorded\n  " +
		"request: {temperature: 0, max_tokens: 32}\n" + body)}
}

var (
	loremA = strings.TrimSpace(strings.Repeat("alpha beta gamma delta ", 50))
	loremB = strings.TrimSpace(strings.Repeat("one two three four ", 50))
)

func mustLoad(t *testing.T, f File, opt Options) *Plan {
	t.Helper()
	p, diags := Load(f, testLibrary(t), vocabulary, opt)
	if p == nil {
		t.Fatal(diags)
	}
	return p
}

func TestPlannedTurnsAndCeilings(t *testing.T) {
	p := mustLoad(t, scenario(removalScenario()), exactOptions())
	c := p.Cells[0]
	if c.Skip != "" {
		t.Fatal(c.Skip)
	}
	var steps []string
	for _, turn := range c.Turns {
		steps = append(steps, fmt.Sprintf("%s.%d %s", turn.Step, turn.Turn, turn.Phase))
	}
	want := []string{"q1.1 with_rag", "q2.1 with_rag", "after.1 after_removal", "after.2 after_removal"}
	if d := cmp.Diff(want, steps); d != "" {
		t.Fatalf("(-want +got):\n%s", d)
	}
	q1, q2, after1, after2 := c.Turns[0], c.Turns[1], c.Turns[2], c.Turns[3]
	if q1.Reusable != 0 || q1.Ceiling != 0 || !q1.Known || !q1.Exact {
		t.Errorf("the first turn has seen something: %+v", q1)
	}
	// The whole prompt before and its reply, less the block that is not full.
	if q2.Reusable%16 != 0 || q2.Reusable <= q1.PromptTokens-16 || q2.Reusable >= q2.PromptTokens {
		t.Errorf("second turn: %+v after %+v", q2, q1)
	}
	// The part before the removed document: system text and first document.
	head, _ := countWords(nil, "<system> Answer only from the documents.\n\n"+wrap(&Document{ID: "first",
		Text: loremA})+"\n\n")
	if after1.Reusable != head/16*16 || !after1.removed {
		t.Errorf("after the removal %+v, and %d tokens stand in front", after1, head)
	}
	if after2.Ceiling < 0.9 || after2.removed {
		t.Errorf("the turn after that recovers: %+v", after2)
	}
	if n := p.requests(); n != 4*6 {
		t.Errorf("%d requests, want 24", n)
	}
}

// removalScenario injects two documents into the system message and removes the second.
func removalScenario() string {
	return strings.NewReplacer("LA", loremA, "LB", loremB).Replace(`documents:
  - {id: first, text: "LA"}
  - {id: second, text: "LB"}
conversations:
  - id: main
    system: Answer only from the documents.
    steps:
      - {id: load, inject: {docs: [first, second], into: system}}
      - {id: q1, query: What is it?, reply: A pump.}
      - {id: q2, query: How big?, reply: Two metres.}
      - {id: drop, remove: {docs: [second]}}
      - id: after
        continue: {turns: [And now?, And then?]}
        reply: [This., That.]
`)
}

// TestPlanIsDeterministic loads one file many times, and files that differ in what matters and
// in what does not.
func TestPlanIsDeterministic(t *testing.T) {
	body := "matrix: {n: [40, 50], server: [big, small], model: [tiny]}\nvars: {z: 1, a: 2, m: 3}\ndocuments:\n  - {id: " +
		"d, synthetic: {tokens: \"${matrix.n}\", seed: 3}}\n" +
		"conversations:\n  - id: main\n    steps:\n      - {id: load, inject: {docs: [d]}}\n      - {id: q1, query: " +
		"\"${vars.a}?\", reply: Hi., assert: [turn.ttft_ms > vars.z + vars.m]}\n"
	opt := Options{Count: countWords, Render: plainRender}
	read := func(body string) (*Plan, string) {
		p := mustLoad(t, scenario(body), opt)
		var b bytes.Buffer
		if err := p.WriteText(&b); err != nil {
			t.Fatal(err)
		}
		j, err := json.Marshal(p.Document(nil, true))
		if err != nil {
			t.Fatal(err)
		}
		return p, b.String() + string(j)
	}
	first, text := read(body)
	for range 20 {
		if _, again := read(body); again != text {
			t.Fatalf("two plans of one file differ:\n%s", cmp.Diff(text, again))
		}
	}
	ids := map[string]bool{}
	for _, c := range first.Cells {
		ids[c.ID] = true
		if n, _ := countWords(nil, c.Scenario.Documents[0].Text); n != c.Values["n"] {
			t.Errorf("%s: the document has %d tokens", c, n)
		}
	}
	if len(ids) != 4 {
		t.Errorf("cells share ids: %v", ids)
	}
	same, _ := read("# a comment\n\n" + strings.Replace(body, "- id: main\n", "- id: main\n    title: A title\n", 1))
	other, _ := read(strings.Replace(body, "reply: Hi.", "reply: Ho.", 1))
	if same.Digest != first.Digest {
		t.Error("a comment and a title change the digest")
	}
	for i, c := range other.Cells {
		if c.ID == first.Cells[i].ID {
			t.Errorf("%s keeps its id with another reply", c)
		}
	}
	if other.Digest == first.Digest || same.SHA256 == first.SHA256 {
		t.Error("another reply keeps the digest, or another file its sum")
	}
}

func TestPlanText(t *testing.T) {
	body := strings.Replace(removalScenario(), "reply: [This., That.]",
		"reply: [This., That.]\n        assert:\n          - first_turn.cache.hit_rate > 0.2", 1)
	opt := exactOptions()
	opt.Servers = []string{"big", "small"}
	p := mustLoad(t, scenario(body), opt)
	var b bytes.Buffer
	if err := p.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"s  s.yaml\n", "cells     2 (1 skipped), one repeat of each cell in turn", "repeats   5, and 1 warm-up",
		"isolation cache salted per repeat", "requests  24: ", "cell 1  big x tiny  " + p.Cells[0].ID,
		"skipped: step q1 needs", "after_removal", "step  step.after.assert[1]  first_turn.cache.hit_rate > 0.2",
		"reads first_turn.cache.hit_rate", "the self-test decides whether the server reports it: first_turn.cache.hit_rate",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in\n%s", want, b.String())
		}
	}
	data, err := json.Marshal(p.Document(nil, true))
	if err != nil {
		t.Fatal(err)
	}
	var back struct {
		Requests int
		Cells    []struct {
			Skip  string
			Turns []struct {
				Ceiling *float64 `json:"cache_ceiling"`
			}
			Assertions []struct {
				Line     int
				SelfTest []string `json:"decided_by_self_test"`
			}
		}
	}
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if back.Requests != 24 || len(back.Cells) != 2 || len(back.Cells[0].Turns) != 4 ||
		back.Cells[0].Turns[0].Ceiling == nil ||
		*back.Cells[0].Turns[0].Ceiling != 0 || back.Cells[1].Skip == "" || back.Cells[0].Assertions[0].Line == 0 ||
		!slices.Equal(back.Cells[0].Assertions[0].SelfTest, []string{"first_turn.cache.hit_rate"}) {
		t.Errorf("got %+v", back)
	}
}

// TestSourcesOfConstants: a value that an option has put in place does not stand in the file.
func TestSourcesOfConstants(t *testing.T) {
	body := "vars: {low: 1, high: 9}\nmatrix: {server: [big], n: [2]}\n" + removalScenario() +
		"assert:\n  - steps.q1.ttft_ms.p50 < vars.low + vars.high + matrix.n or matrix.server == matrix.model\n"
	opt := exactOptions()
	opt.Vars = map[string]string{"low": "2"}
	p := mustLoad(t, scenario(body), opt)
	got := map[string]string{}
	for _, o := range p.Cells[0].Scenario.Assert[0].Eval(func(string) expr.Value {
		return expr.Value{V: 110.0,
			Source: "test"}
	}).Operands {
		got[o.Path] = o.Source
	}
	want := map[string]string{
		"steps.q1.ttft_ms.p50": "test", "vars.low": "--var", "vars.high": "s.yaml:6", "matrix.n": "s.yaml:7",
		"matrix.server": "--server", "matrix.model": "--model",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestModelFacts(t *testing.T) {
	c := mustLoad(t, scenario(removalScenario()), exactOptions()).Cells[0]
	c.Model.Sources = []*ModelSource{{Name: "hf", Quant: "awq"}, {Name: "gguf", Quant: "q4_k_m"}}
	c.Model.Engines = map[string]EngineModel{"vllm": {Source: "gguf"}}
	for name, want := range map[string]any{"name": "tiny", "template": "chatml", "context_tokens": 4096, "quant": "q4_k_m",
		"nonsense": nil} {
		if v, ok := c.ModelFact(name); v != want || ok != (want != nil) {
			t.Errorf("%s is %v (%t), want %v", name, v, ok, want)
		}
	}
	c.Model.Engines = nil
	if v, ok := c.ModelFact("quant"); ok {
		t.Errorf("%v was chosen of two sources", v)
	}
}

func TestDigestTellsValuesApart(t *testing.T) {
	one, two := 1.0, 2.0
	different := []any{
		1, 1.0, "1", true, nil, []string{"a", "b"}, []string{"ab"}, []string{}, map[string]any{"a": 1},
		map[string]any{"a": 1.0},
		&one, &two, (*float64)(nil), Ask{Text: "a"}, Ask{Reply: "a"}, Query{Text: "a"},
	}
	seen := map[string]any{}
	for _, v := range different {
		d := digest(v)
		if other, ok := seen[d]; ok {
			t.Errorf("%#v and %#v have one digest", v, other)
		}
		seen[d] = v
	}
	if digest(Document{ID: "a", Pos: syntax.Pos{Line: 1}}) != digest(Document{ID: "a", Pos: syntax.Pos{Line: 2}}) {
		t.Error("a place in the file decides something")
	}
	many := map[string]any{"a": 1, "b": 2, "c": 3, "d": 4, "e": 5}
	for range 20 {
		if digest(many) != digest(maps.Clone(many)) {
			t.Fatal("the order of a map decides something")
		}
	}
}
