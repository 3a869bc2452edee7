package expr

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"homellm/dsl/figure"
	"homellm/dsl/syntax"
	"homellm/schema"
)

// vocabulary is a small one with a name of every sort.
var vocabulary = Vocabulary{
	Turn: []Name{
		{Path: "ok", Kind: Bool},
		{Path: "ttft_ms", Kind: Float, Unit: "ms", Aggregate: true},
		{Path: "prompt_tokens", Kind: Int, Unit: "tokens", Aggregate: true},
		{Path: "cache.hit_rate", Kind: Float, Rate: true, Aggregate: true},
		{Path: "cache.cached_tokens", Kind: Int, Unit: "tokens", Aggregate: true},
		{Path: "cache.reusable_rate", Kind: Float, Rate: true, Aggregate: true},
		{Path: "text", Kind: String},
		{Path: "finish_reason", Kind: String},
		{Path: "server.queue_ms", Kind: Float, Unit: "ms"},
	},
	Conversation: []Name{
		{Path: "requests", Kind: Int},
		{Path: "requests_failed", Kind: Int},
	},
	Run: []Name{{Path: "streams_truncated", Kind: Int}, {Path: "error_rate", Kind: Float, Rate: true}},
	Cell: []Name{
		{Path: "gpu.power_w", Kind: Float, Unit: "W"},
		{Path: "energy_j", Kind: Float, Unit: "J"},
	},
}

// testSchema accepts an object with a number.
var testSchema, _ = schema.NewAnswerSchema(map[string]any{"type": "object", "required": []any{"torque"},
	"properties": map[string]any{"torque": map[string]any{"type": "number"}}})

func testScope(of figure.Scope) *scope {
	return &scope{
		names: NewNames(vocabulary),
		env: Env{
			Scope:         of,
			Steps:         []string{"load", "q1", "drop"},
			LaterSteps:    []string{"own", "last_words"},
			Conversations: []string{"main"},
			Turns:         map[string]int{"load": 1, "q1": 2, "drop": 0},
			Repeats:       12,
			Schemas:       map[string]*schema.AnswerSchema{"schema": testSchema},
			Vars:          map[string]any{"min_hit": 0.5, "topic": "orbits", "n": 3, "strict": true, "bad": "("},
			Matrix:        map[string]any{"doc_tokens": 1024, "server": "sim"},
			Declared:      func(path string) string { return "file.yaml:7" },
		},
	}
}

// values of a run in which some things were not measured.
func testLookup(path string) Value {
	known := map[string]any{
		"turn.ok": true, "turn.ttft_ms": 120.0, "turn.prompt_tokens": 1000, "turn.text": "torque 41 newton metres",
		"turn.finish_reason": "stop", "first_turn.ttft_ms": 200.0, "turn.cache.reusable_rate": 0.0,
		"steps.q1.ttft_ms": 100.0, "steps.q1.ttft_ms.p50": 110.0, "steps.q1.ttft_ms.n": 24, "repeat": 2,
		"run.streams_truncated": 0, "gpu.power_w.mean": 200, "energy_j": math.Inf(1), "turn.server.queue_ms": math.NaN(),
		"server.engine": "vllm",
	}
	if v, ok := known[path]; ok {
		return Value{V: v, Source: "test"}
	}
	return Value{Why: "the server does not report it"}
}

func mustCompile(t *testing.T, of figure.Scope, text string) *Assertion {
	t.Helper()
	p, problems := compileExpr(text, testScope(of), false)
	if p == nil {
		t.Fatalf("%s: %v", text, problems)
	}
	return &Assertion{That: text, Scope: of, program: p}
}

