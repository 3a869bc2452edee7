package client

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"homellm/engine/event"
)

// TestAllocations bounds what an event costs once a stream flows, for an event that repeats the
// last and for one whose counts change each time: memory that grows by doubling, nothing else.
func TestAllocations(t *testing.T) {
	const events = 2000
	var counted bytes.Buffer
	for i := range events {
		fmt.Fprintf(&counted, "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\" "+
			"\\\"t%d\\\"\"}}],\"usage\":{\"prompt_tokens\":31,\"completion_tokens\":%d}}\n\n", i%10, i+1)
	}
	for name, body := range map[string][]byte{"repeated": stream(events), "counted": counted.Bytes()} {
		perRun := testing.AllocsPerRun(5, func() {
			var x event.Exchange
			r := newRecord(&x, decodeOpenAI, 64, 1<<30)
			f := framings["sse"]()
			for p := body; len(p) > 0; {
				n := min(len(p), 1460) // as segments come, which cut events in two
				f.feed(p[:n], false)
				for fr, ok := f.next(); ok; fr, ok = f.next() {
					r.take(time.Second, fr)
				}
				p = p[n:]
			}
			if len(x.Chunks) != events {
				t.Fatalf("%d chunks", len(x.Chunks))
			}
		})
		if per := perRun / events; per > 0.1 {
			t.Errorf("%s: %.2f allocations per event", name, per)
		}
	}
}
