package metrics

import (
	"testing"

	"homellm/engine/event"
	"homellm/engine/wire"
)

// called makes a reply that calls two tools, of which the first stood whole at 140 ms.
func called(q *event.Request) {
	q.Tools, q.FirstCall = "read_file{}list{}", new(at(140))
	q.Calls = []wire.ToolCall{wire.Call("a", "read_file", "{}"), wire.Call("b", "list", "{}")}
	q.Answered = &event.Answered{Valid: 2, Unmatched: 1}
}

// TestTools checks the figures of tool calls, rounds and thinking for single replies.
func TestTools(t *testing.T) {
	const none, noTools = "the reply calls no tool", "the conversation has no tools, so that nothing is known of a call"
	for _, tt := range []struct {
		name, metric string
		change       func(*event.Request)
		want         any
		why          string
	}{
		{"two calls", "tool_calls", called, 2, ""},
		{"no call", "tool_calls", func(*event.Request) {}, 0, ""},
		{"calls of an old journal", "tool_calls", func(q *event.Request) { q.Tools = "read_file{}" }, nil,
			"the journal was written by a version that did not distinguish calls"},
		{"two calls", "tool_calls_valid", called, 2, ""},
		{"two calls", "tool_calls_unmatched", called, 1, ""},
		{"no call", "tool_calls_valid", func(*event.Request) {}, 0, ""},
		{"calls without tools", "tool_calls_valid", func(q *event.Request) { called(q); q.Answered = nil }, nil, noTools},
		{"calls without tools", "tool_calls_unmatched", func(q *event.Request) { called(q); q.Answered = nil }, nil, noTools},
		{"the third request", "rounds", func(q *event.Request) { q.Round = 3 }, 3, ""},
		{"a request that failed", "rounds", func(q *event.Request) { q.Round, q.Err = 2, &event.Error{Class: "reset"} }, 2, ""},
		{"it goes on", "stopped", called, nil, "the calls of the reply were answered, and the conversation went on"},
		{"a loop", "stopped", func(q *event.Request) { called(q); q.Answered.Stopped = "loop" }, "loop", ""},
		{"without tools", "stopped", func(*event.Request) {}, "answer", ""},
		{"calls without tools", "stopped", func(q *event.Request) { called(q); q.Answered = nil }, nil,
			"the reply calls a tool, and the conversation has none"},
		{"from the sending to the first call", "time_to_tool_call_ms", called, 130.0, ""},
		{"no call", "time_to_tool_call_ms", func(*event.Request) {}, nil, none},
		{"not streamed", "time_to_tool_call_ms", func(q *event.Request) { called(q); q.FirstCall = nil }, nil, noStream},
		{"up to a call", "thinking_ms", func(q *event.Request) { q.Chunks[1].Channel = event.Tool }, 20.0, ""},
		{"two thoughts", "thinking_ms", func(q *event.Request) { q.Chunks[1].Channel = event.Reasoning }, 40.0, ""},
		{"no thought", "thinking_ms", func(q *event.Request) {
			q.Chunks[0].Channel, q.Usage.Reasoning = event.Answer, new(0)
		}, 0.0, ""},
		{"thoughts that are not shown", "thinking_ms", func(q *event.Request) { q.Chunks[0].Channel = event.Answer }, nil,
			"the server counts reasoning that it does not show"},
		{"thoughts alone", "thinking_ms", func(q *event.Request) { q.Chunks = q.Chunks[:1] }, nil,
			"the reply ended in its reasoning"},
		{"not streamed", "thinking_ms", func(q *event.Request) { q.Wire.Framing = "json" }, nil, noStream},
		{"no thought", "reasoning_tokens", func(q *event.Request) { q.Usage.Reasoning = new(0) }, 0, ""},
		{"not counted", "reasoning_tokens", func(q *event.Request) { q.Usage.Reasoning = nil }, nil,
			"the server does not count reasoning tokens"},
		{"after the thoughts", "ttft_answer_ms", func(q *event.Request) { q.Chunks[1].Channel = event.Reasoning }, 140.0, ""},
	} {
		t.Run(tt.metric+"/"+tt.name, func(t *testing.T) {
			q := reply()
			tt.change(&q)
			if v := Must(tt.metric).Each(&Cell{}, &q); v.V != tt.want || v.Why != tt.why {
				t.Errorf("got %v (%q), want %v (%q)", v.V, v.Why, tt.want, tt.why)
			}
		})
	}
}
