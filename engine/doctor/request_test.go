package doctor

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"homellm/engine/event"
	"homellm/engine/sim"
)

// A cache test whose request fails is a problem that doctor names, with the command to type next.
func TestDoctor_FailedCacheTest(t *testing.T) {
	s, err := sim.New(sim.Config{Speed: 100, ServedNames: []string{"m"}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for fails, want := range map[int64]string{
		0: "no problems found",
		3: "the cache test of ",
	} {
		var completions atomic.Int64
		front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/chat/completions") && completions.Add(1) == fails {
				http.Error(w, "out of memory", http.StatusInternalServerError)
				return
			}
			s.ServeHTTP(w, r)
		}))
		var out bytes.Buffer
		p := process{stdout: &out, stderr: &out, getenv: func(string) string { return "" }, stateDir: t.TempDir()}
		root := newRoot(p)
		root.SetArgs([]string{"doctor", "--url", front.URL})
		if err := root.ExecuteContext(t.Context()); err != nil {
			t.Errorf("request %d fails: %v", fails, err)
		}
		front.Close()
		failed := fails > 0
		if !strings.Contains(out.String(), want) || strings.Contains(out.String(), "no problems found") == failed ||
			strings.Contains(out.String(), "--model m") != failed {
			t.Errorf("request %d fails, want %q:\n%s", fails, want, out.String())
		}
	}
}

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
