package dsl

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

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

func testLibrary(t *testing.T) *Library {
	t.Helper()
	lib, diags := LoadLibrary(File{Name: "servers.yaml", Data: []byte(testServers)}, File{Name: "models.yaml", Data: []byte(testModels)})
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
func plainRender(_ *Model, messages []Message) (string, bool, error) {
	var b strings.Builder
	for _, m := range messages {
		fmt.Fprintf(&b, "<%s> %s ", m.Role, m.Content)
	}
	return b.String() + "<assistant> ", true, nil
}

func exactOptions() Options {
	return Options{Servers: []string{"big"}, Model: "tiny", Count: countWords, Render: plainRender}
}

func scenario(body string) File {
	return File{Name: "s.yaml", Data: []byte("schema: homellm.scenario/v1\nname: s\ndefaults:\n  history: recorded\n  request: {temperature: 0, max_tokens: 32}\n" + body)}
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
	// What stands in front of the removed document: system text and first document.
	head, _ := countWords(nil, "<system> Answer only from the documents.\n\n"+wrap(&Document{ID: "first", Text: loremA})+"\n\n")
	if after1.Reusable != head/16*16 || !after1.removed {
		t.Errorf("after the removal %+v, and %d tokens stand in front", after1, head)
	}
	if after2.Ceiling < 0.9 || after2.removed {
		t.Errorf("the turn after that recovers: %+v", after2)
	}
	if n := p.Requests(); n != 4*6 {
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

// TestImpossibleThresholds holds which thresholds are refused, where, and with which words.
func TestImpossibleThresholds(t *testing.T) {
	const removed = "tokens stand before the removed document"
	step := func(that string) string {
		return strings.Replace(removalScenario(), "reply: [This., That.]", "reply: [This., That.]\n        assert:\n          - "+that, 1)
	}
	conversation := func(that string) string { return removalScenario() + "    assert:\n      - " + that + "\n" }
	whole := func(that string) string { return removalScenario() + "assert:\n  - " + that + "\n" }
	vars := func(that string) string { return "vars: {min_hit: 0.9}\n" + step(that) }
	tests := []struct {
		body string
		want string // message; "" if it is accepted
	}{
		{step("first_turn.cache.hit_rate > 0.9"), removed},
		{step("0.9 < first_turn.cache.hit_rate"), removed},
		{step("first_turn.cache.hit_rate > 0.4"), ""},
		{step("first_turn.cache.hit_rate < 0.9"), ""},
		{step("turn.cache.hit_rate > 0.9"), ""},
		{step("turn.cache.hit_rate > 0.999"), "have been sent before"},
		{step("step.cache.hit_rate > 0.9"), "no prefix cache can exceed"},
		{step("turn.ok && first_turn.cache.hit_rate >= 0.95"), removed},
		{step("turn.ok || first_turn.cache.hit_rate >= 0.95"), ""},
		{step("first_turn.cache.hit_rate >= 0.9 * first_turn.cache.reusable_rate"), ""},
		{vars("first_turn.cache.hit_rate > vars.min_hit"), removed},
		{vars("first_turn.cache.hit_rate > vars.min_hit / 2"), ""},
		{conversation("steps.after.cache.hit_rate > 0.9"), removed},
		{conversation("steps.q1.cache.hit_rate > 0"), "0 of "},
		{conversation("phases.after_removal.cache.hit_rate > 0.9"), "no prefix cache can exceed"},
		{conversation("conv.cache.hit_rate > 0.9"), "no prefix cache can exceed"},
		{whole("steps.after.cache.hit_rate.min > 0.9"), removed},
		{whole("steps.after.cache.hit_rate.max > 0.9"), ""},
		{whole("steps.after.cache.hit_rate.mean > 0.9"), "no prefix cache can exceed"},
		{whole("steps.after.cache.hit_rate.p50 > 0.999"), "have been sent before"},
		{whole("conversations.main.cache.hit_rate.max > 0.999"), "have been sent before"},
		{whole("phases.with_rag.cache.hit_rate.p50 > 0.999"), "have been sent before"},
		{whole("phases.with_rag.ttft_ms.p95 < 100"), "needs at least 59 values to mean something, and 10 are planned (5 repeats x 2 turns)"},
		{whole("conversations.main.ttft_ms.p90 < 100"), "needs at least 29 values to mean something, and 20 are planned"},
		{whole("{that: conversations.main.ttft_ms.p90 < 100, allow_small_n: true}"), ""},
		{whole("conversations.main.requests.p90 < 100"), "and 5 are planned (5 repeats)"},
	}
	for _, tt := range tests {
		lines := strings.Split(strings.TrimSpace(tt.body), "\n")
		t.Run(lines[len(lines)-1], func(t *testing.T) {
			p, diags := Load(scenario(tt.body), testLibrary(t), vocabulary, exactOptions())
			if tt.want == "" {
				if p == nil {
					t.Errorf("refused: %v", diags)
				}
				return
			}
			if p != nil || !strings.Contains(diags.Error(), tt.want) {
				t.Errorf("%q is not in:\n%v", tt.want, diags)
			}
			for _, d := range diags {
				if d.Severity == Error && (d.Pos.Line == 0 || d.EndCol <= d.Pos.Col) {
					t.Errorf("no place: %+v", d)
				}
			}
		})
	}
}

// TestEstimatesWarn holds that a threshold is refused only if an estimate cannot be at fault.
func TestEstimatesWarn(t *testing.T) {
	opt := exactOptions()
	opt.Count, opt.Render = nil, nil
	p := mustLoad(t, scenario(removalScenario()), opt)
	top := p.Cells[0].Turns[2].Ceiling
	if p.Cells[0].Turns[2].Exact || top < 0.3 || top > 0.92 {
		t.Fatalf("ceiling %v", top)
	}
	for _, tt := range []struct {
		threshold float64
		want      string
	}{
		{top - 0.01, ""},
		{top + 0.01, "warning[plan/ceiling]: a prefix cache is unlikely to exceed about"},
		{top + 0.06, "error[plan/ceiling]: no prefix cache can exceed about"},
	} {
		body := removalScenario() + fmt.Sprintf("    assert:\n      - steps.after.cache.hit_rate > %.4f\n", tt.threshold)
		_, diags := Load(scenario(body), testLibrary(t), vocabulary, opt)
		if text := diags.Error(); !strings.Contains(text, tt.want) || tt.want == "" && strings.Contains(text, "ceiling") {
			t.Errorf("%.4f over %.4f: %s", tt.threshold, top, text)
		}
	}
	warned := strings.Replace(removalScenario(), "reply: [This., That.]", "reply: [This., That.]\n        assert:\n          - {that: first_turn.cache.hit_rate > 0.99, severity: warn}", 1)
	if p, diags := Load(scenario(warned), testLibrary(t), vocabulary, exactOptions()); p == nil || !strings.Contains(diags.Error(), "warning[plan/ceiling]") {
		t.Errorf("an assertion that only warns: %v", diags)
	}
}

func TestIsolationScopes(t *testing.T) {
	two := removalScenario() + `  - id: again
    system: Answer only from the documents.
    steps:
      - {id: load2, inject: {docs: [first, second], into: system}}
      - {id: r1, query: What is it?, reply: A pump.}
`
	ceiling := func(run string) (first, again float64) {
		p := mustLoad(t, scenario("run: {repeats: 2, warmup: 1, isolation: {"+run+"}}\n"+two), exactOptions())
		turns := p.Cells[0].Turns
		return turns[0].Ceiling, turns[len(turns)-1].Ceiling
	}
	for _, tt := range []struct {
		run          string
		first, again bool // whether the first turn, and that of the second conversation, can hit
	}{
		{"cache: salt, scope: conversation", false, false},
		{"cache: salt, scope: repeat", false, true},
		{"cache: salt, scope: run", true, true},
		{"cache: none, allow_contaminated: true", true, true},
	} {
		if first, again := ceiling(tt.run); first > 0.9 != tt.first || again > 0.9 != tt.again {
			t.Errorf("%s: %v and %v", tt.run, first, again)
		}
	}
}

func TestSkips(t *testing.T) {
	plain := "conversations:\n  - id: main\n    steps:\n      - {id: q1, ask: Hello?, reply: Hi.}\n"
	tests := []struct {
		name string
		body string
		opt  func(*Options)
		want string
	}{
		{"fits", plain, func(*Options) {}, ""},
		{"the context is too small", removalScenario(), func(o *Options) { o.ContextSize = 300 },
			"step q1 needs 4"},
		{"the reply alone is too large", plain, func(o *Options) { o.ContextSize = 32 }, "step q1 asks for 32 tokens of reply, and --context-size gives 32"},
		{"the server serves less", removalScenario(), func(o *Options) { o.Servers = []string{"small"} }, "and server small serves 460"},
		{"a server that answers knows better", removalScenario(), func(o *Options) {
			o.Servers = []string{"small"}
			o.Served = func(string) (Served, bool) { return Served{ContextTokens: 8192}, true }
		}, ""},
		{"requires more context", "requires: {context_tokens: 9000}\n" + plain, func(*Options) {}, "requires a context of 9,000 tokens, and model tiny takes 4,096"},
		{"requires a capability", "requires: {capabilities: [cache_report]}\n" + plain, func(o *Options) { o.Servers = []string{"small"} }, "requires cache_report, and server small does not have it"},
		{"a capability that was found to be missing", "requires: {capabilities: [cache_report]}\n" + plain, func(o *Options) {
			o.Served = func(string) (Served, bool) { return Served{Capabilities: map[string]bool{"cache_report": false}}, true }
		}, "requires cache_report"},
		{"a capability only the machine knows", "requires: {capabilities: [gpu]}\n" + plain, func(*Options) {}, ""},
		{"the template refuses", plain, func(o *Options) {
			o.Render = func(*Model, []Message) (string, bool, error) { return "", true, fmt.Errorf("roles must alternate") }
		}, "step q1: roles must alternate"},
		{"a pair the profile does not list", "matrix: {server: [small], model: [other]}\n" + plain, func(o *Options) { o.Servers, o.Model = nil, "" }, "server small does not list model other"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			opt := exactOptions()
			tt.opt(&opt)
			got := mustLoad(t, scenario(tt.body), opt).Cells[0].Skip
			if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	opt := Options{Servers: []string{"small"}, Model: "other"}
	if p, diags := Load(scenario(plain), testLibrary(t), vocabulary, opt); p != nil || !strings.Contains(diags.Error(), "plan/pair") {
		t.Errorf("a pair that the user named and the profile does not list: %v", diags)
	}
}

// TestPlanIsDeterministic loads one file many times, and files that differ in what matters and
// in what does not.
func TestPlanIsDeterministic(t *testing.T) {
	body := "matrix: {n: [40, 50], server: [big, small], model: [tiny]}\nvars: {z: 1, a: 2, m: 3}\ndocuments:\n  - {id: d, synthetic: {tokens: \"${matrix.n}\", seed: 3}}\n" +
		"conversations:\n  - id: main\n    steps:\n      - {id: load, inject: {docs: [d]}}\n      - {id: q1, query: \"${vars.a}?\", reply: Hi., assert: [turn.ttft_ms > vars.z + vars.m]}\n"
	opt := Options{Count: countWords, Render: plainRender}
	read := func(body string) (*Plan, string) {
		p := mustLoad(t, scenario(body), opt)
		var b bytes.Buffer
		if err := p.WriteText(&b); err != nil {
			t.Fatal(err)
		}
		j, err := json.Marshal(p)
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
	same, _ := read("# a comment\n\n" + body)
	other, _ := read(strings.Replace(body, "reply: Hi.", "reply: Ho.", 1))
	if same.Digest != first.Digest {
		t.Error("a comment changes the digest")
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
	body := strings.Replace(removalScenario(), "reply: [This., That.]", "reply: [This., That.]\n        assert:\n          - first_turn.cache.hit_rate > 0.2", 1)
	opt := exactOptions()
	opt.Servers = []string{"big", "small"}
	opt.Unavailable = func(s *Server, path string) string {
		if strings.HasSuffix(path, "cache.hit_rate") && s.Name == "big" {
			return "cache_report.source is none"
		}
		return ""
	}
	p := mustLoad(t, scenario(body), opt)
	var b bytes.Buffer
	if err := p.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"s  s.yaml\n", "cells     2 (1 skipped), one repeat of each cell in turn", "repeats   5, and 1 warm-up",
		"isolation cache salted per repeat", "requests  24: ", "cell 1  big x tiny  " + p.Cells[0].ID,
		"skipped: step q1 needs", "after_removal", "step  step.after.assert[1]  first_turn.cache.hit_rate > 0.2",
		"reads first_turn.cache.hit_rate", "first_turn.cache.hit_rate will be unknown on big: cache_report.source is none",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in\n%s", want, b.String())
		}
	}
	data, err := json.Marshal(p)
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
				Line        int
				Unavailable map[string]string `json:"will_be_unknown"`
			}
		}
	}
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if back.Requests != 24 || len(back.Cells) != 2 || len(back.Cells[0].Turns) != 4 || back.Cells[0].Turns[0].Ceiling == nil ||
		*back.Cells[0].Turns[0].Ceiling != 0 || back.Cells[1].Skip == "" || back.Cells[0].Assertions[0].Line == 0 ||
		back.Cells[0].Assertions[0].Unavailable["first_turn.cache.hit_rate"] == "" {
		t.Errorf("got %+v", back)
	}
}

func TestUnstableTemplatesWarn(t *testing.T) {
	lib := testLibrary(t)
	m := *lib.Model("tiny")
	m.PrefixStable, m.Reason = false, "earlier thoughts are removed"
	lib.Models[0] = &m
	body := strings.Replace(removalScenario(), "reply: [This., That.]", "reply: [This., That.]\n        assert:\n          - turn.cache.hit_rate > 0.2", 1)
	p, diags := Load(scenario(body), lib, vocabulary, exactOptions())
	if p == nil || !strings.Contains(diags.Error(), "so this measures the template") || !strings.Contains(diags.Error(), m.Reason) {
		t.Errorf("%v", diags)
	}
	if p != nil && p.Cells[0].Turns[0].Known {
		t.Error("the ceiling counts as known")
	}
}

func TestFacts(t *testing.T) {
	p := mustLoad(t, scenario("vars: {x: 1}\nmatrix: {n: [2]}\n"+removalScenario()), exactOptions())
	for path, want := range map[string]any{
		"server.name": "big", "server.engine": "vllm", "server.context_tokens": 32768, "server.version": nil,
		"model.name": "tiny", "model.template": "chatml", "model.context_tokens": 4096, "model.quant": nil,
		"vars.x": 1, "matrix.n": 2, "matrix.server": "big", "matrix.z": nil, "turn.ttft_ms": nil,
	} {
		v, ok := p.Cells[0].Fact(path)
		if v.V != want || ok != (want != nil) {
			t.Errorf("%s is %v (%t), want %v", path, v.V, ok, want)
		}
	}
}

func TestCommonPrefixKeepsCharactersWhole(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"abc", "abd", 2}, {"aä", "aö", 1}, {"abc", "abc", 3}, {"ab", "abc", 2}} {
		got := commonPrefix(tt.a, tt.b)
		if got != tt.want || !utf8.ValidString(tt.a[:got]) {
			t.Errorf("%q and %q: %d", tt.a, tt.b, got)
		}
	}
}

