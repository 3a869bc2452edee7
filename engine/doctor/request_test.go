package doctor

import (
	"testing"

	"homellm/engine/event"
)

// Every property of a reply's framing that explains a surprising figure is told, and none that it has not.
func TestWireWords(t *testing.T) {
	tokens := 6
	for want, e := range map[string]event.Exchange{
		"sse, HTTP/1.1, 5 events in 4 reads": {Wire: event.Wire{Framing: "sse", Protocol: "HTTP/1.1", Events: 5, Reads: 4,
			CoalescedMax: 1, DoneMarker: true}},
		"sse, HTTP/2.0, 9 events in 2 reads, up to 3 deltas in one read: gaps between them are not measured, arrivals " +
			"stamped by the reader, 2 tokens a chunk, " +
			"a chunk without text comes first, reasoning in reasoning_content, usage in every chunk, no [DONE]": {
			Chunks: make([]event.Chunk, 3), Usage: event.Usage{Completion: &tokens},
			Wire: event.Wire{
				Framing: "sse", Protocol: "HTTP/2.0", Events: 9, Reads: 2, CoalescedMax: 3, StampedBy: "reader", RoleEarly: true,
				ReasoningKey: "reasoning_content", UsageIn: "every_chunk",
			},
		},
		"ndjson, HTTP/1.1, 2 events in 2 reads": {Wire: event.Wire{Framing: "ndjson", Protocol: "HTTP/1.1", Events: 2,
			Reads: 2}},
	} {
		if got := wire(e); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
}
