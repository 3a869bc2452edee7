package transcript

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"homellm/dsl/syntax"
)

// summary returns a chat on one line: role, text and calls of each message, or what is known of its prompt.
func summary(c *Chat) string {
	var out []string
	if p := c.Block; p != nil {
		out = append(out, fmt.Sprintf("%d tokens in blocks of %d: %v, reply %d, at %.10g", p.Tokens, p.Size, p.Blocks,
			p.Reply, p.When))
	}
	for _, m := range c.Messages {
		s := fmt.Sprintf("%s %q", m.Role, m.Content)
		for _, call := range m.ToolCalls {
			s += fmt.Sprintf(" calls %s %s %s", call.ID, call.Function.Name, call.Function.Arguments)
		}
		for _, i := range m.Images {
			s += fmt.Sprintf(" shows %s %d", i.Media, len(i.Data))
		}
		if m.ToolCallID != "" {
			s += fmt.Sprintf(" answers %s %s", m.ToolCallID, m.Name)
		}
		if m.ReasoningContent != "" {
			s += " thinks " + m.ReasoningContent
		}
		if m.When >= 0 {
			s += fmt.Sprintf(" at %.10g", m.When)
		}
		out = append(out, s)
	}
	for _, tool := range c.Tools {
		out = append(out, fmt.Sprintf("tool %s %s %s", tool.Name, tool.Description, tool.Parameters))
	}
	return strings.Join(out, "\n")
}

// read reads all chats of a file and returns their summaries and the findings as text.
func read(data string, want Format) (chats []string, found syntax.Diagnostics) {
	f, found := Read("f", []byte(data), want)
	if found.Errors() {
		return nil, found
	}
	for i := range f.Len() {
		c, more := f.Chat(i)
		found = append(found, more...)
		chats = append(chats, summary(c))
	}
	return chats, found
}

