package dsl

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
)

const itemScenario = `schema: homellm.scenario/v1
name: sets
defaults: {request: {temperature: 0, max_tokens: 16}}
vars: {take: 3}
conversations:
  - id: quiz
    for_each: {item: {file: data/q.jsonl, take: "${vars.take}"}}
    system: Say ${item.answer} to ${item.question}
    steps:
      - id: ask
        ask: "${item.question} ${vars.take}"
        assert:
          - {name: answers, that: number_in(turn.text) == item.answer}
assert: [steps.ask.ttft_ms.p50 < 900]
`

const itemLines = `{"question": "One?", "answer": 1, "odd": "x"}
{"question": "Two?", "answer": 2}
{"question": "Three?", "answer": 3.5}
{"question": "Four?", "answer": "4"}
`

// itemFile is a scenario with its data set.
func itemFile(scenario, data string) File {
	dir := fstest.MapFS{"data/q.jsonl": {Data: []byte(data)}, "data/q.csv": {Data: []byte("question,answer\nOne?,1\n")},
		"data/empty.jsonl": {Data: []byte("\n")}}
	return File{Name: "sets/s.yaml", Data: []byte(scenario), Dir: dir}
}

func loadItems(t *testing.T, f File) *Plan {
	t.Helper()
	plan, diags := Load(f, shippedLibrary(t), testVocabulary, Options{})
	if plan == nil {
		t.Fatal(diags)
	}
	return plan
}

// TestItems holds that a conversation is played for each item, in one cell and under one id.
func TestItems(t *testing.T) {
	plan := loadItems(t, itemFile(itemScenario, itemLines))
	if len(plan.Cells) != 1 || len(plan.Cells[0].Scenario.Conversations) != 3 {
		t.Fatalf("%d cells", len(plan.Cells))
	}
	cell := plan.Cells[0]
	for i, c := range cell.Scenario.Conversations {
		want := []string{"Say 1 to One?", "Say 2 to Two?", "Say 3.5 to Three?"}[i]
		if c.ID != "quiz" || c.Item.N != i+1 || c.Items != 3 || c.System != want || cell.Turns[i].Item != i+1 {
			t.Errorf("%d: %s item %d of %d: %s", i, c.ID, c.Item.N, c.Items, c.System)
		}
		if c.Steps[0].Assert[0] != cell.Scenario.Conversations[0].Steps[0].Assert[0] {
			t.Error("an assertion is compiled for each item")
		}
	}
	var text strings.Builder
	if err := plan.WriteText(&text); err != nil || !strings.Contains(text.String(), "quiz ×3   ask     1") ||
		strings.Count(text.String(), "number_in") != 1 {
		t.Errorf("%v:\n%s", err, text.String())
	}
}

// TestItems_Shuffle holds that a seed gives one order, another seed another, and that items keep their numbers.
func TestItems_Shuffle(t *testing.T) {
	var lines strings.Builder
	for i := range 50 {
		fmt.Fprintf(&lines, "{\"question\": \"q%d\", \"answer\": %d}\n", i+1, i+1)
	}
	order := func(shuffle string) (out string) {
		text := strings.Replace(itemScenario, `take: "${vars.take}"`, `take: 3, shuffle: `+shuffle, 1)
		plan := loadItems(t, itemFile(strings.Replace(text, "${vars.take}", "", 1), lines.String()))
		for _, c := range plan.Cells[0].Scenario.Conversations {
			out += fmt.Sprintf("%d:%v ", c.Item.N, c.Item.Values["answer"])
		}
		return out
	}
	one, again, two := order("1"), order("1"), order("2")
	if one != again || one == two || one == "1:1 2:2 3:3 " {
		t.Errorf("%s, again %s, another seed %s", one, again, two)
	}
	for pair := range strings.FieldsSeq(one) {
		if n, v, _ := strings.Cut(pair, ":"); n != v {
			t.Errorf("item %s has the values of item %s", n, v)
		}
	}
}

