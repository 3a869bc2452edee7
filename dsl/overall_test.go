package dsl

import (
	"strings"
	"testing"

	"homellm/dsl/expr"
)

// runVocabulary has names of a run and of a machine besides those of the other tests.
var runVocabulary = expr.Vocabulary{
	Turn: vocabulary.Turn, Conversation: vocabulary.Conversation,
	Run:  []expr.Name{{Path: "output_tps", Kind: expr.Float, Unit: "tokens/s"}, {Path: "repeats", Kind: expr.Int}},
	Cell: []expr.Name{{Path: "gpu.power_w", Kind: expr.Float, Unit: "W"}},
}

// overallScenario has two axes, of which one has names, and no cell of a long prompt with n: 16.
func overallScenario(run, overall string) File {
	return scenario("matrix:\n  style: {short: Say hi., long: Say hi to everyone in the room.}\n  n: [8, 16]\n" +
		"  exclude: [{style: long, n: 16}]\n  include: [{style: short, n: 32}]\nvars: {share: 0.8}\nrun: {" + run + "}\n" +
		"conversations:\n  - id: main\n    tags: [most]\n    steps:\n      - {id: q1, ask: \"${matrix.style} ${matrix.n}\", reply: Hi.}\n" +
		"  - {id: other, tags: [rest], steps: [{id: q2, ask: \"Hi ${vars.share}\", reply: Hi.}]}\noverall:\n" + overall)
}

