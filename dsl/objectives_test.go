package dsl

import (
	"fmt"
	"strings"
	"testing"

	"homellm/dsl/expr"
)

// objectiveVocabulary has names of a run, some of them for any objective.
var objectiveVocabulary = expr.Vocabulary{
	Turn: append([]expr.Name{{Path: "text", Kind: expr.String}}, vocabulary.Turn...), Conversation: append([]expr.Name{
		{Path: "slo.<name>", Kind: expr.Float, Rate: true, Better: +1}}, vocabulary.Conversation...),
	Run: []expr.Name{{Path: "output_tps", Kind: expr.Float},
		{Path: "slo.<name>", Kind: expr.Float, Rate: true, Better: +1},
		{Path: "goodput_rps.<name>", Kind: expr.Float, Better: +1}},
}

func objectiveScenario(slo, assert string) File {
	return scenario("matrix: {limit: [800, 900]}\nvars: {slow: 60.5}\nschemas: {note: {type: object}}\nslo:\n  " + slo +
		"\nconversations:\n  - {id: main, steps: [{id: q1, ask: Hi., reply: Hi.}]}\nassert: ['" + assert + "']\n")
}

func TestObjectives(t *testing.T) {
	const fine = "snappy: turn.ttft_ms < matrix.limit && turn.ttft_ms > vars.slow"
	for _, tt := range []struct{ slo, assert, want string }{
		{fine, "run.slo.snappy > 0.9 && run.goodput_rps.snappy > 1", ""},
		{fine, "conversations.main.slo.snappy.mean > 0.9", ""},
		{`valid: "turn.ttft_ms < 5 && conforms(turn.text, \"note\")"`, "run.slo.valid > 0.9", ""},
		{fine + "\n  quick: turn.ttft_ms < 5", "run.slo.quick < run.slo.snappy", ""},
		{fine, "run.slo.snapy > 0.9", `s.yaml:13:19: run.slo has no metric "snapy"; did you mean "snappy"?`},
		{fine, "run.slo > 0.9", "run.slo is a group"},
		{fine, "run.slo.snappy > 2", "run.slo.snappy is a share from 0 to 1"},
		{"snappy: turn.ttft_mss < 800", "run.slo.snappy > 0.9", `s.yaml:10:16: turn has no metric "ttft_mss"; did you mean "ttft_ms"?`},
		{"snappy: turn.ttft_ms < 'a'", "run.slo.snappy > 0.9", "s.yaml:10:24: < cannot stand between a number and text"},
		{"snappy: turn.ttft_ms + 1", "run.slo.snappy > 0.9", "s.yaml:10:11"},
		{"snappy: steps.q1.ttft_ms < 800", "run.slo.snappy > 0.9", "steps is not known in slo; an objective is about one turn"},
		{"snappy: run.output_tps > 1", "run.slo.snappy > 0.9", "run is not known in slo"},
		{"snappy: turn.ttft_ms < ${matrix.limit}", "run.slo.snappy > 0.9", "matrix.limit"},
		{"p50: turn.ttft_ms < 800", "run.slo.p50 > 0.9", `"p50" cannot be the name of an objective: it is that of a statistic`},
		{"Snappy: turn.ttft_ms < 800", "run.output_tps > 0.9", "Snappy"},
		{fine + "\n  snappy: turn.ttft_ms < 5", "run.slo.snappy > 0.9", "snappy"},
		{"snappy: 5", "run.output_tps > 0.9", "s.yaml:10:11"},
	} {
		_, diags := Load(objectiveScenario(tt.slo, tt.assert), testLibrary(t), objectiveVocabulary, Options{})
		var b strings.Builder
		for _, d := range diags {
			if d.Code != "links/sampling" && !strings.HasPrefix(d.Code, "links/unused") {
				b.WriteString(fmt.Sprintf("%s:%d:%d: ", d.Pos.File, d.Pos.Line, d.Pos.Col) + d.Message + "; " + d.Help + "\n")
			}
		}
		if tt.want == "" && b.Len() > 0 || !strings.Contains(b.String(), tt.want) {
			t.Errorf("%s; %s: %q, want %q", tt.slo, tt.assert, b.String(), tt.want)
		}
	}
	_, diags := Load(scenario("conversations:\n  - {id: main, steps: [{id: q1, ask: Hi., reply: Hi.}]}\n"+
		"assert: [run.slo.snappy > 0.5]\n"), testLibrary(t), objectiveVocabulary, Options{})
	if !diags.Errors() {
		t.Error("a scenario without objectives may assert one")
	}
}

// A gates file is for any scenario, whatever its objectives are.
func TestObjectives_InGates(t *testing.T) {
	gates := func(metric, assert string) File {
		return File{Name: "g.yaml", Data: []byte("schema: homellm.gates/v1\ncompare:\n  - {name: a, metric: " + metric +
			", max_worse_abs: 0.1}\nassert: ['" + assert + "']\n")}
	}
	g, diags := LoadGates(gates("run.slo.snappy", "run.slo.snappy > base.run.slo.snappy"), objectiveVocabulary)
	if g == nil || diags.Errors() || g.Compare[0].Better != 1 {
		t.Errorf("%+v: %v", g, diags)
	}
	if _, diags := LoadGates(gates("run.slo.Snappy", "run.slo.x > 0.5"), objectiveVocabulary); !diags.Errors() {
		t.Error("Snappy is no name of an objective")
	}
}

// The plan prints the objectives.
func TestObjectives_InPlan(t *testing.T) {
	plan, diags := Load(objectiveScenario("snappy: turn.ttft_ms < 5", "run.slo.snappy > 0.9"), testLibrary(t),
		objectiveVocabulary, Options{})
	if plan == nil {
		t.Fatal(diags)
	}
	var b strings.Builder
	if err := plan.WriteText(&b); err != nil || !strings.Contains(b.String(), "\n  slo       snappy: turn.ttft_ms < 5\n") {
		t.Errorf("%v\n%s", err, b.String())
	}
}
