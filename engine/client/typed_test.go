package client

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"homellm/engine/event"
	"homellm/engine/wire"
)

// sseOf frames events like servers whose events state their type.
func sseOf(events ...string) []byte {
	var b strings.Builder
	for _, e := range events {
		b.WriteString("data: " + e + "\n\n")
	}
	return []byte(b.String())
}

// TestTypedEvents reads what servers send on the responses and the messages API, in pieces of any size.
func TestTypedEvents(t *testing.T) {
	const (
		completed = `{"type":"response.completed","response":{"model":"m","status":"completed","output":[{"type":"message",` +
			`"content":[{"type":"output_text","text":"Hello"}]}],"usage":{"input_tokens":33,"output_tokens":4,` +
			`"input_tokens_details":{"cached_tokens":32},"output_tokens_details":{"reasoning_tokens":2}}}}`
		hel, lo = `{"type":"response.output_text.delta","delta":"Hel"}`, `{"delta":"lo","type":"response.output_text.delta"}`
		stopped = `{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":4}}`
		stop    = `{"type":"message_stop"}`
		text    = `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}`
	)
	begun := func(usage string) string {
		return `{"type":"message_start","message":{"model":"m","content":[],"stop_reason":null,"usage":{` + usage + `}}}`
	}
	for _, tt := range []struct {
		name, api string
		body      []byte
		want      summary
		conflict  string
	}{
		{"deltas count once", "responses", sseOf(hel, lo, completed), summary{Text: "Hello", Finish: "completed", Prompt: 33,
			Completion: 4, Cached: 32, Thought: 2, UsageIn: "last_chunk", CachedIn: "usage", Tokens: []int{-1, -1}}, ""},
		{"no deltas at all", "responses", sseOf(completed), summary{Text: "Hello", Finish: "completed", Prompt: 33,
			Completion: 4, Cached: 32, Thought: 2, UsageIn: "last_chunk", CachedIn: "usage", Tokens: []int{4}}, ""},
		{"cut by its limit", "responses", sseOf(hel, `{"type":"response.incomplete","response":{"status":"incomplete",`+
			`"incomplete_details":{"reason":"max_output_tokens"}}}`), summary{Text: "Hel", Finish: "max_output_tokens",
			Prompt: -1, Completion: -1, Cached: -1, Thought: -1, Tokens: []int{-1}}, ""},
		{"an event of unknown type", "responses", sseOf(hel, `{"type":"response.audio.delta","delta":"x"}`,
			`{"type":"rate_limits","delta":"y"}`, completed), summary{Text: "Hel", Finish: "completed", Prompt: 33,
			Completion: 4, Cached: 32, Thought: 2, UsageIn: "last_chunk", CachedIn: "usage", Tokens: []int{-1}}, ""},
		{"a prompt in parts", "messages", sseOf(begun(`"input_tokens":1,"cache_read_input_tokens":30,`+
			`"cache_creation_input_tokens":2,"output_tokens":1`), text, stopped, stop), summary{Text: "Hello",
			Finish: "end_turn", Prompt: 33, Completion: 4, Cached: 30, Thought: -1, UsageIn: "own_chunk", CachedIn: "usage",
			RoleEarly: true, Tokens: []int{-1}}, ""},
		{"parts that come late", "messages", sseOf(begun(`"input_tokens":33`), text, strings.Replace(stopped, `"output`,
			`"input_tokens":1,"cache_read_input_tokens":32,"output`, 1), stop), summary{Text: "Hello",
			Finish: "end_turn", Prompt: 33, Completion: 4, Cached: 32, Thought: -1, UsageIn: "own_chunk", CachedIn: "usage",
			RoleEarly: true, Tokens: []int{-1}}, ""},
		{"an input that holds what was cached", "messages", sseOf(begun(`"input_tokens":33`), text, strings.Replace(stopped,
			`"output`, `"input_tokens":33,"cache_read_input_tokens":32,"output`, 1), stop), summary{Text: "Hello",
			Finish: "end_turn", Prompt: 65, Completion: 4, Cached: 32, Thought: -1, UsageIn: "own_chunk", CachedIn: "usage",
			RoleEarly: true, Tokens: []int{-1}}, ""},
		{"two accounts", "messages", sseOf(begun(`"input_tokens":33`), text, strings.Replace(stopped, `"output`,
			`"input_tokens":40,"output`, 1), stop), summary{Text: "Hello", Finish: "end_turn", Prompt: 40, Completion: 4,
			Cached: -1, Thought: -1, UsageIn: "own_chunk", RoleEarly: true, Tokens: []int{-1}},
			"the reply counts 33 prompt tokens and then 40"},
		{"broken off after its beginning", "messages", sseOf(begun(`"input_tokens":33,"output_tokens":1`), text),
			summary{Text: "Hello", Class: "truncated", Prompt: 33, Completion: -1, Cached: -1, Thought: -1,
				UsageIn: "last_chunk", RoleEarly: true, Tokens: []int{-1}}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, piece := range []int{1, 9, len(tt.body)} {
				x, failed := replay(t, tt.api, "sse", tt.body, piece)
				got := summarise(x, failed)
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("in pieces of %d bytes (-want +got):\n%s", piece, diff)
				}
				if x.Wire.UsageConflict != tt.conflict {
					t.Errorf("conflict %q", x.Wire.UsageConflict)
				}
			}
		})
	}
}