func TestEval(t *testing.T) {
	tests := []struct {
		scope   figure.Scope
		that    string
		verdict Verdict
		why     string
	}{
		{figure.StepScope, "turn.ttft_ms < 200", Pass, ""},
		{figure.StepScope, "turn.ttft_ms > 200", Fail, ""},
		{figure.StepScope, `turn["ttft_ms"] < 200`, Pass, ""},
		{figure.StepScope, "turn.ok && turn.finish_reason in ['stop', 'length']", Pass, ""},
		{figure.StepScope, "100 < turn.ttft_ms < 130", Pass, ""},
		{figure.StepScope, "100 < turn.ttft_ms / 2 < 130", Fail, ""},
		{figure.StepScope, "not (turn.text contains 'torque 41')", Fail, ""},
		{figure.StepScope, `turn.text matches "torque \\d+"`, Pass, ""},
		{figure.StepScope, "turn.text startsWith 'torque'", Pass, ""},
		{figure.StepScope, "lower(turn.text) endsWith 'metres'", Pass, ""},
		{figure.StepScope, "turn.text not contains vars.topic", Pass, ""},
		{figure.StepScope, "len(split(turn.text, ' ')) == 4", Pass, ""},
		{figure.StepScope, "any(split(turn.text, ' '), # == '41')", Pass, ""},
		{figure.StepScope, "all(map(split(turn.text, ' '), len(#)), # > 5)", Fail, ""},
		{figure.StepScope, "split(turn.text, ' ')[1] == '41'", Pass, ""},
		{figure.StepScope, "split(turn.text, ' ')[9] == '41'", Unknown, "index out of range"},
		{figure.StepScope, "let d = turn.ttft_ms - steps.q1.ttft_ms; 0 <= d and d <= 30", Pass, ""},
		{figure.StepScope, "turn.ttft_ms < 2 * steps.q1.ttft_ms", Pass, ""},
		{figure.StepScope, "pct_change(turn.ttft_ms, steps.q1.ttft_ms) <= 0.2", Pass, ""},
		{figure.StepScope, "within(turn.ttft_ms, 119.5, 1)", Pass, ""},
		{figure.StepScope, "ratio(turn.prompt_tokens, 10) >= 100", Pass, ""},
		{figure.StepScope, "abs(turn.ttft_ms - 130) < 11", Pass, ""},
		{figure.StepScope, "max(turn.ttft_ms, turn.prompt_tokens) == 1000", Pass, ""},
		{figure.StepScope, "turn.prompt_tokens % 16 == 8", Pass, ""},
		{figure.StepScope, "2 ** 3 < turn.ttft_ms", Pass, ""},
		{figure.StepScope, "turn.prompt_tokens >= matrix.doc_tokens - 100", Pass, ""},
		{figure.StepScope, "vars.strict && turn.ok", Pass, ""},
		{figure.StepScope, "vars.strict ? turn.ok : turn.ttft_ms < 1", Pass, ""},
		{figure.StepScope, "repeat == 2 && turn.ok", Pass, ""},
		{figure.StepScope, "server.engine == 'vllm'", Pass, ""},

		// Three-valued: what does not depend on the unknown value is decided.
		{figure.StepScope, "turn.cache.hit_rate > 0.5", Unknown,
			"turn.cache.hit_rate is unknown: the server does not report it"},
		{figure.StepScope, "turn.ttft_ms > 200 && turn.cache.hit_rate > 0.5", Fail, ""},
		{figure.StepScope, "turn.ttft_ms < 200 || turn.cache.hit_rate > 0.5", Pass, ""},
		{figure.StepScope, "turn.cache.hit_rate > 0.5 || turn.ok", Pass, ""},
		{figure.StepScope, "!(turn.cache.hit_rate > 0.5)", Unknown, "turn.cache.hit_rate"},
		{figure.StepScope, "known(turn.cache.hit_rate)", Fail, ""},
		{figure.StepScope, "known(turn.ttft_ms)", Pass, ""},
		{figure.StepScope, "known(turn.ttft_ms / turn.cache.hit_rate)", Fail, ""},
		{figure.StepScope, "!known(turn.cache.hit_rate) || turn.cache.hit_rate > 0.5", Pass, ""},
		{figure.StepScope, "(turn.cache.hit_rate ?? 1) > 0.5", Pass, ""},
		{figure.StepScope, "(turn.cache.hit_rate ?? 0) > 0.5", Fail, ""},
		{figure.StepScope, "(turn.ttft_ms ?? 0) > 100", Pass, ""},
		{figure.StepScope, "(turn.cache.hit_rate ?? steps.q1.cache.hit_rate ?? 0.7) == 0.7", Pass, ""},
		{figure.StepScope, "(turn.cache.hit_rate ?? turn.ttft_ms ?? turn.server.queue_ms) > 100", Pass, ""},
		{figure.StepScope, "known(turn.cache.hit_rate ?? turn.ttft_ms)", Pass, ""},
		{figure.StepScope, "(turn.finish_reason ?? 'none') == 'stop'", Pass, ""},
		{figure.StepScope, "(turn.cache.cached_tokens ?? 0.5) == 0.5", Pass, ""},

		// What expr would let pass.
		{figure.StepScope, "turn.ttft_ms / turn.cache.reusable_rate > 1", Unknown, "division by zero"},
		{figure.StepScope, "ratio(1, turn.cache.reusable_rate) > 1", Unknown, "division by zero"},
		{figure.StepScope, "pct_change(1, turn.cache.reusable_rate) > 1", Unknown, "division by zero"},
		{figure.StepScope, "turn.prompt_tokens % (turn.prompt_tokens - 1000) == 0", Unknown, "division by zero"},
		{figure.StepScope, "turn.prompt_tokens ** 400 > 1", Unknown, "not a number"},
		{figure.StepScope, "!(turn.server.queue_ms > 0.5)", Unknown, "not a number"},
		{figure.StepScope, "all(filter(split(turn.text, ' '), # == 'x'), # == 'y')", Unknown, "no element to look at"},
		{figure.StepScope, "!any(filter(split(turn.text, ' '), # == 'x'), # == 'y')", Unknown, "no element to look at"},
		{figure.StepScope, "count(split(turn.text, ' '), # == 'x') == 0", Pass, ""},
		{figure.StepScope, "find(split(turn.text, ' '), # != 'torque') == '41'", Pass, ""},
		{figure.StepScope, "find(split(turn.text, ' '), # == 'x') != 'y'", Unknown, "no element to look at"},
		{figure.StepScope, "sum(filter(map(split(turn.text, ' '), len(#)), # > 100)) == 0", Unknown, "no element to look at"},
		{figure.StepScope, "sum(filter(split(turn.text, ' '), # == 'x'), len(#)) < 5", Unknown, "no element to look at"},
		{figure.StepScope, "sum(map(split('a bcd', ' '), len(#))) == 4 and sum(split(turn.text, ' '), len(#)) / 2 > 1", Pass,
			""},
		{figure.StepScope, "len(filter(split(turn.text, ' '), len(#) > 5)) == 3", Pass, ""},
		{figure.StepScope, "sum(map(split(turn.text, ' '), len(#))) > 12", Pass, ""},
		{figure.StepScope, "join(split(turn.text, ' '), '-') contains '41-newton'", Pass, ""},
		{figure.StepScope, "int(turn.ttft_ms / 7) == 17 && float(turn.prompt_tokens) > 1 && string(repeat) == '2'", Pass, ""},
		{figure.StepScope, "turn.text[0:6] == 'torque' && trim(' x ') == 'x' && upper('a') == 'A'", Pass, ""},
		{figure.StepScope, "floor(2.5) + ceil(2.5) + round(2.4) == 7 && min(turn.ttft_ms, 3) == 3", Pass, ""},
		{figure.StepScope, "one([1, 2], # == 2) && none([1, 2], # == 3) && turn.ok", Pass, ""},

		{figure.ConversationScope, "conv.requests_failed == 0", Unknown, "conv.requests_failed"},
		{figure.ConversationScope, "steps.q1.ttft_ms < 101 && phases.with_rag.turns > 3", Unknown, "phases.with_rag.turns"},
		{figure.ScenarioScope, "steps.q1.ttft_ms.p50 < 111 and steps.q1.ttft_ms.n == 24", Pass, ""},
		{figure.ScenarioScope, "run.streams_truncated == 0", Pass, ""},
		{figure.ScenarioScope, "gpu.power_w.mean < 200.5", Pass, ""},
		{figure.ScenarioScope, "gpu.power_w < 200.5", Unknown, "gpu.power_w"},
		{figure.ScenarioScope, "energy_j < 10", Unknown, "not a number"},
		{figure.ScenarioScope, "conversations.main.requests.max < 9", Unknown, "conversations.main.requests.max"},
		{figure.ScenarioScope, "conversations.main.cache.hit_rate.mean < 0.5 && phases.before.ttft_ms.p50 > 1", Unknown, ""},
	}
	for _, tt := range tests {
		t.Run(tt.that, func(t *testing.T) {
			r := mustCompile(t, tt.scope, tt.that).Eval(testLookup)
			if r.Verdict != tt.verdict || !strings.Contains(r.Why, tt.why) || (tt.verdict != Unknown && r.Why != "") {
				t.Errorf("got %s (%s), want %s (%s)", r.Verdict, r.Why, tt.verdict, tt.why)
			}
		})
	}
}