func TestOverall(t *testing.T) {
	const slow, fast = `cell({style: "long"}).steps.q1.ttft_ms.p50`, `cell({style: "short"}).steps.q1.ttft_ms.p50`
	for _, tt := range []struct {
		that string
		want []string // a line for each combination; else an error
		opt  Options
	}{
		{fast + " < vars.share * " + slow, []string{"n=8: short 8, long 8"}, Options{}},
		{`cell({style: "short", n: 8}).steps.q1.ttft_ms.p50 < 9`, []string{": short 8"}, Options{}},
		{`cell({n: 8}).run.output_tps <= cell().run.output_tps`, []string{"style=short, n=16: short 8, short 16",
			"style=short, n=32: short 8, short 32"}, Options{}},
		{`cell({n: 32}).gpu.power_w < 300 and cell({n: 32}).server.engine == "sim"`, []string{"style=short: short 32"},
			Options{}},
		{`cell({style: "long", n: 16}).run.output_tps > 1`, []string{"no cell has style=long, n=16"}, Options{}},
		{`cell({n: 8}).run.output_tps < cell({n: 16, style: "long"}).run.output_tps`,
			[]string{"no cell has style=long, n=16"}, Options{}},
		{`cell({stile: "long"}).run.output_tps > 1`, []string{`the matrix has no axis "stile"`, `did you mean "style"?`},
			Options{}},
		{`cell({style: "lang"}).run.output_tps > 1`, []string{`axis "style" has no value named "lang"`,
			`did you mean "long"?`}, Options{}},
		{`cell({n: "8"}).run.output_tps > 1`, []string{`"8" is not a value of axis "n", which takes a whole number`},
			Options{}},
		{`cell({n: 9}).run.output_tps > 1`, []string{`axis "n" has no value 9`, "its values: 8, 16, 32"}, Options{}},
		{`cell({n: 8, n: 16}).run.output_tps > 1`, []string{`axis "n" has two values`}, Options{}},
		{`cell({n: vars.share}).run.output_tps > 1`, []string{"a text in quotes, a number"}, Options{}},
		{`cell(8).run.output_tps > 1`, []string{"cell takes the values of axes in braces"}, Options{}},
		{`cell({n: 8}) > 1`, []string{"a cell is no value"}, Options{}},
		{`cell > 1`, []string{"cell is a function"}, Options{}},
		{`steps.q1.ttft_ms.p50 > 1`, []string{"steps is of one cell", `cell({style: "short"}).steps.<id>`}, Options{}},
		{`gpu.power_w > 1`, []string{"gpu is of one cell"}, Options{}},
		{`matrix.n > cell({n: 8}).run.output_tps`, []string{"matrix differs from cell to cell"}, Options{}},
		{`cell({n: 8}).matrix.n > 1`, []string{"the values of its axes are what selects a cell"}, Options{}},
		{`cell({n: 8}).vars.share > 1`, []string{"vars are the same in every cell"}, Options{}},
		{`cell({n: 8}).turn.ttft_ms > 1`, []string{"turn is not known in the assert of a scenario"}, Options{}},
		{`cell({n: 8}).steps.q3.ttft_ms.p50 > 1`, []string{`there is no step "q3"`}, Options{}},
		{`cell({n: 8}).steps.q1.ttft_ms > 1`, []string{"is a distribution over 10 repeats"}, Options{}},
		{`cell({n: 8}).steps.q1.ttft_ms.p95 > 1`, []string{"needs at least 59 repeats"}, Options{}},
		{`vars.share < 1`, []string{"it names no metric"}, Options{}},
		{`cell({n: 8}).steps.q2.ttft_ms.p50 > 1`, []string{`is not judged: step "q2" is not played`},
			Options{ExcludeTags: []string{"rest"}}},
	} {
		p, diags := Load(overallScenario("repeats: 10", "  - '"+tt.that+"'\n"), testLibrary(t), runVocabulary, tt.opt)
		got := diags.Error()
		if p != nil {
			for _, o := range p.Overall {
				for _, c := range o.Cases {
					var cells []string
					for _, ref := range o.Assertion.Cells() {
						cell := c.Cells[ref.Prefix]
						var values []string
						for _, l := range cell.Labels {
							values = append(values, l.Value)
						}
						cells = append(cells, strings.Join(values[len(values)-2:], " "))
					}
					got += "\n" + Coordinates(c.Labels) + ": " + strings.Join(cells, ", ")
				}
			}
		}
		for _, want := range tt.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: %q is not in\n%s", tt.that, want, got)
			}
		}
		if made := strings.Count(got, "\n"); p != nil && len(p.Overall) > 0 && made != len(tt.want) {
			t.Errorf("%s: %d combinations, want %d:%s", tt.that, made, len(tt.want), got)
		}
	}
	in := strings.Replace(string(overallScenario("repeats: 2", "").Data), "overall:",
		"assert: ['cell({n: 8}).run.repeats > 1']", 1)
	_, diags := Load(File{Name: "s.yaml", Data: []byte(in)}, testLibrary(t), runVocabulary, Options{})
	if !strings.Contains(diags.Error(), "an assert sees its own cell only") {
		t.Errorf("cell in an assert: %v", diags)
	}
}

// An option may leave nothing of what an assertion compares: it is then undecided, and never left out.
func TestOverall_WithoutItsCells(t *testing.T) {
	file := overallScenario("repeats: 2", "  - 'cell({server: \"big\"}).run.output_tps > 1'\n")
	file.Data = []byte(strings.Replace(string(file.Data), "matrix:", "matrix:\n  server: [big, small]", 1))
	p, diags := Load(file, testLibrary(t), runVocabulary, Options{Servers: []string{"small"}})
	if p == nil || len(p.Overall) != 1 || len(p.Overall[0].Cases) != 1 ||
		p.Overall[0].Cases[0].Missing != "no cell has server=big" {
		t.Errorf("%v\n%v", p, diags)
	}
}

