package expr

import (
	"fmt"
	"strings"
	"testing"

	"homellm/dsl/figure"
)

var problemTests = []struct {
	scope figure.Scope
	that  string
	code  string
	at    string // the text that is underlined; "" for the whole expression
	want  string // in the message or help
}{
	{figure.StepScope, "turn.cache.hit_rat > 0.5", "expr/name", "hit_rat",
		`turn.cache has no metric "hit_rat"|did you mean "hit_rate"?`},
	{figure.StepScope, "turn.ttft > 0.5", "expr/name", "ttft", `did you mean "ttft_ms"?`},
	{figure.StepScope, "turn.ttf > 0.5", "expr/name", "ttf", `did you mean "ttft_ms"?`},
	{figure.StepScope, "turn.ttftMs > 0.5", "expr/name", "ttftMs", `did you mean "ttft_ms"?`},
	{figure.StepScope, "turn.TTFT > 0.5", "expr/name", "TTFT", `did you mean "ttft_ms"?`},
	{figure.StepScope, "ttft > 0.5", "expr/name", "ttft", `did you mean "turn.ttft_ms"?`},
	{figure.StepScope, "turn.tftt_ms > 0.5", "expr/name", "tftt_ms", `did you mean "ttft_ms"?`},
	{figure.StepScope, "turn.hit_rate > 0.5", "expr/name", "hit_rate", `did you mean "turn.cache.hit_rate"?`},
	{figure.StepScope, "trun.ttft_ms > 0.5", "expr/name", "trun", `did you mean "turn"?`},
	{figure.StepScope, "ttft_ms > 0.5", "expr/name", "ttft_ms", `did you mean "turn.ttft_ms"?`},
	{figure.StepScope, "zzz > 0.5", "expr/name", "zzz", "names here start with one of: turn, first_turn"},
	{figure.StepScope, "turn.cache > 0.5", "expr/name", "cache",
		"turn.cache is a group, not a value|hit_rate, cached_tokens"},
	{figure.StepScope, "turn.ttft_ms.p50 > 0.5", "expr/distribution", "p50", "one value here|assert of the scenario"},
	{figure.StepScope, "turn.ttft_ms.foo > 0.5", "expr/name", "foo", "has no parts"},
	{figure.StepScope, "steps.last_words.ttft_ms > 5", "expr/name", "last_words", `step "last_words" is not over yet`},
	{figure.StepScope, "steps.own.ttft_ms > 5", "expr/name", "own", "here it is called turn"},
	{figure.StepScope, "steps.drop.ttft_ms > 5", "expr/name", "drop", "sends no request"},
	{figure.StepScope, "steps.laod.ttft_ms > 5", "expr/name", "laod", `there is no step "laod"|did you mean "load"?`},
	{figure.StepScope, "steps.after-removal.ttft_ms > 5", "expr/name", "after", "there is no step"},
	{figure.StepScope, "conv.requests > 5", "expr/name", "conv",
		"not known in the assert of a step|assert of the conversation"},
	{figure.StepScope, "gpu.power_w.mean > 5", "expr/name", "gpu", "assert of the scenario"},
	{figure.StepScope, "base.ttft_ms > 5", "expr/name", "base", "gates file"},
	{figure.StepScope, "turn.ttft_ms > vars.min", "expr/name", "min", `there is no var "min"`},
	{figure.StepScope, "turn.ttft_ms > matrix.doc_token", "expr/name", "doc_token", `did you mean "doc_tokens"?`},
	{figure.ScenarioScope, "turn.ttft_ms > 5", "expr/name", "turn", "steps.<id>"},
	{figure.ScenarioScope, "repeat > 5", "expr/name", "repeat", "all repeats at once"},
	{figure.ScenarioScope, "steps.q1.ttft_ms < 3", "expr/distribution", "ttft_ms",
		"distribution over 12 repeats x 2 turns|.p50"},
	{figure.ScenarioScope, "steps.q1.text contains 'x'", "expr/name", "text", "has no distribution"},
	{figure.ScenarioScope, "steps.q1.ttft_ms.p75 < 3", "expr/name", "p75", `no statistic "p75"`},
	{figure.ScenarioScope, "steps.q1.ttft_ms.p90 < 3", "expr/samples", "p90",
		"needs at least 29 repeats to mean something, and 12 are planned (12 repeats x 2 turns)|allow_small_n"},
	{figure.ScenarioScope, "steps.q1.ttft_ms.p99 < 3", "expr/samples", "p99", "at least 299"},
	{figure.ScenarioScope, "conversations.man.requests.p50 < 3", "expr/name", "man", `did you mean "main"?`},
	{figure.ScenarioScope, "phases.rag.ttft_ms.p50 < 3", "expr/name", "rag", "phases: before, with_rag, after_removal"},
	{figure.ConversationScope, "conversations.main.requests.p50 < 3", "expr/name", "conversations",
		"in a conversation use conv"},

	{figure.StepScope, "", "expr/empty", "", "starts a YAML comment"},
	{figure.StepScope, "any([1,2],", "expr/syntax", "(", `the ( that opens here is not closed|write its ) too`},
	{figure.StepScope, "turn.ttft_ms = 5", "expr/syntax", "=", "compare with =="},
	{figure.StepScope, "turn.ttft_ms <", "expr/syntax", "<", "ends too early|write a value behind <"},
	{figure.StepScope, "turn.ok and", "expr/syntax", "d", "ends too early|write a value behind and"},
	{figure.StepScope, "(turn.ok", "expr/syntax", "(", "the ( that opens here is not closed"},
	{figure.StepScope, "turn.ok)", "expr/syntax", ")", "leave it out"},
	{figure.StepScope, "(turn.ok))", "expr/syntax", ")", "leave it out"},
	{figure.StepScope, `turn.text contains "x`, "expr/syntax", `"`, `is not closed|write the closing "`},
	{figure.StepScope, `turn.text contains 'x`, "expr/syntax", "'", "is not closed|write the closing '"},
	{figure.StepScope, `turn.text contains 'don't'`, "expr/syntax", "", `stands in " "`},
	{figure.StepScope, "turn.ttft_ms ≤ 5", "expr/syntax", "", "write <="},
	{figure.StepScope, "turn.ttft_ms ≥ 5", "expr/syntax", "", "write >="},
	{figure.StepScope, "turn.ttft_ms ≠ 5", "expr/syntax", "", "write !="},
	{figure.StepScope, "turn.ttft_ms <> 5", "expr/syntax", ">", "write !="},
	{figure.StepScope, "turn.ttft_ms < 5 × 2", "expr/syntax", "", "write *"},
	{figure.StepScope, "turn.ttft_ms \u200b< 5", "expr/syntax", "", "an invisible character"},
	{figure.StepScope, "turn.ttft_ms < 1,000", "expr/syntax", ",", "without commas: 1000"},
	{figure.StepScope, "turn.ttft_ms < 0,5", "expr/syntax", ",", "with a point: 0.5"},
	{figure.StepScope, "turn.ttft_ms < 12,5", "expr/syntax", ",", "with a point: 0.5"},
	{figure.StepScope, "turn.ttft_ms < 1 000", "expr/syntax", "000", "without blanks: 1000"},
	{figure.StepScope, "turn.ttft_ms between 1 and 5", "expr/syntax", "between", "write it as 1 <= turn.ttft_ms <= 5"},
	{figure.StepScope, "turn.ttft_ms is between 1 and 5", "expr/syntax", "is", "write it as 1 <= turn.ttft_ms <= 5"},
	{figure.StepScope, "turn.ttft_ms from 1 to 5", "expr/syntax", "from", "write it as 1 <= turn.ttft_ms <= 5"},
	{figure.StepScope, "turn.ttft_ms not between 1 and 5", "expr/syntax", "", "turn.ttft_ms < 1 or turn.ttft_ms > 5"},
	{figure.StepScope, "turn.ok and turn.ttft_ms between 1 and 5", "expr/syntax", "between", "write both bounds"},
	{figure.StepScope, "41 in turn.text", "expr/type", "in", `write it as turn.text contains "41"`},
	{figure.StepScope, `"41" not in turn.text`, "expr/type", "in", `write it as not (turn.text contains "41")`},
	{figure.StepScope, `turn.text startswith "x"`, "expr/syntax", "startswith", "write startsWith"},
	{figure.StepScope, `turn.text ends_with "x"`, "expr/syntax", "ends_with", "write endsWith"},
	{figure.StepScope, `turn.text ~ "x"`, "expr/syntax", "", "write matches"},
	{figure.StepScope, `turn.text match "x"`, "expr/syntax", "match", "write matches"},
	{figure.StepScope, "assert turn.ok", "expr/syntax", "turn", "leave out the first word"},
	{figure.StepScope, "turn.text.length > 3", "expr/name", "length", "write it as len(turn.text)"},
	{figure.StepScope, `turn.text.toLowerCase() contains "x"`, "expr/function", "toLowerCase",
		"write it as lower(turn.text)"},
	{figure.StepScope, `turn.text.includes("x")`, "expr/function", "includes", `turn.text contains "250"`},
	{figure.StepScope, `turn.text.starts_with("x")`, "expr/function", "starts_with", `turn.text startsWith "250"`},
	{figure.StepScope, `turn.text.reverse() == "x"`, "expr/function", "reverse", "by their name alone"},
	{figure.StepScope, "turn.ttfb_ms < 5", "expr/name", "ttfb_ms", `did you mean "ttft_ms"?`},
	{figure.StepScope, "turn.content != ''", "expr/name", "content", `did you mean "text"?`},
	{figure.StepScope, "turn.cache.hit_rate > 80%", "expr/syntax", "%", "80 % is 0.8"},
	{figure.StepScope, "turn.cache.hit_rate > 80% and turn.ok", "expr/syntax", "and", "80 % is 0.8"},
	{figure.StepScope, "turn.cache.hit_rate > 80 percent", "expr/syntax", "percent", "shares from 0 to 1"},
	{figure.StepScope, "turn.ttft_ms < 0.5 sec", "expr/syntax", "sec", "write 500, without a unit: ttft_ms counts in ms"},
	{figure.StepScope, "turn.ttft_ms < 0.5s", "expr/syntax", "", "write 500, without a unit: ttft_ms counts in ms"},
	{figure.StepScope, "turn.ttft_ms < 500ms", "expr/syntax", "", "write 500, without a unit: ttft_ms counts in ms"},
	{figure.StepScope, "turn.prompt_tokens > 4k", "expr/syntax", "", "write 4000"},
	{figure.StepScope, "turn.output_tps > 30 tokens", "expr/syntax", "tokens", "write the number alone"},
	{figure.StepScope, "turn.ttft_ms ?? 0 > 5", "expr/syntax", ">", "(x ?? default) > 0.5"},
	{figure.StepScope, "turn.7b > 5", "expr/syntax", "", ""},
	{figure.StepScope, strings.Repeat("x", 2049), "expr/size", "", "2049 characters"},
	{figure.StepScope, strings.Repeat("turn.ttft_ms + ", 120) + "1 > 0", "expr/size", "", "200 parts"},
	{figure.StepScope, "turn.ttft_ms", "expr/type", "", "must be true or false, but this is a number|turn.ttft_ms < 100"},
	{figure.StepScope, "turn.ttft_ms > '5'", "expr/type", ">", "> cannot stand between a number and text"},
	{figure.StepScope, "(turn.ttft_ms ?? 'x') > 5", "expr/type", "??", "one type"},
	{figure.StepScope, "(turn.ok ? turn.ttft_ms : 'x') > 5", "expr/type", "", "one type"},
	{figure.StepScope, "1 < 2", "expr/constant", "", "names no metric"},
	{figure.StepScope, "vars.min_hit < 2", "expr/constant", "", "names no metric"},
	{figure.StepScope, "turn.ok || true", "expr/constant", "true", "decides nothing"},
	{figure.StepScope, "turn.ttft_ms >= turn.ttft_ms", "expr/constant", ">=", "the same"},
	{figure.StepScope, "known(vars.n) && turn.ok", "expr/constant", "known", "always known"},
	{figure.StepScope, "(vars.n ?? 2) > turn.ttft_ms", "expr/constant", "??", "always known"},
	{figure.StepScope, "turn.cache.hit_rate > 50", "expr/rate", "50", "share from 0 to 1|50 % is 0.5"},
	{figure.StepScope, "turn.text matches '('", "expr/type", "'('", "missing closing"},
	{figure.StepScope, "turn.text matches '(((.{10}){10}){10}){20}'", "expr/type", "'(((.{10}){10}){10}){20}'",
		"invalid repeat count"},
	{figure.StepScope, "turn.text matches '" + strings.Repeat("x{1000}", 11) + "'", "expr/type", "'" +
		strings.Repeat("x{1000}", 11) + "'", "more than 10000 steps"},
	{figure.StepScope, "turn.text matches vars.bad", "expr/type", "vars.bad", "missing closing"},

	{figure.StepScope, "mean([turn.ttft_ms]) > 1", "expr/function", "mean", `no function "mean"`},
	{figure.StepScope, "now() > turn.ttft_ms", "expr/function", "now", "time of day"},
	{figure.StepScope, "reduce(1..3, #acc + #) > 2", "expr/function", "reduce", "use count"},
	{figure.StepScope, "$env.turn > 2", "expr/name", "$env", "unknown name"},
	{figure.StepScope, "get(turn, 'ttft_ms') > 2", "expr/function", "get", "with dots"},
	{figure.StepScope, `turn.text includes "41"`, "expr/syntax", "includes", `write it as turn.text contains "41"`},
	{figure.StepScope, `"41" in turn.text`, "expr/type", "", `write it as turn.text contains "41"`},
	{figure.StepScope, "turn.ttft_ms is 5", "expr/syntax", "is", "compare with =="},
	{figure.StepScope, "turn.ttft_ms below 5", "expr/syntax", "below", "compare with <"},
	{figure.StepScope, "turn.ttft_ms over 5", "expr/syntax", "over", "compare with >"},
	{figure.StepScope, "turn.text.upper() == 'X'", "expr/function", "", "no methods"},
	{figure.StepScope, "__number(0) > 2", "expr/function", "__number", "no function"},
	{figure.StepScope, "turn?.ttft_ms > 2", "expr/syntax", "ttft_ms", "?. has no use"},
	{figure.StepScope, "turn.text == nil", "expr/nil", "nil", "known(x)"},
	{figure.StepScope, "turn[vars.topic] > 2", "expr/name", "", "write the name out|literal"},
	{figure.StepScope, "{'a': turn.ttft_ms}.a > 2", "expr/name", "a", "no parts"},
	{figure.StepScope, "turn.ttft_ms > 1e300", "expr/type", "1e300", "larger than 1e15"},
	{figure.StepScope, "any(1..100000, # > turn.ttft_ms)", "expr/size", "..", "less than 10000 apart"},
	{figure.StepScope, "any(1..3, any(1..3, any(1..3, # > turn.ttft_ms)))", "expr/size", "", "nested more than 2"},
	{figure.StepScope, "let turn = 5; turn > 2", "expr/name", "turn", "declared again"},
	{figure.StepScope, "abs(turn.text) > 2", "expr/type", "abs", ""},
	{figure.StepScope, "ratio(turn.text, 2) > 2", "expr/type", "ratio", "ratio takes numbers"},
	{figure.StepScope, "within(turn.ttft_ms, 2)", "expr/function", "within", "takes 3 arguments"},
	{figure.BoxScope, "box.gpu_mem > 3", "expr/name", "gpu_mem", `did you mean "gpu_mem_mib"?`},
	{figure.BoxScope, "box.rack == 'x'", "expr/name", "rack", "a label of that name is box.label.rack"},
	{figure.BoxScope, "gpus > 0", "expr/name", "gpus", `did you mean "box.gpus"?`},
	{figure.BoxScope, "box.label.gpu > 3", "expr/type", ">", "between text and a whole number"},
	{figure.BoxScope, "box.label['a b'] == 'x'", "expr/name", "", "no name of a label"},
	{figure.BoxScope, "box.label == 'x'", "expr/name", "", "is a group"},
	{figure.BoxScope, "box.gpus.p50 > 1", "expr/name", "p50", "has no parts"},
	{figure.BoxScope, "turn.ttft_ms < 5", "expr/name", "turn", "not known in requires.box|before anything is measured"},
	{figure.BoxScope, "gpu.power_w < 5", "expr/name", "gpu", "measured for a whole cell|such as box.gpus"},
	{figure.BoxScope, "vars.n > 2", "expr/constant", "", "same for every box|box.gpus"},
	{figure.BoxScope, "box.gpus", "expr/type", "", "requires.box must be true or false"},
	{figure.BoxScope, "any(1..3, any(1..3, any(1..3, # > box.cpus)))", "expr/size", "", "a label of their own"},
	{figure.StepScope, "box.gpus > 0", "expr/name", "box", "not known in the assert of a step|requires: {box: "},
}

