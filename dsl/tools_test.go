package dsl

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"homellm/engine/wire"
)

// agent is a conversation with a tool. Its steps are given, or those of a recorded loop.
func agent(history, steps string) string {
	return `conversations:
  - id: fix
    history: ` + history + `
    system: You are a coding agent.
    tools:
      - name: read_file
        description: Returns a file.
        parameters: {type: object, properties: {path: {type: string}, line: {type: integer}}, required: [path]}
        results:
          - {when: 'args.path == "parser.go" && call.n == 1', text: off by one}
          - {when: args.line > 3, text: a late line}
          - {when: 'args.path startsWith "p"', text: another file}
    steps:
` + steps
}

// TestRounds_Live checks the rounds of a user message: calls of the server are answered and sent again until a reply
// has no calls, the limit is reached, or the same call gets the same result for the third time.
func TestRounds_Live(t *testing.T) {
	call := func(arguments string) Reply {
		return Reply{Calls: []wire.ToolCall{wire.Call("", "read_file", arguments)}}
	}
	for _, tt := range []struct {
		name    string
		replies []Reply
		stopped string
		wants   []string // results
		answers []Answered
	}{
		{"answers", []Reply{call(`{"path":"parser.go"}`), call(`{"path":"parser.go"}`), {Text: "off by one"}}, "answer",
			[]string{"off by one", "another file"}, []Answered{{Valid: 1}, {Valid: 1}, {Stopped: "answer"}}},
		{"the limit", []Reply{call(`{"path":"p1"}`), call(`{"path":"p2"}`), call(`{"path":"p3"}`), call(`{"path":"p4"}`)},
			"max_rounds", []string{"another file", "another file", "another file", "another file"},
			[]Answered{{Valid: 1}, {Valid: 1}, {Valid: 1}, {Valid: 1, Stopped: "max_rounds"}}},
		{"a loop", []Reply{call(`{"path":"p1"}`), call(`{ "path": "p1" }`), call(`{"path":"p1"}`)}, "loop",
			[]string{"another file", "another file", "another file"},
			[]Answered{{Valid: 1}, {Valid: 1}, {Valid: 1, Stopped: "loop"}}},
		{"calls that nothing answers", []Reply{
			{Calls: []wire.ToolCall{wire.Call("x", "read_file", `{"path":"q"}`), wire.Call("y", "write_file", `{}`)}},
			call(`{"path":`), call(`{"line":9}`), {}}, "answer",
			[]string{"error: read_file has no result for these arguments", `error: there is no tool "write_file"`,
				"error: the arguments are not JSON", "a late line"},
			[]Answered{{Valid: 1, Unmatched: 2}, {Unmatched: 1}, {}, {Stopped: "answer"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			plan := mustLoad(t, scenario(agent("live", "      - {id: start, ask: Why?, max_rounds: 4}\n")), exactOptions())
			c := plan.Cells[0].Scenario.Conversations[0]
			h, sent := c.Begin(), []Turn(nil)
			var answers []Answered
			err := c.Steps[0].Do.Play(h, func(turn Turn) (Reply, error) {
				r := tt.replies[len(sent)]
				sent = append(sent, turn)
				a := turn.Answer(r)
				a.calls = nil
				answers = append(answers, a)
				return r, nil
			})
			if err != nil || len(sent) != len(tt.replies) {
				t.Fatalf("%d requests, want %d; %v", len(sent), len(tt.replies), err)
			}
			if diff := cmp.Diff(tt.answers, answers, cmp.AllowUnexported(Answered{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			var results []string
			ids := map[string]bool{}
			for _, m := range h.Messages() {
				for _, c := range m.ToolCalls {
					ids[c.ID] = true
				}
				if m.Role == "tool" {
					results = append(results, m.Content)
					if !ids[m.ToolCallID] || m.Name == "" {
						t.Errorf("the result %+v belongs to no call", m)
					}
				}
			}
			if diff := cmp.Diff(tt.wants, results); diff != "" {
				t.Errorf("results (-want +got):\n%s", diff)
			}
			for i, turn := range sent {
				if turn.N != i+1 || turn.Round != i+1 || turn.Last != (i == 3) || len(turn.Tools) != 1 {
					t.Errorf("turn %d: %+v", i+1, turn)
				}
			}
		})
	}
}

// TestRounds_Recorded checks that recorded replies form one list for the step, and that mistakes in it are reported at
// their line.
func TestRounds_Recorded(t *testing.T) {
	const call = `{tool_calls: [{name: read_file, arguments: {path: parser.go}}]}`
	plan := mustLoad(t, scenario(agent("recorded", `      - {id: start, ask: Why?, reply: [`+call+`, Off by one.]}
      - {id: on, continue: {turns: [And?, Then?]}, reply: [`+call+`, {text: Look., tool_calls: [{name: read_file, `+
		`arguments: {path: pa}}]}, Nothing., Done.]}
`)), exactOptions())
	c := plan.Cells[0]
	var turns []string
	for _, p := range c.Turns {
		turns = append(turns, fmt.Sprintf("%s %d", p.Step, p.Turn))
	}
	if got := strings.Join(turns, ", "); got != "start 1, start 2, on 1, on 2, on 3, on 4" {
		t.Errorf("planned %s", got)
	}
	if n := c.Scenario.Conversations[0].Steps[1].Do.Turns(); n != 4 {
		t.Errorf("step on has %d turns, want 4", n)
	}
	for i := range c.Turns {
		if i > 0 && (!c.Turns[i].Known || c.Turns[i].Reusable == 0) {
			t.Errorf("the ceiling of turn %d is not known: %+v", i, c.Turns[i])
		}
	}
	for _, tt := range []struct{ name, from, to, want string }{
		{"a spare reply", "reply: [x, y]", "",
			"s.yaml:19:43 links/reply: step \"start\" makes 1 request, so this reply is never kept"},
		{"no last reply", "reply: [" + call + "]", "", "links/reply: step \"start\" has no reply left after 1"},
		{"a call that nothing answers", "reply: [{tool_calls: [{name: nothing}]}, y]", "",
			"s.yaml:19:61 links/tool: there is no tool \"nothing\""},
		{"arguments that the tool does not take", "reply: [{tool_calls: [{name: read_file, arguments: {line: 9}}]}, y]", "",
			"s.yaml:19:83 links/tool: the parameters of read_file do not accept these arguments"},
		{"an unknown parameter", "reply: [x]", "args.line > 3|args.lin > 3",
			"s.yaml:16:25 expr/name: the tool has no parameter \"lin\""},
		{"a wrong type", "reply: [x]", `args.line > 3|args.line > "3"`, "expr/type: "},
		{"no condition", "reply: [x]", "args.line > 3|args.line + 3", "expr/type: a condition must be true or false"},
		{"no parameter", "reply: [x]", "args.line > 3|1 < 2",
			"s.yaml:16:20 expr/constant: the condition names no parameter"},
		{"a bare name", "reply: [x]", "args.line > 3|line > 3", "expr/name: unknown name \"line\""},
		{"a bad schema", "reply: [x]", "line: {type: integer}|line: {typ: integer}", "schema/unknown-key: "},
		{"nothing after all", "reply: [x]", "{when: args.line > 3, text: a late line}|{text: all}",
			"links/tool: the result before this one"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := agent("recorded", "      - {id: start, ask: Why?, "+tt.from+"}\n")
			if from, to, ok := strings.Cut(tt.to, "|"); ok {
				text = strings.Replace(text, from, to, 1)
			}
			_, ds := Load(scenario(text), testLibrary(t), vocabulary, exactOptions())
			var all []string
			for _, d := range ds {
				all = append(all, fmt.Sprintf("%s:%d:%d %s: %s", d.Pos.File, d.Pos.Line, d.Pos.Col, d.Code, d.Message))
			}
			if got := strings.Join(all, "\n"); !strings.Contains(got, tt.want) {
				t.Errorf("got\n%s\nwant %s", got, tt.want)
			}
		})
	}
	for what, text := range map[string]string{
		"max_rounds": "conversations:\n  - id: m\n    steps:\n      - {id: q, ask: Hi?, max_rounds: 2, reply: x}\n",
		"tool_calls": "conversations:\n  - id: m\n    steps:\n      - {id: q, ask: Hi?, reply: [" + call + "]}\n",
	} {
		if _, ds := Load(scenario(text), testLibrary(t), vocabulary, exactOptions()); !strings.Contains(fmt.Sprint(ds),
			"links/tool") {
			t.Errorf("%s without tools: %v", what, ds)
		}
	}
}

// TestRounds_Planned checks that a plan knows the most that a live agent may need, and gives no ceiling that depends on
// the model's choice.
func TestRounds_Planned(t *testing.T) {
	plan := mustLoad(t, scenario(agent("live", "      - {id: start, ask: Why?, max_rounds: 3}\n"+
		"      - {id: on, continue: And?, max_rounds: 1}\n")), exactOptions())
	turns := plan.Cells[0].Turns
	if len(turns) != 4 {
		t.Fatalf("%d turns, want at most 3 and 1", len(turns))
	}
	for i, p := range turns {
		if p.Known != (i == 0) {
			t.Errorf("turn %d: its ceiling is known: %v", i+1, p.Known)
		}
		if i > 0 && p.PromptTokens < turns[i-1].PromptTokens+32 {
			t.Errorf("turn %d: %d tokens, and before it %d with 32 of a reply", i+1, p.PromptTokens, turns[i-1].PromptTokens)
		}
	}
}
