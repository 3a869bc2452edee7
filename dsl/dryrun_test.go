package dsl

import (
	"fmt"
	"strings"
	"testing"

	"homellm/dsl/syntax"
	"homellm/engine/wire"
)

// TestImpossibleThresholds checks which thresholds are refused, where, and with which message.
func TestImpossibleThresholds(t *testing.T) {
	const removed = "tokens stand before the removed document"
	step := func(that string) string {
		return strings.Replace(removalScenario(), "reply: [This., That.]",
			"reply: [This., That.]\n        assert:\n          - "+that, 1)
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
		{step("step.cache.hit_rate > 0.95"), "no prefix cache can exceed"},
		{step("turn.ok && first_turn.cache.hit_rate >= 0.95"), removed},
		{step("turn.ok || first_turn.cache.hit_rate >= 0.95"), ""},
		{step("first_turn.cache.hit_rate >= 0.9 * first_turn.cache.reusable_rate"), ""},
		{vars("first_turn.cache.hit_rate > vars.min_hit"), removed},
		{vars("first_turn.cache.hit_rate > vars.min_hit / 2"), ""},
		{conversation("steps.after.cache.hit_rate > 0.9"), removed},
		{conversation("steps.q1.cache.hit_rate > 0"), "0 of "},
		{conversation("phases.after_removal.cache.hit_rate > 0.95"), "no prefix cache can exceed"},
		{conversation("conv.cache.hit_rate > 0.9"), "no prefix cache can exceed"},
		{whole("steps.after.cache.hit_rate.min > 0.9"), removed},
		{whole("steps.after.cache.hit_rate.max > 0.9"), ""},
		{whole("steps.after.cache.hit_rate.mean > 0.95"), "no prefix cache can exceed"},
		{whole("steps.after.cache.hit_rate.p50 > 0.999"), "have been sent before"},
		{whole("conversations.main.cache.hit_rate.max > 0.999"), "have been sent before"},
		{whole("phases.with_rag.cache.hit_rate.p50 > 0.999"), "have been sent before"},
		{whole("phases.with_rag.ttft_ms.p95 < 100"), "needs at least 59 repeats to mean something, and 5 are planned (5 " +
			"repeats x 2 turns)"},
		{whole("conversations.main.ttft_ms.p90 < 100"), "needs at least 29 repeats to mean something, and 5 are planned"},
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
				if d.Severity == syntax.Error && (d.Pos.Line == 0 || d.EndCol <= d.Pos.Col) {
					t.Errorf("no place: %+v", d)
				}
			}
		})
	}
}

// TestBlocksOfTheServerWarn checks that a threshold which is out of reach only because of this server's block size
// gives a warning and is not refused: the run will show what the cache does.
func TestBlocksOfTheServerWarn(t *testing.T) {
	opt := exactOptions()
	top := mustLoad(t, scenario(removalScenario()), opt).Cells[0].Turns[2]
	opt.Served = func(string) (Served, bool) { return Served{BlockTokens: 4 * top.PromptTokens}, true }
	for that, want := range map[string]string{
		fmt.Sprintf("%.4f", top.Ceiling-0.1): fmt.Sprintf("warning[plan/ceiling]: the prefix cache of server big cannot exceed "+
			"0.00 here: it keeps whole blocks of %d tokens, and ", 4*top.PromptTokens),
		"0.9500": "error[plan/ceiling]: no prefix cache can exceed 0.00 here",
	} {
		body := removalScenario() + "    assert:\n      - steps.after.cache.hit_rate > " + that + "\n"
		if _, diags := Load(scenario(body), testLibrary(t), vocabulary, opt); !strings.Contains(diags.Error(), want) {
			t.Errorf("%s: %v", that, diags)
		}
	}
}