// The files have the forms of public files: OpenAI's requests and batches, ShareGPT's data sets with and without tools,
// the trace of Mooncake (FAST25-release/traces in kvcache-ai/Mooncake), similar ones with blocks of 16 tokens, and
// aiperf's inputs.json and turns.
func TestRead(t *testing.T) {
	for _, tt := range []struct {
		name, data string
		want       []string
		left       []string // findings
	}{
		{"a list of messages", `[{"role":"developer","content":"S"},{"role":"user","content":"Q"}]`,
			[]string{"system \"S\"\nuser \"Q\""}, nil},
		{"a request with tools", `{"model":"m","temperature":0.7,"messages":[{"role":"user","content":[
{"type":"text","text":"Q"},
{"type":"image_url","image_url":{"url":"https://example.org/a.png"}},
{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]},
{"role":"assistant","content":null,"reasoning_content":"hm","tool_calls":[
{"id":"x","type":"function","function":{"name":"f","arguments":"{}"}}]},
{"role":"tool","tool_call_id":"x","content":"41"}],
"tools":[{"type":"function","function":{"name":"f","description":"D","parameters":{"type": "object"}}}]}`,
			[]string{"user \"Q\" shows image/png 3\nassistant \"\" calls x f {} thinks hm\ntool \"41\" answers x f\n" +
				"tool f D {\"type\":\"object\"}"},
			[]string{"f:3:1: an image that is an address is left out: it would have to be fetched"}},
		{"the functions of old", `[{"role":"user","content":"Q"},
{"role":"assistant","content":null,"function_call":{"name":"f","arguments":"{}"}},
{"role":"function","name":"f","content":"41"}]`,
			[]string{"user \"Q\"\nassistant \"\" calls give00001 f {}\ntool \"41\" answers give00001 f"}, nil},
		{"a batch", `{"custom_id":"r1","body":{"messages":[{"role":"user","content":"Q"}]}}` + "\n" +
			`{"custom_id":"r2","body":{"messages":[{"role":"user","content":"Q2"}]}}`,
			[]string{"user \"Q\"", "user \"Q2\""}, nil},
		{"a log with a message in each line", "{\"role\":\"user\",\"content\":\"Q\",\"timestamp\":" +
			"\"2026-01-02T03:04:05Z\"}\n\n" +
			"{\"role\":\"assistant\",\"content\":\"R\",\"timestamp\":1767323047}\n",
			[]string{"user \"Q\" at 1767323045\nassistant \"R\" at 1767323047"}, nil},
		{"sharegpt", `[{"id":"a","conversations":[{"from":"human","value":"Q"},{"from":"gpt","value":"R"}]},
{"id":"b","conversations":[{"from":"human","value":"Q2"}]}]`,
			[]string{"user \"Q\"\nassistant \"R\"", "user \"Q2\""}, nil},
		{"sharegpt with tools", `[{"conversations":[{"from":"human","value":"Q"},
{"from":"function_call","value":"{\"name\": \"f\", \"arguments\": {\"a\": 1}}"},{"from":"observation","value":"41"},
{"from":"gpt","value":"R"}],"system":"S","tools":"[{\"name\":\"f\",\"description\":\"D\",\"parameters\":{}}]"}]`,
			[]string{"system \"S\"\nuser \"Q\"\nassistant \"\" calls give00001 f {\"a\":1}\ntool \"41\" answers give00001 f\n" +
				"assistant \"R\"\ntool f D {}"}, nil},
		{"mooncake", `{"timestamp": 0, "input_length": 655, "output_length": 52, "hash_ids": [46, 47]}
{"timestamp": 10535, "input_length": 672, "output_length": 26, "hash_ids": [46, 47]}`,
			[]string{"655 tokens in blocks of 512: [-47 -48], reply 52, at 0",
				"672 tokens in blocks of 512: [-47 -48], reply 26, at 10.535"}, nil},
		{"blocks of 16", `{"timestamp": 61.114, "input_length": 40, "output_length": 6, ` +
			`"hash_ids": [1, 2, 9223372036854775807]}
{"timestamp": 61.3, "input_length": 16, "output_length": 6, "hash_ids": [1]}`,
			[]string{"40 tokens in blocks of 16: [-2 -3 -9223372036854775808], reply 6, at 0.061114",
				"16 tokens in blocks of 16: [-2], reply 6, at 0.0613"}, nil},
		{"aiperf's inputs", `{
  "data": [{"session_id": "s1", "payloads": [
    {"messages": [{"role": "user", "content": "Hello"}], "model": "m", "max_tokens": 9},
    {"messages": [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi"},
      {"role": "user", "content": "Q"}], "model": "m"}
  ]}]}`, []string{"user \"Hello\"\nassistant \"Hi\"\nuser \"Q\""}, nil},
		{"aiperf's turns", `{"session_id": "s", "turns": [{"text": "Q", "output_length": 5}, {"text": "Q2", "delay": 1500}]}
{"text_input": "Q3", "output_length": 20}`, []string{"user \"Q\" at 0\nuser \"Q2\" at 1.5", "user \"Q3\" at 0"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, found := read(tt.data, "")
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			var left []string
			for _, d := range found {
				left = append(left, fmt.Sprintf("f:%d:%d: %s", d.Pos.Line, d.Pos.Col, d.Message))
			}
			if diff := cmp.Diff(tt.left, left); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

// TestRead_Refused checks the errors about a file that cannot be read, and their positions.
func TestRead_Refused(t *testing.T) {
	deep := strings.Repeat("[", 200) + strings.Repeat("]", 200)
	for _, tt := range []struct {
		data string
		as   Format
		want string
	}{
		{"", "", "f:1:1: this is no JSON: unexpected end of JSON input"},
		{"\xff", "", "f:1:1: this is no UTF-8 text"},
		{"[\n {\"role\": \"user\",, }]", "", "f:2:18: this is no JSON: invalid character ','"},
		{"42", "", "f:1:1: a number is no chat that is known"},
		{`{"a": 1}`, "", `f:1:1: an object with "a" is no chat that is known`},
		{"[]", "", "f:1:1: a list is no chat that is known"},
		{`{"messages": []}`, "", "f:1:1: the chat has no message"},
		{`{"messages": {"role": "user"}}`, "", "f:1:14: the messages of a chat has to be a list, and is an object"},
		{`[{"role": "user", "role": "tool"}]`, "", `f:1:19: the key "role" is there twice`},
		{`[{"role": "user", "content": 7}]`, "", "f:1:30: the content of a message has to be text or a list of parts"},
		{`[{"role": "user", "content": ` + deep + `}]`, "", "lists and objects are nested more than 64 deep"},
		{`[{"role": "tool", "content": "x"}]`, "", "f:1:2: no call before this result is waiting for it"},
		{`[{"role": "user", "content": "é"}, {"role": 5}]`, "", "f:1:45: the role of a message has to be text"},
		{`[{"role": "assistant", "tool_calls": [{"id": "x"}]}]`, "", "a call without the name of a tool"},
		{`[{"role": "user", "content": "Q"}]`, ShareGPT, "this is openai, and not sharegpt"},
		{`{"input_length": 1e99, "hash_ids": []}`, "", "input_length has to be a whole number from 0 to"},
		{`{"input_length": 600, "hash_ids": [1, -2]}`, "", "f:1:39: a hash has to be a whole number"},
		{`{"input_length": 600, "hash_ids": [1, 99999999999999999999]}`, "", "a hash has to be a whole number"},
		{`{"input_length": 600, "hash_ids": [1, "../x"]}`, "", "a hash has to be a whole number"},
		{`{"input_length": 600000000, "hash_ids": [1]}`, "", "1 blocks of 512 tokens are not a prompt of 600000000"},
		{`{"hash_ids": [1]}`, "", "the prompt has no tokens"},
		{"{\"role\":\"user\",\"content\":\"Q\"}\n{oops}\n", "", "f:2:2: this is no JSON"},
	} {
		_, found := read(tt.data, tt.as)
		var got []string
		for _, d := range found {
			got = append(got, fmt.Sprintf("f:%d:%d: %s", d.Pos.Line, d.Pos.Col, d.Message))
		}
		if !strings.Contains(strings.Join(got, "\n"), tt.want) || !found.Errors() {
			t.Errorf("%.80s\nwant %s\ngot  %s", tt.data, tt.want, strings.Join(got, "\n     "))
		}
	}
}

// FuzzRead feeds the readers untrusted files: they return chats, or errors with positions in the file.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		`[{"role":"user","content":"Q"},{"role":"assistant","tool_calls":[{"function":{"name":"f"}}]},{"role":"tool"}]`,
		`{"conversations":[{"from":"function_call","value":"[{\"name\":1}]"}],"tools":"[]"}`,
		"{\"input_length\":655,\"hash_ids\":[46,47]}\n{\"input_length\":1}",
		`{"data":[{"payloads":[{"messages":[1]},{"messages":[{}]}]}]}`,
		`{"turns":["a",{"text":["b"],"delay":-1,"timestamp":1e308}]}`,
		"{\"role\":\"user\"}\n7\n", "[[{\"role\":\"user\"}],[]]", `{"body":{"messages":{}}}`, "[\"\\ud800\"]",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data string) {
		lines := strings.Count(data, "\n") + 1
		chats, found := read(data, "")
		if len(chats) == 0 && !found.Errors() {
			t.Error("no chat, and no word about it")
		}
		for _, d := range found {
			if d.Pos.Line < 1 || d.Pos.Line > lines || d.Pos.Col < 1 {
				t.Errorf("%+v is not in the file", d.Pos)
			}
		}
	})
}