// TestItems_Refused holds what is said of a data set that cannot be played, and where.
func TestItems_Refused(t *testing.T) {
	for _, tt := range []struct{ old, new, want string }{
		{"take: \"${vars.take}\"", "take: 9", "sets/s.yaml:7:49: error[links/item]: take 9: the data set has 4 items"},
		{"vars: {take: 3}", "vars: {take: 4}", `sets/data/q.jsonl:4:33: error[links/item]: column "answer" is text here and a ` +
			"number in another item"},
		{"${item.question} $", "${item.odd} $", `sets/data/q.jsonl:2:1: error[links/item]: this item has no column "odd"`},
		{"item.answer}\n", "item.answer and item.odd == 'x'}\n",
			`sets/data/q.jsonl:2:1: error[links/item]: this item has no column "odd"`},
		{"${item.question} $", "${item.queston} $", `did you mean "question"?`},
		{"item.answer}\n", "item.anser}\n", `did you mean "answer"?`},
		{"data/q.jsonl", "../q.jsonl", "is not a path inside the folder"},
		{"data/q.jsonl", "data/empty.jsonl", `data set file "data/empty.jsonl" is empty`},
		{"data/q.jsonl", "data/none.jsonl", "does not exist"},
		{"data/q.jsonl, take: \"${vars.take}\"", "data/q.csv", "== cannot stand between a number and text"},
		{"{file: data/q.jsonl, ", "{", "the data set has neither a file nor a list"},
		{"{file: data/q.jsonl", "{list: [{answer: 1}], file: data/q.jsonl", "file and list both say"},
		{"{item:", "{turn:", `"turn" cannot be a variable`},
		{"{item:", "{len:", `"len" cannot be a variable: it is a function`},
		{"{item:", "{user:", `"user" cannot be a variable`},
		{"{item:", "{question:", `${item.answer} refers to nothing`},
		{"take: \"${vars.take}\"}", "take: 2}, more: {file: data/q.jsonl}", "a conversation has one data set"},
		{"  - id: quiz\n", "  - id: other\n    steps: [{id: x, ask: \"${item.question}\"}]\n  - id: quiz\n",
			"${item.question} refers to nothing"},
		{"assert: [steps.ask", "assert: [item.answer > 2, steps.ask", `unknown name "item"`},
	} {
		text := strings.Replace(itemScenario, tt.old, tt.new, 1)
		if text == itemScenario {
			t.Fatalf("%s is not in the scenario", tt.old)
		}
		plan, diags := Load(itemFile(text, itemLines), shippedLibrary(t), testVocabulary, Options{})
		var out strings.Builder
		if err := diags.WriteText(&out); err != nil || plan != nil || !strings.Contains(out.String(), tt.want) {
			t.Errorf("%s: %v\n%s\nwant %s", tt.new, err, out.String(), tt.want)
		}
		if n := strings.Count(out.String(), "error["); n > 6 {
			t.Errorf("%s: %d errors:\n%s", tt.new, n, out.String())
		}
	}
	_, diags := Load(itemFile(itemScenario, itemLines+"{\"question\": }\n"), shippedLibrary(t), testVocabulary, Options{})
	if got := diags.Error(); !strings.Contains(got, "sets/data/q.jsonl:5:14: error[links/item]: this is no JSON") {
		t.Error(got)
	}
}

// TestScores holds which assertions have a pass rate, and what is said of one that cannot be.
func TestScores(t *testing.T) {
	const gate = "assert: [steps.ask.ttft_ms.p50 < 900"
	for _, tt := range []struct{ old, new, want string }{
		{gate, `assert: ["run.pass_rate[\"answrs\"] > 0.2"`, `no assertion of a step or a conversation has the name "answrs"`},
		{gate, `assert: ["run.pass_rate[\"answrs\"] > 0.2"`, `did you mean "answers"?`},
		{gate, `assert: ["run.pass_rate[\"answers\"] > 20"`, "is a share from 0 to 1, and is compared with 20"},
		{gate, `assert: ["run.pass_rate > 0.2"`, "run.pass_rate is a group, not a value"},
		{gate, `assert: ["run.pass_rate[\"answers\"] > 0.9"`,
			"even if all 3 pass, the share is only known to be above 0.3684, with 95 % confidence"},
		{gate, `assert: ["run.pass_rate[\"answers\"] >= 0.3"`, ""},
		{gate, `assert: ["run.pass_rate[\"answers\"] < 0.1"`, "even if none of 3 passes, the share is only known to be below 0.6316"},
		{gate, "assert: [{name: n, that: run.requests_failed < 1, severity: count}", "is evaluated once: there is nothing to count"},
		{"{name: answers, ", "{severity: count, ", "an assertion that only counts needs a name"},
		{"{name: answers, ", "{name: answers, severity: count, min_pass_rate: 90%, ",
			"says nothing of an assertion that only counts"},
	} {
		text := strings.Replace(itemScenario, tt.old, tt.new, 1)
		if text == itemScenario {
			t.Fatalf("%s is not in the scenario", tt.old)
		}
		_, diags := Load(itemFile(text, itemLines), shippedLibrary(t), testVocabulary, Options{})
		var out strings.Builder
		if err := diags.WriteText(&out); err != nil || !strings.Contains(out.String(), tt.want) ||
			tt.want == "" && strings.Contains(out.String(), "pass_rate") {
			t.Errorf("%s: %v\n%s\nwant %s", tt.new, err, out.String(), tt.want)
		}
	}
}

// TestItems_List holds that a scenario can hold its items itself.
func TestItems_List(t *testing.T) {
	text := strings.Replace(itemScenario, `file: data/q.jsonl, take: "${vars.take}"`,
		"list: [{question: A?, answer: 1}, {question: B?, answer: 2}]", 1)
	plan := loadItems(t, itemFile(text, ""))
	if got := plan.Cells[0].Scenario.Conversations; len(got) != 2 || got[1].System != "Say 2 to B?" {
		t.Errorf("%d conversations", len(got))
	}
}