// TestEstimatesWarn checks that a threshold is refused only if this cannot be the fault of an estimate.
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
	warned := strings.Replace(removalScenario(), "reply: [This., That.]",
		"reply: [This., That.]\n        assert:\n          - {that: first_turn.cache.hit_rate > 0.99, severity: warn}", 1)
	if p, diags := Load(scenario(warned), testLibrary(t), vocabulary, exactOptions()); p == nil ||
		!strings.Contains(diags.Error(), "warning[plan/ceiling]") {
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

// TestExtendedContext: a server that does not say what it serves serves what the model was trained
// for; position scaling has to be switched on.
func TestExtendedContext(t *testing.T) {
	m := &Model{Name: "stretched", Context: Context{Trained: 4096, Extended: 16384}}
	for _, c := range []struct {
		served, given, want int
	}{{0, 0, 4096}, {2048, 0, 2048}, {8192, 0, 8192}, {0, 8192, 8192}, {32768, 0, 16384}} {
		p := &planner{opt: Options{ContextSize: c.given}}
		got, by := p.limit(&Cell{Model: m, Server: &Server{Name: "s", ContextTokens: c.served}})
		if got != c.want || by == "" {
			t.Errorf("served %d, given %d: %q %d, want %d", c.served, c.given, by, got, c.want)
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
		{"the reply alone is too large", plain, func(o *Options) { o.ContextSize = 32 },
			"step q1 asks for 32 tokens of reply, and --context-size gives 32"},
		{"the server serves less", removalScenario(), func(o *Options) { o.Servers = []string{"small"} },
			"and server small serves 460"},
		{"one of two conversations fits", removalScenario() + "  - id: small\n    steps:\n      - {id: hi, ask: Hi?, reply: Hi.}\n",
			func(o *Options) { o.Servers = []string{"small"} }, "serves 460; --context-size 460 plays 1 of the 2 conversations"},
		{"an agent that may call on", agent("live", "      - {id: start, ask: Why?, max_rounds: 16}\n"),
			func(o *Options) { o.Servers = []string{"small"} }, "of reply) if the model calls tools as often as it may, and server " +
				"small serves 460: lower max_rounds, or play a recorded history"},
		{"a server that answers knows better", removalScenario(), func(o *Options) {
			o.Servers = []string{"small"}
			o.Served = func(string) (Served, bool) { return Served{ContextTokens: 8192}, true }
		}, ""},
		{"requires more context", "requires: {context_tokens: 9000}\n" + plain, func(*Options) {},
			"requires a context of 9,000 tokens, and model tiny takes 4,096"},
		{"requires a capability", "requires: {capabilities: [tokenize]}\n" + plain,
			func(o *Options) { o.Servers = []string{"small"} }, "requires tokenize, and server small does not have it"},
		{"what the self-test decides", "requires: {capabilities: [cache_report, usage]}\n" + plain,
			func(o *Options) { o.Servers = []string{"small"} }, ""},
		{"a capability that was found to be missing", "requires: {capabilities: [metrics]}\n" + plain, func(o *Options) {
			o.Served = func(string) (Served, bool) { return Served{Capabilities: map[string]bool{"metrics": false}}, true }
		}, "requires metrics"},
		{"a capability only the machine knows", "requires: {capabilities: [gpu]}\n" + plain, func(*Options) {}, ""},
		{"the template refuses", plain, func(o *Options) {
			o.Render = func(*Server, *Model, []Message, []wire.Tool) (string, bool, error) {
				return "", true, fmt.Errorf("roles must alternate")
			}
		}, "step q1: roles must alternate"},
		{"a pair the profile does not list", "matrix: {server: [small], model: [other]}\n" + plain,
			func(o *Options) { o.Servers, o.Model = nil, "" }, "server small does not list model other"},
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
	if p, diags := Load(scenario(plain), testLibrary(t), vocabulary, opt); p != nil ||
		!strings.Contains(diags.Error(), "plan/pair") {
		t.Errorf("a pair that the user named and the profile does not list: %v", diags)
	}
}

func TestUnstableTemplatesWarn(t *testing.T) {
	lib := testLibrary(t)
	m := *lib.Model("tiny")
	m.PrefixStable, m.Reason = false, "earlier thoughts are removed"
	lib.Models[0] = &m
	body := strings.Replace(removalScenario(), "reply: [This., That.]",
		"reply: [This., That.]\n        assert:\n          - turn.cache.hit_rate > 0.2", 1)
	p, diags := Load(scenario(body), lib, vocabulary, exactOptions())
	if p == nil || !strings.Contains(diags.Error(), "so this measures the template") ||
		!strings.Contains(diags.Error(), m.Reason) {
		t.Errorf("%v", diags)
	}
	if p != nil && p.Cells[0].Turns[0].Known {
		t.Error("the ceiling counts as known")
	}
}

// TestTokensThatCanBeReused checks the ceilings for a server that caches single tokens: a reply that the history keeps
// is cached too, a recorded one is not, and of a prompt that was seen as a whole one token is computed.
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

// TestEstimatesDoNotSkip checks that a cell is not skipped because of a difference that an error of the estimate can
// explain.
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

// TestRepeatsFromOptionsCountAsSamples checks that the minimum sample sizes take --repeats into account.
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