func TestOperandsAreCompleteAndInOrder(t *testing.T) {
	a := mustCompile(t, figure.StepScope, "turn.ttft_ms > 200 && turn.cache.hit_rate > vars.min_hit && turn.ttft_ms < 900")
	asked := map[string]int{}
	r := a.Eval(func(path string) Value {
		asked[path]++
		return testLookup(path)
	})
	want := []Operand{
		{"turn.ttft_ms", Value{V: 120.0, Unit: "ms", Source: "test"}},
		{"turn.cache.hit_rate", Value{Why: "the server does not report it"}},
		{"vars.min_hit", Value{V: 0.5, Source: "file.yaml:7"}},
	}
	if d := cmp.Diff(want, r.Operands); d != "" {
		t.Errorf("operands (-want +got):\n%s", d)
	}
	if d := cmp.Diff(map[string]int{"turn.ttft_ms": 1, "turn.cache.hit_rate": 1}, asked); d != "" {
		t.Errorf("look-ups (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"turn.ttft_ms", "turn.cache.hit_rate", "vars.min_hit"}, a.Paths()); d != "" {
		t.Errorf("paths (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"turn.ttft_ms", "turn.cache.hit_rate"}, a.Measured()); d != "" {
		t.Errorf("measured (-want +got):\n%s", d)
	}
}

func TestValuesOfAnotherTypeAreUnknown(t *testing.T) {
	a := mustCompile(t, figure.StepScope, "turn.prompt_tokens > 5")
	for v, want := range map[any]Verdict{7: Pass, 7.0: Pass, 7.5: Unknown, "7": Unknown, true: Unknown} {
		if r := a.Eval(func(string) Value { return Value{V: v} }); r.Verdict != want {
			t.Errorf("%v (%T): %s (%s), want %s", v, v, r.Verdict, r.Why, want)
		}
	}
	if r := a.Eval(func(string) Value { return Value{} }); r.Verdict != Unknown {
		t.Errorf("a value that is not there: %s", r.Verdict)
	}
}

func TestBounds(t *testing.T) {
	p, _ := compileExpr("turn.ok && vars.min_hit * 2 <= turn.cache.hit_rate && (turn.ttft_ms < 3 || turn.ttft_ms > 9) "+
		"&& 0.2 < turn.cache.reusable_rate < 0.9", testScope(figure.StepScope), false)
	var got []string
	for _, b := range p.bounds {
		got = append(got, fmt.Sprint(p.leaves[b.leaf].path, b.op, b.value))
	}
	want := []string{"turn.cache.hit_rate>=1", "turn.cache.reusable_rate>0.2", "turn.cache.reusable_rate<0.9"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestExcerpt(t *testing.T) {
	src := syntax.NewSource("f.yaml", "a: 1\n      - that: turn.ttft_ms > 200 && vars.min_hit < 1\n")
	a := mustCompile(t, figure.StepScope, "turn.ttft_ms > 200 && vars.min_hit < 1")
	a.source, a.Pos = src, syntax.Pos{File: "f.yaml", Line: 2, Col: 15}
	want := "2 |       - that: turn.ttft_ms > 200 && vars.min_hit < 1\n" +
		"  |               ~~~~~~~~~~~~          ~~~~~~~~~~~~"
	if got := a.Excerpt(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	a.source, a.Pos = syntax.NewSource("f.yaml", "- {name: é turn.ttft_ms > 200 && vars.min_hit < 1, that: turn.ttft_ms "+
		"> 200 && vars.min_hit < 1}"), syntax.Pos{File: "f.yaml", Line: 1, Col: 58}
	if _, _, shift, _ := a.sourceLine(); shift != 57 {
		t.Errorf("a name with the same text: the expression is found at %d", shift)
	}
	a.source = nil
	want = "turn.ttft_ms > 200 && vars.min_hit < 1\n~~~~~~~~~~~~          ~~~~~~~~~~~~"
	if got := a.Excerpt(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestFunctionsAreCallableAsTheyAreDocumented compiles the usage of every function.
func TestFunctionsAreCallableAsTheyAreDocumented(t *testing.T) {
	fill := strings.NewReplacer(
		"sum(list)", "sum([1, 2])", "list", "split(turn.text, ' ')", "separator", "' '", "text", "turn.text", "# > 1",
		"# != ''",
		", ...", "", "len(x", "len(turn.text", "(x", "(turn.ttft_ms", " y", " turn.ttft_ms", "(a, b", "(turn.ttft_ms, 2",
		"new", "turn.ttft_ms", "old", "2",
		"target", "100", "tolerance", "5",
	)
	for _, f := range Functions {
		usage := fill.Replace(f.Usage)
		if !strings.HasPrefix(f.Usage, f.Name+"(") {
			t.Errorf("the usage of %s is %s", f.Name, f.Usage)
		}
		if f.Name == cellFunction {
			continue // it is called in overall scope only: see TestOverall in dsl
		}
		mustCompile(t, figure.StepScope, "let result = "+usage+"; turn.ok")
	}
}

// TestConforms checks answers against a schema of the scenario, and the messages about where they do not match.
func TestConforms(t *testing.T) {
	for text, want := range map[string]string{
		`{"torque": 41}`: "pass ",
		`{"torque": "41 Nm"}`: "fail it does not conform to schema: /torque: expected number, but got " +
			"string",
		`41`:                                     "fail it does not conform to schema: expected object, but got number",
		`torque 41`:                              "fail it does not conform to schema: it is not JSON",
		"\"" + strings.Repeat("x", 1<<20) + "\"": "unknown the text has 1048578 bytes",
	} {
		a := mustCompile(t, figure.StepScope, `conforms(turn.text, "schema")`)
		r := a.Eval(func(string) Value { return Value{V: text} })
		if got := string(r.Verdict) + " " + r.Why; !strings.HasPrefix(got, want) {
			t.Errorf("%.40q: %.200s, want %s", text, got, want)
		}
	}
	for that, want := range map[string]string{
		`conforms(turn.text, "shema")`:     `did you mean "schema"`,
		`conforms(turn.text, turn.text)`:   "literal name",
		`conforms(turn.ttft_ms, "schema")`: "",
		`conforms(turn.text)`:              "takes 2 arguments",
	} {
		p, problems := compileExpr(that, testScope(figure.StepScope), true)
		if p != nil || len(problems) == 0 || !strings.Contains(problems[0].message+problems[0].help, want) {
			t.Errorf("%s: %v, want %q", that, problems, want)
		}
	}
}

func TestDifferences(t *testing.T) {
	for that, want := range map[string]string{
		"turn.ttft_ms < first_turn.ttft_ms": "[{[turn.ttft_ms first_turn.ttft_ms] [1 " +
			"-1] 0}]",
		"turn.ok or (turn.ttft_ms < 5 and first_turn.ttft_ms != turn.ttft_ms)": "[{[first_turn.ttft_ms turn.ttft_ms] [1 " +
			"-1] 0}]",
		"turn.ttft_ms < 0.5 * first_turn.ttft_ms": "[{[turn.ttft_ms first_turn.ttft_ms] [1 " +
			"-0.5] 0}]",
		"-(turn.ttft_ms - first_turn.ttft_ms) / 2 > 1 + 2": "[{[turn.ttft_ms first_turn.ttft_ms] " +
			"[-0.5 0.5] -3}]",
		"turn.ttft_ms < 200 and first_turn.ttft_ms < 200":                        "[]",
		"turn.ttft_ms < turn.ttft_ms * 2":                                        "[]", // one value
		"turn.ttft_ms * first_turn.ttft_ms < 5 or turn.ttft_ms < len(turn.text)": "[]",
	} {
		if got := fmt.Sprint(mustCompile(t, figure.StepScope, that).Differences()); got != want {
			t.Errorf("%s: %s, want %s", that, got, want)
		}
	}
}
