package imports

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"image"
	"image/png"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"homellm/dsl"
	"homellm/dsl/syntax"
	"homellm/dsl/transcript"
	"homellm/engine/judge"
	"homellm/engine/wire"
)

func check(scenario []byte, beside map[string][]byte) syntax.Diagnostics {
	return dsl.Validate(dsl.File{Name: Unwritten, Data: scenario, Dir: Folder(beside)}, &dsl.Library{}, judge.Vocabulary())
}

// importing makes a scenario from all chats of a file.
func importing(data string, opt Options) (*transcript.File, *Made, error) {
	f, found := transcript.Read("f", []byte(data), "")
	if found.Errors() {
		return nil, nil, found
	}
	var all []int
	for i := range f.Len() {
		all = append(all, i)
	}
	opt.Name, opt.Of, opt.Check = "made", "f", check
	opt.Image = func(data []byte) error { _, err := dsl.ImageOf("", data); return err }
	if opt.Chats == 0 {
		opt.Chats = 100
	}
	made, err := Make(f, all, opt)
	return f, made, err
}

// picture returns a question that shows an image.
func picture(t *testing.T) string {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 2, 2))); err != nil {
		t.Fatal(err)
	}
	return `{"role":"user","content":[{"type":"text","text":"What is it?"},{"type":"image_url","image_url":{"url":"` +
		wire.Image{Media: "image/png", Data: b.Bytes()}.DataURL() + `"}}]}`
}