func TestProblems(t *testing.T) {
	for _, tt := range problemTests {
		t.Run(fmt.Sprintf("%.60s", tt.that), func(t *testing.T) {
			p, problems := compileExpr(tt.that, testScope(tt.scope), false)
			if p != nil || len(problems) == 0 {
				t.Fatal("compiled")
			}
			got := problems[0]
			if got.code != tt.code {
				t.Errorf("code %s, want %s (%+v)", got.code, tt.code, got)
			}
			text := []rune(tt.that)
			if got.from < 0 || got.to > len(text) || got.from > got.to {
				t.Fatalf("span %d-%d of %d", got.from, got.to, len(text))
			}
			if at := string(text[got.from:got.to]); tt.at != "" && at != tt.at {
				t.Errorf("underlines %q, want %q", at, tt.at)
			}
			for want := range strings.SplitSeq(tt.want, "|") {
				if !strings.Contains(got.message+"\n"+got.help, want) {
					t.Errorf("%q not in %q, help %q", want, got.message, got.help)
				}
			}
		})
	}
}

func TestSeveralProblemsAtOnce(t *testing.T) {
	_, problems := compileExpr("turn.aaa > steps.zzz.ttft_ms && now() > 1", testScope(figure.StepScope), false)
	if len(problems) != 3 {
		t.Errorf("%d problems, want 3: %+v", len(problems), problems)
	}
}

