package dsl

import (
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// doing is a scenario with everything that is sent and everything that is not.
const doing = `schema: homellm.scenario/v1
name: doing
vars: {asked: How tight?, limit: 900}
matrix: {length: [40, 50]}
defaults: {request: {temperature: 0, seed: 1, max_tokens: 8}}
run: {repeats: 4, warmup: 1, error_budget: 10%, isolation: {cache: salt, scope: repeat}}
documents:
  - {id: manual, title: Manual, file: manual.txt}
  - {id: filler, synthetic: {tokens: "${matrix.length}", seed: 3}}
conversations:
  - id: main
    title: The pump
    system: You answer in one sentence.
    steps:
      - {id: load, inject: {docs: [manual]}}
      - id: torque
        query: ${vars.asked}
        assert: ["turn.ttft_ms < vars.limit"]
      - {id: more, inject: {docs: [filler], into: system}}
      - {id: again, continue: {turns: [And now?, And then?]}}
      - {id: drop, remove: {docs: [manual]}}
      - {id: after, ask: Where is it?, timeout: 20s}
`

// TestDoes edits a scenario in every way that changes what is sent, and in every way that does not.
func TestDoes(t *testing.T) {
	read := func(text, manual string, opt Options) []string {
		t.Helper()
		opt.Count, opt.Render, opt.Servers = countWords, plainRender, []string{"big"}
		p, diags := Load(File{Name: "s.yaml", Data: []byte(text),
			Dir: fstest.MapFS{"manual.txt": {Data: []byte(manual)}}}, testLibrary(t), vocabulary, opt)
		if diags.Errors() {
			t.Fatalf("%v in\n%s", diags, text)
		}
		var out []string
		for _, c := range p.Cells {
			out = append(out, c.Does)
		}
		return out
	}
	const manual = "The pump is old."
	first := read(doing, manual, Options{})
	if len(first) != 2 || first[0] == first[1] || len(first[0]) != 64 {
		t.Fatalf("two cells with documents of other lengths do %q", first)
	}
	for _, e := range []struct {
		what, old, new string
		same           bool
	}{
		{"a comment", "vars: {", "# why\nvars: {", true},
		{"the order of keys", "temperature: 0, seed: 1", "seed: 1, temperature: 0", true},
		{"a description", "vars: {", "description: Of a pump.\nvars: {", true},
		{"a title", "title: The pump", "title: An old pump", true},
		{"another name", "name: doing", "name: done", true},
		{"tags", "    title: The pump", "    title: The pump\n    tags: [a]", true},
		{"an added assertion", "timeout: 20s}", "timeout: 20s, assert: [turn.ok]}", true},
		{"a limit of an assertion", "limit: 900", "limit: 700", true},
		{"a removed assertion", "        assert: [\"turn.ttft_ms < vars.limit\"]\n", "", true},
		{"an assertion of the whole", "conversations:", "assert: [steps.torque.ttft_ms.p50 < 5]\nconversations:", true},
		{"more repeats", "repeats: 4", "repeats: 9", true},
		{"an error budget", "error_budget: 10%", "error_budget: 5%", true},
		{"a time limit", "timeout: 20s", "timeout: 30s", true},
		{"a document that nothing reads", "  - {id: filler", "  - {id: spare, text: Spare.}\n  - {id: filler", true},
		{"a text in another notation", "system: You answer in one sentence.",
			"system: >-\n      You answer in\n      one sentence.", true},
		{"a default where it is used", "ask: Where is it?", "request: {max_tokens: 8}, ask: Where is it?", true},
		{"a further cell", "length: [40, 50]", "length: [40, 50, 60]", true},

		{"the system message", "one sentence", "two sentences", false},
		{"a question", "And then?", "And why?", false},
		{"a variable that is asked", "asked: How tight?", "asked: How wide?", false},
		{"a value of the matrix", "length: [40, 50]", "length: [41, 51]", false},
		{"a seed of a document", "seed: 3}", "seed: 4}", false},
		{"a title that is sent with its document", "title: Manual", "title: Guide", false},
		{"where a document goes", "into: system", "into: message", false},
		{"how a document goes", "remove: {docs: [manual]}", "remove: {docs: [manual], mode: tombstone}", false},
		{"a step less", "      - {id: after, ask: Where is it?, timeout: 20s}\n", "", false},
		{"another name of a step", "id: after,", "id: later,", false},
		{"a request option", "temperature: 0", "temperature: 0.5", false},
		{"the longest reply", "max_tokens: 8", "max_tokens: 9", false},
		{"a warm-up", "warmup: 1", "warmup: 2", false},
		{"the isolation", "cache: salt", "cache: reset", false},
		{"the scope", "scope: repeat", "scope: conversation", false},
		{"a pause", "warmup: 1", "warmup: 1, cooldown: 1s", false},
	} {
		text := strings.Replace(doing, e.old, e.new, 1)
		if text == doing {
			t.Fatalf("%s: nothing was edited", e.what)
		}
		for i, now := range read(text, manual, Options{})[:2] {
			if (now == first[i]) != e.same {
				t.Errorf("%s: cell %d does the same: %t", e.what, i, now == first[i])
			}
		}
	}
	if read(doing, "The pump is new.", Options{})[0] == first[0] {
		t.Error("another text in a document's file does the same")
	}
	if read(doing, manual, Options{Vars: map[string]string{"asked": "Why?"}})[0] == first[0] {
		t.Error("--var of a question does the same")
	}
	if read(doing, manual, Options{Repeats: 9, Vars: map[string]string{"limit": "700"}})[0] != first[0] {
		t.Error("--var of a limit or --repeats does something else")
	}
}

// What a live conversation keeps of a reply is the server's; what a recorded one keeps is sent.
func TestDoes_RecordedReplies(t *testing.T) {
	does := func(history, reply string) string {
		c := &Conversation{ID: "c", History: HistoryMode(history), Steps: []*Step{
			{ID: "a", Do: Ask{Text: "Hello?", Reply: reply}}, {ID: "b", Do: Ask{Text: "And?", Reply: "Yes."}}}}
		return does(&Scenario{Conversations: []*Conversation{c}, Run: Run{Cooldown: time.Second}})
	}
	if does("recorded", "Hi.") == does("recorded", "Ho.") {
		t.Error("another recorded reply does the same")
	}
	if does("live", "Hi.") == does("recorded", "Hi.") {
		t.Error("a live history does what a recorded one does")
	}
	if does("live", "Hi.") != does("live", "") {
		t.Error("a reply that nothing sends does something else")
	}
}