// played returns the messages of the last request of each conversation, and the reply that is kept.
func played(t testing.TB, made *Made) [][]string {
	t.Helper()
	plan, found := dsl.Load(dsl.File{Name: "made.yaml", Data: made.Scenario, Dir: Folder(made.Beside)}, &dsl.Library{},
		judge.Vocabulary(), dsl.Options{})
	if found.Errors() {
		t.Fatalf("%v\n%s", found, made.Scenario)
	}
	var out [][]string
	for _, c := range plan.Cells[0].Scenario.Conversations {
		h := c.Begin()
		var last []dsl.Message
		for _, s := range c.Steps {
			err := s.Play(h, func(turn dsl.Turn) (dsl.Reply, error) {
				r := turn.Recorded()
				last = append(turn.Messages, dsl.Message{Role: "assistant", Content: r.Text, ToolCalls: r.Calls})
				return r, nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		out = append(out, lines(last))
	}
	return out
}

// lines returns messages without the ids of calls, which the import replaces.
func lines(messages []dsl.Message) []string {
	var out []string
	for _, m := range messages {
		s := m.Role + ": " + m.Content
		for _, i := range m.Images {
			s += fmt.Sprintf(" %s %x", i.Media, sha256.Sum256(i.Data))
		}
		for _, c := range m.ToolCalls {
			s += " " + c.Function.Name + c.Function.Arguments
		}
		out = append(out, s)
	}
	return out
}

// original returns the messages of a chat in the same form.
func original(c *transcript.Chat) []string {
	var out []dsl.Message
	for _, m := range c.Messages {
		out = append(out, m.Message)
	}
	return lines(out)
}

// recorded reads a file in testdata; the README there says where its form comes from.
func recorded(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestMake_SaysTheSame checks that a scenario has exactly the texts of the chat, however much of it is in the given
// history.
func TestMake_SaysTheSame(t *testing.T) {
	const q, r = `{"role":"user","content":"Q"}`, `{"role":"assistant","content":"R"}`
	const ls = `{"role":"assistant","tool_calls":[{"function":{"name":"ls"}}]},{"role":"tool","content":"."}`
	const cd = `{"role":"assistant","tool_calls":[{"function":{"name":"cd"}}]},{"role":"tool","content":"/"}`
	for name, data := range map[string]string{
		"an agent": recorded(t, "agent.json"),
		"a chat":   recorded(t, "chat.json"), "sharegpt": recorded(t, "sharegpt.json"),
		"a greeting first": "[" + r + "," + q + "," + r + "]",
		"ids that are paths": `[{"id":"../../etc/passwd","conversations":[{"from":"human","value":"Q"},
{"from":"gpt","value":"R"}]},
{"id":"CON","conversations":[{"from":"gpt","value":"A"},{"from":"human","value":"Q"},{"from":"gpt","value":"R"}]}]`,
		"a system message in the middle": `[{"role":"user","content":"Q"},{"role":"assistant","content":"R"},
{"role":"system","content":"S"},{"role":"user","content":"Q2"},{"role":"assistant","content":"R2"}]`,
		"images":  "[" + q + "," + r + "," + picture(t) + "," + r + "," + q + "," + r + "]",
		"circles": "[" + q + strings.Repeat(","+ls, 5) + "," + r + "," + q + "," + r + "]",
		"rounds":  "[" + q + strings.Repeat(","+ls+","+cd, 2) + "," + r + "]",
	} {
		for _, last := range []int{0, 1, 2} {
			t.Run(fmt.Sprintf("%s, %d", name, last), func(t *testing.T) {
				f, made, err := importing(data, Options{Last: last})
				if err != nil {
					t.Fatal(err)
				}
				for i, got := range played(t, made) {
					chat, _ := f.Chat(i)
					rename(&builder{}, chat)
					if diff := cmp.Diff(original(chat), got); diff != "" {
						t.Errorf("chat %d (-recorded +played):\n%s\n%s", i, diff, made.Scenario)
					}
				}
				for name := range made.Beside {
					if !slices.Contains([]string{"chats/made", "documents/made", "images/made"}, path.Dir(name)) {
						t.Errorf("a file is named %s", name)
					}
				}
			})
		}
	}
}

// TestMake_ListsTheRest checks the notes about parts of a chat that a scenario cannot express.
func TestMake_ListsTheRest(t *testing.T) {
	const q, r = `{"role":"user","content":"Q"}`, `{"role":"assistant","content":"R"}`
	call := func(id string) string {
		return `{"role":"assistant","tool_calls":[{"id":"` + id + `","function":{"name":"ls"}}]}`
	}
	result := func(id string) string { return `{"role":"tool","tool_call_id":"` + id + `","content":"."}` }
	for _, tt := range []struct{ name, data, want string }{
		{"no reply", "[" + q + "," + r + "," + q + "]", "q2 has no reply"},
		{"two questions", "[" + q + "," + q + "," + r + "]", "user messages that follow each other are one question"},
		{"two replies", "[" + q + "," + r + "," + r + "]", "messages of the assistant that follow each other are one reply"},
		{"thoughts", "[" + q + `,{"role":"assistant","content":"R","reasoning":"hm"}]`, "thought before replies"},
		{"circles at the end", "[" + q + "," + call("a") + "," + result("a") + "," + call("b") + "," + result("b") + "," +
			call("c") + "," + result("c") + "," + r + "]", "the same call with the same result for the third time"},
		{"a name of a tool", "[" + q + `,{"role":"assistant","tool_calls":[{"id":"a","function":{"name":"fs.ls"}}]},` +
			result("a") + "," + r + "]", "the tool fs.ls is called fs_ls"},
		{"arguments", "[" + q + `,{"role":"assistant","tool_calls":` +
			`[{"id":"a","function":{"name":"ls","arguments":"{oops"}}]},` +
			result("a") + "," + r + "]", "arguments that are no JSON"},
		{"a schema", `{"messages":[` + q + "," + r + `],"tools":[{"function":{"name":"f","parameters":{"type":"objekt"}}}]}`,
			"the parameters of f are guessed from its calls"},
		{"times", `[{"role":"user","content":"Q","timestamp":5},{"role":"assistant","content":"R","timestamp":7},` +
			`{"role":"user","content":"Q","timestamp":9},` + r + "]", "times are left out"},
		{"sampling", `{"messages":[` + q + "," + r + `],"temperature":0.7,"logit_bias":{}}`,
			"left out of the requests: logit_bias, temperature;"},
		{"the order of results", "[" + q + `,{"role":"assistant","tool_calls":[{"id":"a","function":{"name":"ls"}},` +
			`{"id":"b","function":{"name":"ls"}}]},` + result("b") + "," + result("a") + "," + r + "]",
			"in the order of the calls"},
	} {
		_, made, err := importing(tt.data, Options{})
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		} else if !strings.Contains(strings.Join(made.Notes, "\n"), tt.want) {
			t.Errorf("%s: %q", tt.name, made.Notes)
		}
	}
}

// TestMake_Waits checks the waits between questions.
func TestMake_Waits(t *testing.T) {
	_, made, err := importing(`[{"role":"user","content":"Q","timestamp":5},
{"role":"assistant","content":"R","timestamp":7},
{"role":"user","content":"Q","timestamp":9.5},{"role":"assistant","content":"R","timestamp":10},
{"role":"user","content":"Q","timestamp":1e300},{"role":"assistant","content":"R"}]`, Options{Waits: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"{id: q2_wait, wait: 2500ms}", "{id: q3_wait, wait: 86400000ms}"} {
		if !strings.Contains(string(made.Scenario), want) {
			t.Errorf("no %s in\n%s", want, made.Scenario)
		}
	}
}

// TestMake_Long checks that a chat of any length fits: messages that are not steps are in context from the beginning.
func TestMake_Long(t *testing.T) {
	var chat strings.Builder
	chat.WriteString(`[{"role":"system","content":"S"}`)
	for i := range 5_000 {
		fmt.Fprintf(&chat, `,{"role":"user","content":"Question %d"},{"role":"assistant","content":"Reply %d"}`, i, i)
	}
	_, made, err := importing(chat.String()+"]", Options{})
	if err != nil {
		t.Fatal(err)
	}
	given := string(made.Beside["chats/made/chat-chat1.json"])
	if got := strings.Count(given, `"role"`); got != 1+2*4_950 || made.Steps != 50 {
		t.Errorf("%d messages are given, and there are %d steps", got, made.Steps)
	}
	large := fmt.Sprintf(`[{"role":"user","content":%q},{"role":"assistant","content":"R"},{"role":"user","content":%[1]q},
{"role":"assistant","content":"R"}]`, strings.Repeat("long ", 150_000))
	if _, made, err = importing(large, Options{}); err != nil || made.Steps != 1 {
		t.Errorf("two questions of 750 KB: %v, %+v", err, made)
	}
}

// TestMake_Trace checks that the lines of a trace become prompts of the same lengths that share the same blocks.
func TestMake_Trace(t *testing.T) {
	_, made, err := importing(recorded(t, "mooncake.jsonl"), Options{Waits: true, Chats: 3})
	if err != nil {
		t.Fatal(err)
	}
	plan, found := dsl.Load(dsl.File{Name: "made.yaml", Data: made.Scenario, Dir: Folder(made.Beside)}, &dsl.Library{},
		judge.Vocabulary(), dsl.Options{})
	if found.Errors() {
		t.Fatal(found)
	}
	for i, want := range []struct{ prompt, seen, reply int }{{6755, 0, 500}, {7319, 512, 490}, {7234, 4 * 512, 794}} {
		turn := plan.Cells[0].Turns[i]
		if off := turn.PromptTokens - want.prompt; off < 0 || off > 60 || turn.ReplyTokens != want.reply {
			t.Errorf("line %d: %+v", i+1, turn)
		}
		if off := turn.Reusable - want.seen; off < 0 || off > 40 {
			t.Errorf("line %d: %d tokens seen before, want %d", i+1, turn.Reusable, want.seen)
		}
	}
	if !strings.Contains(string(made.Scenario), "{id: r3_q_wait, wait: 3052ms}") {
		t.Errorf("no wait in\n%s", made.Scenario)
	}
}

// FuzzMake imports untrusted files: the result is a valid scenario, which Make itself checks.
func FuzzMake(f *testing.F) {
	f.Add(recorded(f, "agent.json"))
	f.Add("{\"input_length\":655,\"hash_ids\":[46,47]}\n{\"input_length\":1}")
	f.Add(`[{"id":"../x","conversations":[{"from":"human","value":"${vars.x}"},{"from":"gpt","value":"R"}]}]`)
	f.Add(`{"messages":[{"role":"user","content":"Q"}],"tools":[{"name":"\u0000","parameters":{"a":null}}]}`)
	f.Fuzz(func(t *testing.T, data string) {
		_, made, err := importing(data, Options{})
		if err != nil {
			if strings.Contains(err.Error(), "no valid scenario") {
				t.Error(err)
			}
			return
		}
		for name := range made.Beside {
			if strings.Contains(name, "..") {
				t.Errorf("a file is named %s", name)
			}
		}
	})
}