func TestWarnings(t *testing.T) {
	tests := []struct {
		that string
		gate bool
		code string
	}{
		{"turn.ttft_ms == 5", true, "expr/float-equal"},
		{"turn.ttft_ms == 0", true, ""},
		{"turn.prompt_tokens == 5", true, ""},
		{"(turn.cache.hit_rate ?? 0) > 0.5", true, "expr/masked"},
		{"(turn.cache.hit_rate ?? 0) > 0.5", false, ""},
		{"conversations.main.requests.max == 3", true, ""},
		{"conversations.main.requests.mean == 3", true, "expr/float-equal"},
	}
	for _, tt := range tests {
		scope := figure.StepScope
		if strings.HasPrefix(tt.that, "conversations.") {
			scope = figure.ScenarioScope
		}
		p, problems := compileExpr(tt.that, testScope(scope), tt.gate)
		got := ""
		for _, w := range problems {
			got += w.code
		}
		if p == nil || got != tt.code {
			t.Errorf("%s: %q, want %q", tt.that, got, tt.code)
		}
	}
}

func TestAllowSmallN(t *testing.T) {
	s := testScope(figure.ScenarioScope)
	s.env.AllowSmallN = true
	if p, problems := compileExpr("steps.q1.ttft_ms.p99 < 3", s, true); p == nil {
		t.Errorf("refused: %+v", problems)
	}
	s = testScope(figure.ScenarioScope)
	for repeats, ok := range map[int]bool{30: false, 58: false, 59: true} { // of two turns: they share their luck
		s.env.Repeats = repeats
		if p, problems := compileExpr("steps.q1.ttft_ms.p95 < 3", s, true); (p != nil) != ok {
			t.Errorf("a p95 of %d repeats: %+v", repeats, problems)
		}
	}
}
