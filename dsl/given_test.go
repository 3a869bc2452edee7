package dsl

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// chats are files that conversations begin with.
var chats = fstest.MapFS{
	"chats/session.json": {Data: []byte(`{"messages": [
  {"role": "system", "content": "You mend parsers."},
  {"role": "user", "content": [{"type": "text", "text": "Why does it fail?"}]},
  {"role": "assistant", "content": null, "tool_calls": [
    {"id": "c9", "type": "function", "function": {"name": "read_file", "arguments": "{\"path\": \"parser.go\"}"}}]},
  {"role": "tool", "tool_call_id": "c9", "content": "off by one"},
  {"role": "assistant", "content": "It is off by one."},
  {"role": "user", "content": "Mend it."},
  {"role": "assistant", "content": "Mended."}
]}`)},
	"chats/two.jsonl": {Data: []byte(`{"id": "one", "conversations": [{"from": "human", "value": "Q"},` +
		`{"from": "gpt", "value": "R"}]}

{"id": 2, "messages": [{"role": "user", "content": "Q2"}, {"role": "assistant", "content": "R2"}]}
`)},
	"chats/trace.jsonl": {Data: []byte(`{"timestamp": 0, "input_length": 655, "output_length": 52, "hash_ids": [46, 47]}
{"timestamp": 10535, "input_length": 672, "output_length": 26, "hash_ids": [46, 48]}
`)},
	"chats/bad.json": {Data: []byte("[\n  {\"role\": \"user\", \"content\": \"Q\"},\n" +
		"  {\"role\": \"narrator\", \"content\": \"R\"}\n]")},
}

// begun is a scenario with one conversation that begins with a chat.
func begun(given, rest string) File {
	f := scenario("conversations:\n  - id: main\n    given: " + given + "\n    steps:\n" + rest)
	f.Dir = chats
	return f
}

