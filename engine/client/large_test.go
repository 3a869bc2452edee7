package client

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"homellm/engine/event"
)

// A reply with one large value costs the memory of the line it comes in, which grows, and at most two copies of what is
// kept of it: the line alone takes five to six times its size in all, as it doubles.
func TestLargeReply_IsCopiedTwice(t *testing.T) {
	const size = 5 << 20
	large := strings.Repeat("x", size)
	for name, c := range map[string]struct {
		event string
		most  float64 // bytes allocated in all, times the reply
	}{
		"finish reason": {`{"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":"%s"}]}`, 7},
		"identity":      {`{"id":"%s","choices":[{"index":0,"delta":{"content":"x"}}]}`, 6},
		"model":         {`{"model":"%s","choices":[{"index":0,"delta":{"content":"x"}}]}`, 7},
		"role":          {`{"choices":[{"index":0,"delta":{"role":"%s","content":"x"}}]}`, 6},
		"unknown":       {`{"x":"%s","choices":[{"index":0,"delta":{"content":"x"}}]}`, 6},
		"answer":        {`{"choices":[{"index":0,"delta":{"content":"%s"}}]}`, 8},
		"reasoning":     {`{"choices":[{"index":0,"delta":{"reasoning":"%s"}}]}`, 7},
	} {
		body := fmt.Appendf(nil, "data: "+c.event+"\n\ndata: [DONE]\n\n", large)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		var x event.Exchange
		r := newRecord(&x, decodeOpenAI, 64, 1<<30)
		r.tags = true
		f := framings["sse"]()
		for p := body; len(p) > 0; {
			n := min(len(p), bufferSize)
			f.feed(p[:n])
			for fr, ok := f.next(); ok; fr, ok = f.next() {
				r.take(time.Second, fr)
			}
			p = p[n:]
		}
		r.close()
		runtime.ReadMemStats(&after)
		if len(x.Text)+len(x.Reasoning) == 0 || !x.Wire.DoneMarker {
			t.Errorf("%s: the reply was not read", name)
		}
		cost := float64(after.TotalAlloc-before.TotalAlloc) / size
		t.Logf("%s: %.1f", name, cost)
		if cost > c.most {
			t.Errorf("%s: %.1f times the reply, want at most %v", name, cost, c.most)
		}
	}
}