// TestTypedCalls checks that calls of the responses and the messages API come out whole and once.
func TestTypedCalls(t *testing.T) {
	const (
		added = `{"type":"response.output_item.added","output_index":1,"item":{"type":"function_call","id":"fc_1",` +
			`"call_id":"a","name":"read_file","arguments":""}}`
		args = `{"type":"response.function_call_arguments.delta","output_index":1,"item_id":"fc_1","delta":"{\"path\":"}`
		more = `{"type":"response.function_call_arguments.delta","output_index":1,"item_id":"fc_1","delta":"\"p.go\"}"}`
		done = `{"type":"response.function_call_arguments.done","output_index":1,"item_id":"fc_1",` +
			`"arguments":"{\"path\":\"p.go\"}"}`
		whole = `{"type":"response.output_item.done","output_index":1,"item":{"type":"function_call","id":"fc_1",` +
			`"call_id":"a","name":"read_file","arguments":"{\"path\":\"p.go\"}"}}`
		second = `{"type":"response.output_item.done","output_index":2,"item":{"type":"function_call","id":"fc_2",` +
			`"call_id":"b","name":"list","arguments":"{}"}}`
		end = `{"type":"response.completed","response":{"status":"completed","output":[{"type":"function_call",` +
			`"call_id":"a","name":"read_file","arguments":"{\"path\":\"p.go\"}"}]}}`
		block = `{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"a","name":"read_file",` +
			`"input":{}}}`
		empty = `{"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"b","name":"list"` +
			`,"input":{}}}`
		json1 = `{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"path\":"}}`
		json2 = `{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"\"p.go\"}"}}`
		fin   = `{"type":"message_delta","delta":{"stop_reason":"tool_use"}}`
		stop  = `{"type":"message_stop"}`
	)
	read, list := wire.Call("a", "read_file", `{"path":"p.go"}`), wire.Call("b", "list", `{}`)
	told := func(text string) string { return strings.ReplaceAll(text, `"output_index":1,`, "") }
	for _, tt := range []struct {
		name, api, framing string
		body               []byte
		want               []wire.ToolCall
		tools              string
	}{
		{"deltas", "responses", "sse", sseOf(added, args, more, done, whole, end), []wire.ToolCall{read},
			`read_file{"path":"p.go"}`},
		{"no numbers, as llama-server", "responses", "sse", sseOf(told(added), told(args), told(more), told(whole), end),
			[]wire.ToolCall{read}, `read_file{"path":"p.go"}`},
		{"whole items alone", "responses", "sse", sseOf(whole, second, end), []wire.ToolCall{read, list},
			`read_file{"path":"p.go"}list{}`},
		{"arguments at the end", "responses", "sse", sseOf(added, done, whole, end), []wire.ToolCall{read},
			`read_file{"path":"p.go"}`},
		{"only in the response", "responses", "sse", sseOf(end), []wire.ToolCall{read}, `read_file{"path":"p.go"}`},
		{"a body", "responses", "json", []byte(`{"object":"response","status":"completed","output":[{"type":"reasoning",` +
			`"summary":[{"type":"summary_text","text":"Hm"}]},{"type":"function_call","call_id":"a","name":"read_file",` +
			`"arguments":"{\"path\":\"p.go\"}"}]}`), []wire.ToolCall{read}, `read_file{"path":"p.go"}`},
		{"blocks", "messages", "sse", sseOf(block, json1, json2, empty, fin, stop), []wire.ToolCall{read, list},
			`read_file{"path":"p.go"}list`},
		{"a tool of the server's own", "messages", "sse", sseOf(strings.NewReplacer(`"tool_use"`, `"server_tool_use"`,
			`"index":1`, `"index":0`).Replace(block), strings.Replace(json1, `"index":1`, `"index":0`, 1), block, json1,
			json2, fin, stop), []wire.ToolCall{read}, `read_file{"path":"p.go"}`},
		{"a block with its arguments", "messages", "sse", sseOf(strings.Replace(block, `{}}}`, `{"path":"p.go"}}}`, 1), fin,
			stop), []wire.ToolCall{read}, `read_file{"path":"p.go"}`},
		{"a message", "messages", "json", []byte(`{"type":"message","content":[{"type":"text","text":"Let me see."},` +
			`{"type":"tool_use","id":"a","name":"read_file","input":{"path":"p.go"}},{"type":"tool_use","id":"b","name":"list",` +
			`"input":{}}],"stop_reason":"tool_use"}`), []wire.ToolCall{read, list}, `read_file{"path":"p.go"}list`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, piece := range []int{7, len(tt.body)} {
				x, failed := replay(t, tt.api, tt.framing, tt.body, piece)
				if failed != nil {
					t.Fatalf("failed: %+v", failed)
				}
				if diff := cmp.Diff(tt.want, x.Calls); diff != "" {
					t.Errorf("in pieces of %d bytes (-want +got):\n%s", piece, diff)
				}
				if x.Tools != tt.tools {
					t.Errorf("text of the calls %q, want %q", x.Tools, tt.tools)
				}
			}
		})
	}
}

