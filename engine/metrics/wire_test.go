package metrics

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"homellm/engine/event"
)

func TestWire(t *testing.T) {
	n := func(v int) *int { return &v }
	chunks := make([]event.Chunk, 4)
	c := Cell{Requests: []*event.Request{
		{Repeat: 1, Warmup: true, Exchange: event.Exchange{Status: 200, Wire: event.Wire{Framing: "ndjson", Reads: 99}}},
		{Repeat: 1, Exchange: event.Exchange{Status: 200, Chunks: chunks, Usage: event.Usage{Completion: n(6)},
			Wire: event.Wire{
				Protocol: "HTTP/1.1", Framing: "sse", ContentType: "text/event-stream", RoleEarly: true, UsageIn: "own_chunk",
				Events: 7, Reads: 5, CoalescedMax: 2, DoneMarker: true, Comments: 1, StampedBy: "kernel",
			}}},
		{Repeat: 2, Exchange: event.Exchange{Status: 200, Chunks: chunks, Usage: event.Usage{Completion: n(4)},
			Wire: event.Wire{
				Protocol: "HTTP/1.1", Framing: "sse", ContentType: "text/event-stream", UsageIn: "last_chunk",
				ReasoningKey: "reasoning",
				Events:       6, Reads: 6, CoalescedMax: 1, Reused: true, StampedBy: "reader",
			}}},
		{Repeat: 2, Exchange: event.Exchange{Err: &event.Error{Class: "connect"}}}, // no reply, no framing
	}}
	tokens := 10.0 / 8
	want := Wire{
		Turns: 2, Protocols: []string{"HTTP/1.1"}, ContentTypes: []string{"text/event-stream"}, Framings: []string{"sse"},
		RoleEarly: 1, ReasoningKeys: []string{"reasoning"}, UsageIn: []string{"last_chunk", "own_chunk"}, DoneMarker: 1,
		Reused:   1,
		Comments: 1, Events: 13, Reads: 11, StampedBy: []string{"kernel", "reader"}, CoalescedMax: 2, Chunks: 8,
		ChunkTokens: &tokens,
	}
	if diff := cmp.Diff(want, c.Wire()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
