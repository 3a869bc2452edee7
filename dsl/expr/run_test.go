package expr

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"homellm/dsl/figure"
)

// TestEvaluationIsBounded evaluates expressions that would run for minutes or fill the memory.
func TestEvaluationIsBounded(t *testing.T) {
	text := strings.Repeat("word ", 40_000)
	longest := strings.Repeat("x", 64<<20)
	look := func(path string) Value {
		if path == "turn.finish_reason" {
			return Value{V: longest}
		}
		return Value{V: text}
	}
	for that, why := range map[string]string{
		"all(1..9999, all(1..9999, turn.text != 'x'))":                    "elements",
		"all(split(turn.text, ''), all(split(turn.text, ''), # != 'xx'))": "more than 100000 steps",
		"let a = turn.text + turn.text; let b = a + a; let c = b + b; let d = c + c; " +
			"let e = d + d; let f = e + e; len(f + f) > 1": "builds a text of more than",
		"len(join(split(turn.text, ' '), turn.text)) > 1": "builds a text of more than",
		"len(filter(split(turn.text, ' '), # != '')) > 0": "more than 10000 elements",
		"len(split(turn.finish_reason, '')) > 0":          "more than 1048576 parts",
		"turn.text matches turn.finish_reason":            "no regular expression: ",
	} {
		synctest.Test(t, func(t *testing.T) { // where no time passes: what ends it is the bound
			r := mustCompile(t, figure.StepScope, that).Eval(look)
			if r.Verdict != Unknown || !strings.Contains(r.Why, why) {
				t.Errorf("%s: %s (%s)", that, r.Verdict, r.Why)
			}
		})
	}
}

// A step that takes long by itself is ended too: the longest reply that is kept, and a pattern that
// looks at each of its characters some thousand times, would take a quarter of an hour.
func TestEvaluationIsBoundedInTime(t *testing.T) {
	pattern := strings.Repeat("(.?.?.?.?.?.?.?.?.?.?){40}", 9) + "z$"
	r := newRuntime(nil, nil)
	begin := time.Now()
	r.started = begin.Add(100*time.Millisecond - maxEval)
	if _, err := r.matches(strings.Repeat("x", 64<<20), pattern); err == nil ||
		!strings.Contains(err.Error(), "takes longer than 2s") {
		t.Errorf("got %v", err)
	}
	if took := time.Since(begin); took > time.Minute {
		t.Errorf("took %v", took)
	}
	if _, err := r.tick(); err == nil {
		t.Error("the next step is still taken")
	}
}

// FuzzExpression checks that compiling never panics, that problems lie inside the text, and that an evaluation ends.
func FuzzExpression(f *testing.F) {
	for _, seed := range []string{
		"turn.ttft_ms < 200", "all(1..9, # > turn.ttft_ms)", "let a = turn.text + 'x'; a contains 'y'",
		"(turn.cache.hit_rate ?? 0) > 0.5", "0.2 < turn.ttft_ms < 0.9", "turn.text matches '('", "#", "turn?.x",
		"{", "not", "any([1,2],", "a ? b : c", "turn.text[1:2] == 'x'", "turn.ok | known()", "if turn.ok {1} else {2}",
		"box.label['a-b'] in ['x']", "box.gpus",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, of := range []figure.Scope{figure.StepScope, figure.ScenarioScope, figure.BoxScope} {
			p, problems := compileExpr(text, testScope(of), true)
			n := len([]rune(text))
			for _, g := range problems {
				if g.from < 0 || g.to < 0 || g.from > n || g.to > n {
					t.Fatalf("span %d-%d of %d", g.from, g.to, n)
				}
			}
			if p == nil {
				continue
			}
			a := &Assertion{That: text, program: p}
			started := time.Now()
			a.Eval(testLookup)
			if d := time.Since(started); d > 10*maxEval {
				t.Fatalf("took %s", d)
			}
			a.Excerpt()
			a.Eval(func(string) Value { return Value{Why: "nothing was measured"} })
		}
	})
}