func TestDigestTellsValuesApart(t *testing.T) {
	one, two := 1.0, 2.0
	different := []any{
		1, 1.0, "1", true, nil, []string{"a", "b"}, []string{"ab"}, []string{}, map[string]any{"a": 1}, map[string]any{"a": 1.0},
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
	if digest(Document{ID: "a", Pos: Pos{Line: 1}}) != digest(Document{ID: "a", Pos: Pos{Line: 2}}) {
		t.Error("a place in the file decides something")
	}
	many := map[string]any{"a": 1, "b": 2, "c": 3, "d": 4, "e": 5}
	for range 20 {
		if digest(many) != digest(maps.Clone(many)) {
			t.Fatal("the order of a map decides something")
		}
	}
}

// TestTokensThatCanBeReused holds the ceilings of a server that keeps single tokens: a reply that
// the history keeps is in its cache as well, a recorded one is not, and of a prompt that it has
// seen as a whole it computes one token.
func TestTokensThatCanBeReused(t *testing.T) {
	opt := exactOptions()
	opt.Servers = []string{"small"}
	opt.ContextSize = 4096
	turns := mustLoad(t, scenario(removalScenario()), opt).Cells[0].Turns
	if got, want := turns[1].Reusable, turns[0].PromptTokens; got != want {
		t.Errorf("recorded: %d tokens of the second prompt can be reused, and %d were sent before", got, want)
	}
	live := scenario(removalScenario())
	live.Data = []byte(strings.Replace(string(live.Data), "history: recorded", "history: live", 1))
	now := mustLoad(t, live, opt).Cells[0].Turns
	if got, want := now[1].Reusable, now[0].PromptTokens+now[0].ReplyTokens; got != want {
		t.Errorf("live: %d tokens of the second prompt can be reused, and %d were sent or received before", got, want)
	}
	turns = mustLoad(t, scenario("run: {isolation: {scope: run}}\n"+removalScenario()), opt).Cells[0].Turns
	if got, want := turns[0].Reusable, turns[0].PromptTokens-1; got != want {
		t.Errorf("%d tokens of a prompt that was sent before can be reused, want %d", got, want)
	}
}

// TestEstimatesDoNotSkip holds that a cell is not skipped for less than an estimate can be off.
func TestEstimatesDoNotSkip(t *testing.T) {
	plain := Options{Servers: []string{"big"}, Model: "tiny"}
	for _, opt := range []Options{plain, exactOptions()} {
		need := 0
		for _, turn := range mustLoad(t, scenario(removalScenario()), opt).Cells[0].Turns {
			need = max(need, turn.PromptTokens+turn.ReplyTokens)
		}
		for share, skipped := range map[float64]bool{1: false, 0.97: opt.Count != nil, 0.94: true} {
			opt.ContextSize = int(share * float64(need))
			if got := mustLoad(t, scenario(removalScenario()), opt).Cells[0].Skip; got != "" != skipped {
				t.Errorf("exact %t, %d of %d tokens: %q", opt.Count != nil, opt.ContextSize, need, got)
			}
		}
	}
}

// TestRepeatsFromOptionsCountAsSamples holds that the sample floors know --repeats.
func TestRepeatsFromOptionsCountAsSamples(t *testing.T) {
	body := scenario(removalScenario() + "assert:\n  - steps.q1.ttft_ms.p90 < 100\n")
	for repeats, accepted := range map[int]bool{0: false, 28: false, 29: true} {
		opt := exactOptions()
		opt.Repeats = repeats
		if p, diags := Load(body, testLibrary(t), vocabulary, opt); (p != nil) != accepted {
			t.Errorf("%d repeats: %v", repeats, diags)
		}
	}
}