// turnsOf plays the first conversation of a plan and returns its turns, each with role and text of its messages.
func turnsOf(t *testing.T, plan *Plan) []string {
	t.Helper()
	c := plan.Cells[0].Scenario.Conversations[0]
	h := c.Begin()
	var out []string
	for _, step := range c.Steps {
		err := step.Play(h, func(turn Turn) (Reply, error) {
			var all []string
			for _, m := range turn.Messages {
				all = append(all, fmt.Sprintf("%.1s:%s", m.Role, strings.TrimSpace(m.Text())))
			}
			out = append(out, strings.Join(all, "|"))
			return turn.Recorded(), nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// TestGiven checks the context of a conversation that begins with a recorded chat.
func TestGiven(t *testing.T) {
	const session = "s:You mend parsers.|u:Why does it fail?|a:<tool_call>\n{\"name\": \"read_file\", \"arguments\": " +
		"{\"path\": \"parser.go\"}}\n</tool_call>|t:off by one|a:It is off by one.|u:Mend it.|a:Mended."
	for _, tt := range []struct {
		name, given, steps string
		want               []string
	}{
		{"a chat with a tool", "{file: chats/session.json}", "      - {id: q, continue: And now?, reply: R}\n",
			[]string{session + "|u:And now?"}},
		{"a line", "{file: chats/two.jsonl, line: 3}", "      - {id: q, ask: Q, reply: R}\n", []string{"u:Q2|a:R2|u:Q"}},
		{"an id", "{file: chats/two.jsonl, id: one}", "      - {id: q, ask: Q3, reply: R}\n", []string{"u:Q|a:R|u:Q3"}},
		{"its questions count where it is compacted", "{file: chats/session.json}",
			"      - {id: c, compact: {keep_last: 1, summary: Sum.}}\n      - {id: q, continue: And now?, reply: R}\n",
			[]string{"s:You mend parsers.|u:Sum.|u:Mend it.|a:Mended.|u:And now?"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			plan := mustLoad(t, begun(tt.given, tt.steps), exactOptions())
			if diff := cmp.Diff(tt.want, turnsOf(t, plan)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestGiven_IsPlanned checks that the tokens of a given history count in the first prompt, which no cache has seen.
func TestGiven_IsPlanned(t *testing.T) {
	steps := "      - {id: q, continue: And now?, reply: R}\n      - {id: q2, continue: And then?, reply: R}\n"
	plan := mustLoad(t, begun("{file: chats/session.json}", steps), exactOptions())
	turns := plan.Cells[0].Turns
	if first := turns[0]; first.PromptTokens < 40 || first.Ceiling != 0 {
		t.Errorf("%+v", first)
	}
	if seen := turns[1].Reusable; seen < turns[0].PromptTokens-15 {
		t.Errorf("%d tokens of the second prompt were seen, of the %d of the first", seen, turns[0].PromptTokens)
	}
	f := begun("{file: chats/session.json}", steps)
	f.Dir = fstest.MapFS{"chats/session.json": {Data: []byte(strings.Replace(string(chats["chats/session.json"].Data),
		"Mended.", "Done.", 1))}}
	other := mustLoad(t, f, exactOptions())
	if a, b := plan.Cells[0], other.Cells[0]; a.ID == b.ID || a.Does == b.Does || plan.SHA256 == other.SHA256 {
		t.Error("another chat has the same digests")
	}
}

// TestGiven_Trace checks that equal hashes become equal texts of the right length, and different hashes different ones.
func TestGiven_Trace(t *testing.T) {
	f := scenario(`conversations:
  - id: a
    given: {file: chats/trace.jsonl, line: 1}
    steps: [{id: qa, ask: Q, reply: R}]
  - id: b
    given: {file: chats/trace.jsonl, line: 2}
    steps: [{id: qb, ask: Q, reply: R}]
`)
	f.Dir = chats
	plan := mustLoad(t, f, exactOptions())
	turns := plan.Cells[0].Turns
	for i, want := range []int{655, 672} {
		if got := turns[i].PromptTokens; got < want || got > want+40 {
			t.Errorf("prompt %d has %d tokens, want %d and a question", i, got, want)
		}
	}
	if c := turns[1].Ceiling * float64(turns[1].PromptTokens); c < 512 || c > 512+30 {
		t.Errorf("%v tokens of the second prompt are in the first, want one block", c)
	}
}

// TestGiven_Refused checks the errors about a history that cannot be given, and their positions.
func TestGiven_Refused(t *testing.T) {
	ask := "      - {id: q, ask: Q, reply: R}\n"
	for _, tt := range []struct{ given, steps, want string }{
		{"{file: chats/bad.json}", ask, `chats/bad.json:3:12: error[links/given]: "narrator" is no role of a message`},
		{"{file: chats/two.jsonl}", ask, "the file holds 2 chats, each in its line"},
		{"{file: chats/two.jsonl, line: 2}", ask, "there is no chat in line 2"},
		{"{file: chats/two.jsonl, id: ones}", ask, `did you mean "one"?`},
		{"{file: chats/two.jsonl, id: one, line: 1}", ask, "line and id both say which chat it is"},
		{"{file: ../session.json}", ask, "is not a path inside the folder of the scenario"},
		{"{file: chats/none.json}", ask, "does not exist"},
		{"{file: chats/session.json}\n    system: S", ask, "begins with a system message, and the conversation has one too"},
		{"{file: chats/session.json}", "      - {id: c, compact: {keep_last: 2, summary: S}}\n" + ask,
			"keep_last 2 leaves nothing to sum up: the context has 2 user messages"},
	} {
		_, diags := Load(begun(tt.given, tt.steps), testLibrary(t), vocabulary, exactOptions())
		if !strings.Contains(diags.Error(), tt.want) {
			t.Errorf("%s: want %s, got:\n%v", tt.given, tt.want, diags)
		}
	}
}
