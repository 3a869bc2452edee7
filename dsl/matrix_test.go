package dsl

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMatrix(t *testing.T) {
	const tail = "\nconversations:\n  - id: main\n    steps:\n      - {id: q1, ask: \"${matrix.n} and ${matrix.w}\", " +
		"reply: Hi.}\n"
	cells := func(matrix string, opt Options) []string {
		p, diags := Load(scenario("matrix:"+matrix+tail), testLibrary(t), vocabulary, opt)
		if p == nil {
			return []string{diags.Error()}
		}
		var out []string
		for _, c := range p.Cells {
			out = append(out, c.String()+" "+c.Scenario.Conversations[0].Steps[0].Do.(Ask).Text)
		}
		return out
	}
	tests := []struct {
		matrix string
		opt    Options
		want   []string
	}{
		{"\n  n: [1, 2]\n  w: [a, b]", Options{}, []string{"n=1 x w=a 1 and a", "n=1 x w=b 1 and b", "n=2 x w=a 2 and a",
			"n=2 x w=b 2 and b"}},
		{"\n  n: [1, 2]\n  w: [a, b]\n  exclude: [{n: 1}]\n  include: [{n: 1, w: c}, {n: 2, w: a}, {n: 3}]", Options{},
			[]string{"n=2 x w=a 2 and a", "n=2 x w=b 2 and b", "n=1 x w=c 1 and c", "n=3 x w=a 3 and a", "n=3 x w=b 3 and b"}},
		{"\n  n: [1, 1.5]\n  w: [a]\n  server: [small]", Options{Servers: []string{"big"}, Model: "tiny-chat"},
			[]string{"big x tiny-chat x n=1 x w=a 1 and a", "big x tiny-chat x n=1.5 x w=a 1.5 and a"}},
		{"\n  n: {one: 1, half: 0.5}\n  w: {short: Hi, long: Good morning}\n  exclude: [{n: half, w: long}]", Options{},
			[]string{"n=one x w=short 1 and Hi", "n=one x w=long 1 and Good morning", "n=half x w=short 0.5 and Hi"}},
		{"\n  n: {'4096': 1}\n  w: [a]\n  include: [{n: 4096, w: b}]", Options{},
			[]string{"n=4096 x w=a 1 and a", "n=4096 x w=b 1 and b"}},
		{"\n  n: [1]\n  w: [a]\n  server: [small]", Options{}, []string{"small x tiny x n=1 x w=a 1 and a"}},
	}
	for _, tt := range tests {
		if d := cmp.Diff(tt.want, cells(tt.matrix, tt.opt)); d != "" {
			t.Errorf("%s (-want +got):\n%s", tt.matrix, d)
		}
	}
	for matrix, want := range map[string]string{
		"\n  n: [1, x]\n  w: [a]":                             `axis "n" mixes a whole number and text`,
		"\n  n: [1]\n  w: [a]\n  exclude: [{m: 1}]":           `the matrix has no axis "m"`,
		"\n  n: [1]\n  w: [a]\n  exclude: [{n: x}]":           `"x" is not a value of axis "n"`,
		"\n  n: [1]\n  w: [a]\n  exclude: [{n: 1}]":           "every combination of the matrix is excluded",
		"\n  n: [1]\n  w: [a]\n  server: [bigg]":              `did you mean "big"?`,
		"\n  n: [1]\n  w: [a]\n  model: [tyny]":               `did you mean "tiny"?`,
		"\n  n: {one: 1, two: x}\n  w: [a]":                   `axis "n" mixes a whole number and text`,
		"\n  n: {one: 1, eins: 1}\n  w: [a]":                  `"eins" is the same value of axis "n" as "one"`,
		"\n  n: {one: 1}\n  w: [a]\n  exclude: [{n: 1}]":      `axis "n" has no value named "1"`,
		"\n  n: {short: 1}\n  w: [a]\n  include: [{n: shrt}]": `did you mean "short"?`,
		"\n  n: {}\n  w: [a]":                                 "the mapping is empty",
		"\n  n: {one: [1]}\n  w: [a]":                         "expected a text, a number, true or false",
		"\n  n: {' x': 1}\n  w: [a]":                          "a name on one line",
		"\n  n: [1]\n  w: [a]\n  server: {a: small}":          "expected a list",
		"\n  n: [" + list(40) + "]\n  w: [" + list(40) + "]":  "more than 1000 combinations",
	} {
		if got := strings.Join(cells(matrix, Options{}), "\n"); !strings.Contains(got, want) {
			t.Errorf("%s: %q is not in\n%s", matrix, want, got)
		}
	}
}

