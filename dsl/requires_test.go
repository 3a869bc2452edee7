package dsl

import (
	"strings"
	"testing"
	"testing/fstest"

	"homellm/dsl/expr"
)

// aBox looks up the facts of a box with a GPU, of which some are unknown.
func aBox(path string) expr.Value {
	known := map[string]any{"box.name": "attic", "box.label.gpu": "3090", `box.label["rack-1"]`: "top", "box.os": "linux",
		"box.gpus": 2, "box.gpu": "NVIDIA GeForce RTX 3090", "box.gpu_mem_mib": 24576.0, "box.cpus": 16.0}
	if v, ok := known[path]; ok {
		return expr.Value{V: v}
	}
	return expr.Value{Why: "the box does not say it"}
}

// TestRequiresBox checks which cells are skipped because of what the scenario requires of the machine, and the reasons.
func TestRequiresBox(t *testing.T) {
	for _, tt := range []struct{ requires, want string }{
		{`box.label.gpu == "3090" && box.gpu_mem_mib >= 24000`, ""},
		{`box.label["rack-1"] startsWith "to" && box.cpus / box.gpus == 8`, ""},
		{`box.label.gpu == "4090" && box.gpu_mem_mib >= 24000`,
			`requires.box does not hold: box.label.gpu is "3090", box.gpu_mem_mib is 24576`},
		{`box.gpu_mem_mib >= vars.least`, `does not hold: box.gpu_mem_mib is 24576, vars.least is 40000`},
		{`box.gpus >= matrix.cards`, `box.gpus is 2, matrix.cards is 3`},
		{`box.label.room == "cellar"`, `requires.box is not certain: box.label.room is unknown: the box does not say it`},
		{`box.label.room == "cellar" || box.gpus == 2`, ""}, // holds whatever the label is
		{`box.label.room == "cellar" && box.gpus == 1`, `does not hold: box.gpus is 2`},
		{`(box.label.room ?? "none") == "none" && not known(box.driver)`, ""},
		{`box.gpus / (box.cpus - 16) > 1`, `is not certain: division by zero`},
		{`all(1..9999, all(1..9999, box.cpus > 0))`, `is not certain: the expression builds a list of more than`},
	} {
		body := "vars: {least: 40000}\nmatrix: {cards: [3]}\nrequires: {box: '" + tt.requires + "'}\n" +
			"conversations: [{id: main, steps: [{id: q, ask: 'Hi ${matrix.cards} ${vars.least}?', reply: Ho.}]}]\n"
		opt := exactOptions()
		elsewhere := mustLoad(t, scenario(body), opt).Cells[0]
		opt.Box = aBox
		here := mustLoad(t, scenario(body), opt).Cells[0]
		if elsewhere.Skip != "" || elsewhere.ID != here.ID {
			t.Errorf("%s: skipped where another machine plays: %s", tt.requires, elsewhere.Skip)
		}
		if got := here.Skip; tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
			t.Errorf("%s: skipped because %q, want %q", tt.requires, got, tt.want)
		}
	}
}

// TestRequiresBox_Same checks that a requirement decides what a cell is, and that none leaves a cell as it was.
func TestRequiresBox_Same(t *testing.T) {
	of := func(requires string) string {
		f := scenario(requires + "conversations: [{id: main, steps: [{id: q, ask: Hi?, reply: Ho.}]}]\n")
		return mustLoad(t, f, exactOptions()).Cells[0].ID
	}
	none, one, other := of(""), of("requires: {box: box.gpus == 1}\n"), of("requires: {box: box.gpus == 2}\n")
	if none == one || one == other || none != of("requires: {}\n") {
		t.Errorf("cells %s, %s and %s", none, one, other)
	}
}

// TestBoxIsNoWordOfAssertions checks that an item of a data set may be called box.
func TestBoxIsNoWordOfAssertions(t *testing.T) {
	f := scenario("conversations:\n  - id: main\n    for_each: {box: {file: q.jsonl}}\n" +
		"    steps: [{id: q, ask: 'Hi ${box.name}?', reply: Ho., assert: ['turn.ok && box.name != \"x\"']}]\n")
	f.Dir = fstest.MapFS{"q.jsonl": {Data: []byte("{\"name\": \"attic\"}\n")}}
	mustLoad(t, f, exactOptions())
}
