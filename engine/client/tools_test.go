package client

import (
	"encoding/json"
	"io"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"homellm/engine/wire"
)

// TestToolCalls checks that calls come out whole, however a server cuts and numbers them.
func TestToolCalls(t *testing.T) {
	chunk := func(calls string) string {
		return `data: {"choices":[{"index":0,"delta":{"tool_calls":[` + calls + `]},"finish_reason":null}]}` + "\n\n"
	}
	const end = `data: {"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}` + "\n\ndata: [DONE]\n\n"
	read, list := wire.Call("a", "read_file", `{"path":"p<\n>.go"}`), wire.Call("b", "list", `{}`)
	for _, tt := range []struct {
		name, api, framing, body string
		want                     []wire.ToolCall
		first                    int // the event with the last piece of the first call
	}{
		{"pieces", "chat", "sse", chunk(`{"index":0,"id":"a","type":"function","function":{"name":"read_file",`+
			`"arguments":""}}`) +
			chunk(`{"index":0,"function":{"arguments":"{\"path\":"}}`) + chunk(`{"index":0,"function":{"arguments":`+
			`"\"p<\\n>.go\"}"}}`) +
			chunk(`{"index":1,"id":"b","type":"function","function":{"name":"list","arguments":"{}"}}`) + end,
			[]wire.ToolCall{read, list}, 3},
		{"one event with both", "chat", "sse", chunk(`{"function":{"arguments":"{\"path\":\"p<\\n>.go\"}","name":`+
			`"read_file"},"id":"a","index":0},`+
			`{"index":1,"id":"b","function":{"name":"list","arguments":"{}"}}`) + end, []wire.ToolCall{read, list}, 1},
		{"every piece repeats who it is", "chat", "sse", chunk(`{"index":0,"id":"a","function":{"name":"read_file",`+
			`"arguments":"{\"path\":"}}`) +
			chunk(`{"index":0,"id":"a","function":{"name":"read_file","arguments":"\"p<\\n>.go\"}"}}`) + end,
			[]wire.ToolCall{read}, 2},
		{"all have the same number", "chat", "sse", chunk(`{"index":0,"id":"a","function":{"name":"read_file",`+
			`"arguments":"{\"path\":\"p<\\n>.go\"}"}}`) +
			chunk(`{"index":0,"id":"b","function":{"name":"list","arguments":"{}"}}`) + end, []wire.ToolCall{read, list}, 1},
		{"no numbers", "chat", "sse", chunk(`{"id":"a","function":{"name":"read_file","arguments":"{\"path\":"}}`) +
			chunk(`{"function":{"arguments":"\"p<\\n>.go\"}"}}`) + chunk(`{"id":"b","function":{"name":"list",`+
			`"arguments":"{}"}}`) + end,
			[]wire.ToolCall{read, list}, 2},
		{"pieces that repeat all so far", "chat", "sse", chunk(`{"index":0,"id":"a","function":{"name":"read_file",`+
			`"arguments":"{\"path\""}}`) +
			chunk(`{"index":0,"function":{"arguments":"{\"path\":\"p<"}}`) + chunk(`{"index":0,"function":{"arguments":`+
			`"{\"path\":\"p<\\n>.go\"}"}}`) + end,
			[]wire.ToolCall{read}, 3},
		{"a body", "chat", "json", `{"choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[` +
			`{"id":"a","type":"function","function":{"name":"read_file","arguments":"{\"path\":\"p<\\n>.go\"}` +
			`"}}]},"finish_reason":"tool_calls"}]}`,
			[]wire.ToolCall{read}, 0},
		{"Ollama's whole calls", "ollama", "ndjson", `{"message":{"role":"assistant","content":"","tool_calls":` +
			`[{"function":` +
			`{"name":"list","arguments":{}}}]},"done":false}` + "\n" + `{"message":{"role":"assistant","content":` +
			`"","tool_calls":[{"function":` +
			`{"name":"list","arguments":{"path": "x"}}}]},"done":false}` + "\n" + `{"message":{"role":"assistant",` +
			`"content":""},"done":true,"done_reason":"stop"}` + "\n",
			[]wire.ToolCall{wire.Call("", "list", `{}`), wire.Call("", "list", `{"path": "x"}`)}, 1},
		{"Ollama's numbered calls", "ollama", "ndjson", `{"message":{"role":"assistant","content":"","tool_calls":` +
			`[{"id":"a","function":` +
			`{"index":0,"name":"list","arguments":{}}},{"id":"b","function":{"index":1,"name":"list","arguments":{}}}]},` +
			`"done":true,"done_reason":"stop"}` + "\n",
			[]wire.ToolCall{wire.Call("a", "list", `{}`), wire.Call("b", "list", `{}`)}, 1},
		{"a function call of old", "chat", "sse", `data: {"choices":[{"index":0,"delta":{"function_call":{"name":` +
			`"list","arguments":""}}}]}` + "\n\n" +
			`data: {"choices":[{"index":0,"delta":{"function_call":{"arguments":"{}"}}}]}` + "\n\n" + end,
			[]wire.ToolCall{wire.Call("", "list", `{}`)}, 2},
		{"none", "chat", "sse", `data: {"choices":[{"index":0,"delta":{"content":"hi","tool_calls":[]}}]}` + "\n\n" + end,
			nil, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, piece := range []int{len(tt.body), 7} {
				x, failed := replay(t, tt.api, tt.framing, []byte(tt.body), piece)
				if failed != nil {
					t.Fatalf("failed: %+v", failed)
				}
				if diff := cmp.Diff(tt.want, x.Calls); diff != "" {
					t.Errorf("in pieces of %d bytes (-want +got):\n%s", piece, diff)
				}
				if (x.FirstCall != nil) != (tt.first > 0) {
					t.Errorf("the first call stood whole at %v, want event %d", x.FirstCall, tt.first)
				}
			}
			if tt.first == 0 || tt.framing != "sse" {
				return
			}
			at := 0
			for range tt.first {
				at += strings.Index(tt.body[at:], "\n\n") + 2
			}
			x, _ := replay(t, tt.api, tt.framing, []byte(tt.body), 1)
			if want := time.Duration(at) * time.Millisecond; *x.FirstCall > want || *x.FirstCall < want-2*time.Millisecond {
				t.Errorf("the first call stood whole at %v, want %v", *x.FirstCall, want)
			}
		})
	}
}