// TestTypedFailures checks what is said of replies without an answer on the APIs whose events state their type.
func TestTypedFailures(t *testing.T) {
	const chat = `data: {"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n"
	begun := `{"type":"message_start","message":{"model":"m","content":[],"usage":{"input_tokens":9}}}`
	for name, tt := range map[string]struct{ api, body, class, message string }{
		"another API, responses": {"responses", chat, "protocol", "it is that of another API"},
		"another API, messages":  {"messages", chat, "protocol", "it is that of another API"},
		"refused": {"messages", string(sseOf(begun, `{"type":"message_delta","delta":{"stop_reason":"refusal"}}`,
			`{"type":"message_stop"}`)), "empty", "the server refused to answer"},
		"filtered": {"responses", string(sseOf(`{"type":"response.incomplete","response":{"status":"incomplete",` +
			`"incomplete_details":{"reason":"content_filter"}}}`)), "empty", "the server refused to answer"},
		"nothing but pings": {"messages", string(sseOf(begun, `{"type":"ping"}`, `{"type":"ping"}`)), "truncated", ""},
		"cut in a block": {"messages", string(sseOf(begun, `{"type":"content_block_delta","index":0,"delta":{"type":`+
			`"text_delta","text":"Hel"}}`)), "truncated", ""},
		"cut in an item": {"responses", string(sseOf(`{"type":"response.output_text.delta","delta":"Hel"}`)), "truncated",
			""},
		"no reason for a failure": {"responses", string(sseOf(`{"type":"response.failed","response":{"status":"failed",` +
			`"error":null}}`)), "server_error", "the response is failed"},
	} {
		t.Run(name, func(t *testing.T) {
			_, e := replay(t, tt.api, "sse", []byte(tt.body), len(tt.body))
			if e == nil || e.Class != tt.class || !strings.Contains(e.Message, tt.message) {
				t.Errorf("%+v, want %s: %s", e, tt.class, tt.message)
			}
		})
	}
}

// TestNoEndpoint checks that a server which lacks an API is not taken for one which lacks the model, or which failed.
func TestNoEndpoint(t *testing.T) {
	for name, tt := range map[string]struct {
		status int
		body   string
		class  string
	}{
		"llama-server": {404, `{"error":{"code":404,"message":"File Not Found","type":"not_found_error"}}`, "bad_request"},
		"Ollama":       {404, `404 page not found`, "bad_request"},
		"FastAPI":      {404, `{"detail":"Not Found"}`, "bad_request"},
		"LM Studio":    {200, `{"error":"Unexpected endpoint or method. (POST /v1/messages)"}`, "bad_request"},
		"a router that lacks the file": {404, `{"error":{"code":404,"message":"model file not found","type":` +
			`"not_found_error"}}`, "model_not_found"},
	} {
		var e *event.Error
		if tt.status == http.StatusOK {
			_, e = replay(t, "messages", "json", []byte(tt.body), len(tt.body))
		} else {
			e = refused(&http.Response{StatusCode: tt.status}, []byte(tt.body), time.Time{})
		}
		if e == nil || e.Class != tt.class || strings.Contains(e.Message, "no such endpoint") != (e.Class == "bad_request") {
			t.Errorf("%s: %+v, want %s", name, e, tt.class)
		}
	}
}