func list(n int) string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprint(i))
	}
	return strings.Join(out, ", ")
}

func TestOptions(t *testing.T) {
	//nolint:lll // a conversation a line
	body := `vars: {n: 3, limit: 0.5, word: orbits, strict: true}
tags: [all]
conversations:
  - {id: short, tags: [quick], steps: [{id: a1, ask: "${vars.word} ${vars.n} ${vars.limit} ${vars.strict}", reply: Hi.}]}
  - {id: long, tags: [slow, rag], steps: [{id: b1, ask: Hello?, reply: Hi.}]}
  - {id: other, tags: [rag], steps: [{id: c1, ask: Hello?, reply: Hi.}]}
assert:
  - steps.b1.ttft_ms.p50 < 100
  - steps.a1.ttft_ms.p50 < 100
`
	load := func(opt Options) string {
		opt.Servers, opt.Model = []string{"big"}, "tiny"
		p, diags := Load(scenario(body), testLibrary(t), vocabulary, opt)
		if p == nil {
			return diags.Error()
		}
		var ids []string
		for _, c := range p.Cells[0].Scenario.Conversations {
			ids = append(ids, c.ID)
		}
		text := p.Cells[0].Scenario.Conversations[0].Steps[0].Do.(Ask).Text
		return fmt.Sprintf("%v %s; %d repeats, %d asserts", ids, text, p.Repeats, len(p.Cells[0].Scenario.Assert))
	}
	for _, tt := range []struct {
		opt  Options
		want string
	}{
		{Options{}, "[short long other] orbits 3 0.5 true; 5 repeats, 2 asserts"},
		{Options{Repeats: 7, Vars: map[string]string{"n": "4", "limit": "1", "word": "5", "strict": "false"}},
			"[short long other] 5 4 1 false; 7 repeats, 2 asserts"},
		{Options{IncludeTags: []string{"quick,slow"}}, "[short long] orbits 3 0.5 true; 5 repeats, 2 asserts"},
		{Options{IncludeTags: []string{"quick", "rag"}, ExcludeTags: []string{"slow"}},
			"[short other] orbits 3 0.5 true; 5 repeats, 1 asserts"},
		{Options{IncludeTags: []string{"all"}, MaxConversations: 1}, "[short] orbits 3 0.5 true; 5 repeats, 1 asserts"},
		{Options{IncludeTags: []string{"quik"}}, `no conversation has the tag "quik"` +
			"\n  = help: did you mean \"quick\"?"},
		{Options{ExcludeTags: []string{"all"}}, "no conversation is left to play"},
		{Options{Vars: map[string]string{"wrd": "x"}}, `there is no variable "wrd"` + "\n  = help: did you mean \"word\"?"},
		{Options{Vars: map[string]string{"n": "4.5"}}, `"4.5" is not a whole number`},
		{Options{Vars: map[string]string{"limit": "nan"}}, `"nan" is not a number`},
	} {
		if got := load(tt.opt); !strings.Contains(got, tt.want) {
			t.Errorf("%+v: %q is not in\n%s", tt.opt, tt.want, got)
		}
	}
	for _, name := range []string{"bigg", "missing"} {
		if p, diags := Load(scenario(body), testLibrary(t), vocabulary, Options{Servers: []string{name}}); p != nil ||
			!strings.Contains(diags.Error(), "there is no such server") {
			t.Errorf("--server %s: %v", name, diags)
		}
	}
	none := strings.Replace(body, "tags: [all]", "run: {repeats: 1, warmup: 0, isolation: {cache: none}}", 1)
	if p, diags := Load(scenario(none), testLibrary(t), vocabulary, Options{Repeats: 2}); p != nil ||
		!strings.Contains(diags.Error(), "plan/isolation") {
		t.Errorf("two repeats without isolation: %v", diags)
	}
}