// TestEncodeTools checks how tools, their calls and results, and other newer keys of requests are
// encoded.
func TestEncodeTools(t *testing.T) {
	budget := 8
	prompt := Prompt{
		Messages: []Message{{Role: "user", Content: "Hi"},
			{Role: "assistant", ToolCalls: []wire.ToolCall{wire.Call("c1", "read_file", `{"path":"<a>"}`)}},
			{Role: "tool", Content: "text", ToolCallID: "c1", Name: "read_file"}},
		Tools: []wire.Tool{{Name: "read_file", Description: "Returns a file.", Parameters: []byte(`{"type":"object"}`)},
			{Name: "list"}},
		ToolChoice: "read_file",
		Format:     &wire.Format{Name: "part", Schema: []byte(`{"type":"object"}`)},
		Thinking:   wire.Thinking{Level: "off", Budget: &budget},
	}
	const functions = `[{"type":"function","function":{"name":"read_file","description":"Returns a file.",` +
		`"parameters":{"type":"object"}}},{"type":"function","function":{"name":"list","parameters":` +
		`{"type":"object","properties":{}}}}]`
	for _, tt := range []struct{ api, body string }{
		{"chat", `{"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":"","tool_calls":[{"id":` +
			`"c1","type":"function",` +
			`"function":{"name":"read_file","arguments":"{\"path\":\"<a>\"}"}}]},{"role":"tool","content":"text",` +
			`"tool_call_id":"c1",` +
			`"name":"read_file"}],"model":"m","response_format":{"json_schema":{"name":"part","schema":{"type":"object"}` +
			`,"strict":true},` +
			`"type":"json_schema"},"stream":false,"tool_choice":{"function":{"name":"read_file"},"type":"function"}` +
			`,"tools":` + functions + `}`},
		{"ollama", `{"format":{"type":"object"},"messages":[{"role":"user","content":"Hi"},{"content":"","role":` +
			`"assistant","tool_calls":[` +
			`{"function":{"arguments":{"path":"<a>"},"name":"read_file"},"id":"c1"}]},{"content":"text","role":"tool",` +
			`"tool_call_id":"c1",` +
			`"tool_name":"read_file"}],"model":"m","options":{},"shift":false,"stream":false,"think":false,"tools":` +
			functions + `,"truncate":false}`},
		{"responses", `{"input":[{"content":"Hi","role":"user","type":"message"},{"arguments":"{\"path\":\"<a>\"}",` +
			`"call_id":"c1","name":"read_file","type":"function_call"},{"call_id":"c1","output":"text","type":` +
			`"function_call_output"}],"model":"m","reasoning":{"effort":"none"},"store":false,"stream":false,"text":{"format":` +
			`{"name":"part","schema":{"type":"object"},"strict":true,"type":"json_schema"}},"tool_choice":{"name":"read_file",` +
			`"type":"function"},"tools":[{"description":"Returns a file.","name":"read_file","parameters":{"type":"object"},` +
			`"strict":false,"type":"function"},{"name":"list","parameters":{"type":"object","properties":{}},"strict":false,` +
			`"type":"function"}]}`},
		{"messages", `{"max_tokens":4096,"messages":[{"content":"Hi","role":"user"},{"content":[{"id":"c1","input":` +
			`{"path":"<a>"},"name":"read_file","type":"tool_use"}],"role":"assistant"},{"content":[{"content":"text",` +
			`"tool_use_id":"c1","type":"tool_result"}],"role":"user"}],"model":"m","output_config":{"format":{"schema":` +
			`{"type":"object"},"type":"json_schema"}},"stream":false,"thinking":{"type":"disabled"},"tool_choice":{"name":` +
			`"read_file","type":"tool"},"tools":[{"name":"read_file","description":"Returns a file.","input_schema":` +
			`{"type":"object"}},{"name":"list","input_schema":{"type":"object","properties":{}}}]}`},
	} {
		t.Run(tt.api, func(t *testing.T) {
			c, err := New(Config{BaseURL: "http://h:1", API: wire.API(tt.api), Model: "m"})
			if err != nil {
				t.Fatal(err)
			}
			r, err := c.dialect.encode(&url.URL{Scheme: "http", Host: "h:1", Path: "/v1/chat/completions"}, &c.cfg, prompt)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.body, string(body)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestEncodeMessages_Thinking checks how thinking is requested on the messages API.
func TestEncodeMessages_Thinking(t *testing.T) {
	budget := 64
	for _, tt := range []struct {
		thinking wire.Thinking
		most     int
		want     string
	}{
		{wire.Thinking{}, 128, `null null`},
		{wire.Thinking{Level: "off", Budget: &budget}, 128, `{"type":"disabled"} null`},
		{wire.Thinking{Level: "on"}, 128, `{"type":"adaptive"} null`},
		{wire.Thinking{Level: "low"}, 128, `{"type":"adaptive"} {"effort":"low"}`},
		{wire.Thinking{Budget: &budget}, 128, `{"budget_tokens":64,"type":"enabled"} null`},
		{wire.Thinking{Budget: &budget}, 0, `{"budget_tokens":64,"type":"enabled"} null`},
		{wire.Thinking{Budget: &budget}, 64, `null null`}, // the reply would end first
	} {
		r, err := encodeMessages(&url.URL{Scheme: "http", Host: "h:1", Path: "/v1/messages"}, &Config{Model: "m"},
			Prompt{Thinking: tt.thinking, MaxTokens: tt.most})
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			Thinking json.RawMessage `json:"thinking"`
			Output   json.RawMessage `json:"output_config"`
		}
		if err := json.Unmarshal(body, &got); err != nil {
			t.Fatal(err)
		}
		if got.Thinking == nil {
			got.Thinking = []byte("null")
		}
		if got.Output == nil {
			got.Output = []byte("null")
		}
		if have := string(got.Thinking) + " " + string(got.Output); have != tt.want {
			t.Errorf("%+v of %d: %s, want %s", tt.thinking, tt.most, have, tt.want)
		}
	}
}