func TestOverall_Confidence(t *testing.T) {
	const long, short = `cell({style: "long"})`, `cell({style: "short"})`
	for _, tt := range []struct{ run, confidence, that, want string }{
		{"repeats: 6", "95%", short + ".steps.q1.ttft_ms.p50 < 0.8 * " + long + ".steps.q1.ttft_ms.p50 - 1", ""},
		{"repeats: 6", "95%", short + ".run.output_tps > 1 && " + short + ".steps.q1.ttft_ms.mean > 1", ""},
		{"repeats: 4, order: sequential", "95%", short + ".steps.q1.ttft_ms.p50 < " + long + ".steps.q1.ttft_ms.p50", ""},
		{"repeats: 3, order: sequential", "95%", short + ".steps.q1.ttft_ms.p50 < " + long + ".steps.q1.ttft_ms.p50",
			"raise run.repeats to 4 or more"},
		{"repeats: 5", "95%", short + ".steps.q1.ttft_ms.p50 < " + long + ".steps.q1.ttft_ms.p50", "raise run.repeats to 6"},
		{"repeats: 6", "99%", short + ".steps.q1.ttft_ms.p50 < 9", "raise run.repeats to 8"},
		{"repeats: 2", "95%", short + ".run.output_tps < 9", ""},
		{"repeats: 1", "95%", short + `.run.pass_rate["answers"] < 2 * ` + long + `.run.pass_rate["answers"] - 0.1`, ""},
		{"repeats: 9", "95%", short + `.run.pass_rate["answers"] < ` + short + ".run.output_tps", "which make no pairs"},
		{"repeats: 9", "95%", short + `.run.pass_rate["once"] < 0.5`, "ask a data set with for_each"},
		{"repeats: 9", "95%", short + ".steps.q1.ttft_ms.max < 9", ".max is neither a median nor a mean"},
		{"repeats: 9", "95%", short + ".gpu.power_w < 9", "has no interval"},
		{"repeats: 9", "95%", short + ".steps.q1.ttft_ms.p50 < " + short + ".steps.q1.ttft_ms.mean", "is a mean and"},
		{"repeats: 9", "95%", short + ".steps.q1.ttft_ms.p50 == 9", "write comparisons by"},
		{"repeats: 9", "95%", "ratio(" + short + ".run.output_tps, 3) < 9", "write comparisons by"},
		{"repeats: 9", "95%", short + ".run.output_tps < 9 || " + short + ".run.output_tps > 12", "write comparisons by"},
		{"repeats: 9", "20%", short + ".run.output_tps < 9", "from 50% to 99.999%"},
		{"repeats: 9", "100%", short + ".run.output_tps < 9", "from 50% to 99.999%"},
	} {
		one := "  - {that: '" + tt.that + "', confidence: " + tt.confidence + "}\n"
		file := overallScenario(tt.run, one)
		file.Data = []byte(strings.Replace(string(file.Data), "  - {id: other,", `  - id: quiz
    for_each: {item: {list: [{q: One?}, {q: Two?}]}}
    steps: [{id: q3, ask: "${item.q}", reply: Hi., assert: [{name: answers, that: turn.ok}]}]
  - id: lone
    steps: [{id: q4, ask: Hello?, reply: Hi., assert: [{name: once, that: turn.ok}]}]
  - {id: other,`, 1))
		_, diags := Load(file, testLibrary(t), runVocabulary, Options{})
		if got := diags.Error(); !strings.Contains(got, tt.want) || tt.want == "" && diags.Errors() {
			t.Errorf("%s with %s: %q is not in\n%s", tt.that, tt.confidence, tt.want, got)
		}
	}
}

// What is said over all cells changes what a run does in its end, and nothing in its cells.
func TestOverall_Digest(t *testing.T) {
	load := func(overall string) *Plan {
		p, diags := Load(overallScenario("repeats: 2", overall), testLibrary(t), runVocabulary, Options{})
		if p == nil {
			t.Fatal(diags)
		}
		return p
	}
	one, other := load("  - 'cell({n: 8}).run.output_tps > 1'\n"), load("  - 'cell({n: 8}).run.output_tps > 2'\n")
	if one.Cells[0].ID != other.Cells[0].ID || one.Digest == other.Digest {
		t.Errorf("cells %s and %s, plans %s and %s", one.Cells[0].ID, other.Cells[0].ID, one.Digest, other.Digest)
	}
}
