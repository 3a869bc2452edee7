package observe

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"homellm/engine/event"
	"homellm/engine/server"
)

// A server may work on with a request that was given up. That one is not taken for somebody
// else's, and who comes on top of it is.
func TestTraffic_GivenUp(t *testing.T) {
	var running atomic.Int64
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "vllm:num_requests_running %d\n", running.Load())
	}))
	defer web.Close()
	side, err := server.NewSide(server.Config{BaseURL: web.URL, Engine: "vllm", Model: "m"})
	if err != nil {
		t.Fatal(err)
	}
	o, notes := alone(Server{Side: side})
	o.counters.on = true
	turn := func(busy int, failed bool) (waiting int) {
		running.Store(int64(busy))
		o.ForgetCounters()
		o.scrape(t.Context())
		waiting = o.traffic.waiting
		r := reply(time.Millisecond, nil)
		if failed {
			r.Err = &event.Error{Class: "timeout"}
		}
		o.traffic.check(r, true, o.notes)
		return waiting
	}
	for i, c := range []struct {
		busy    int
		failed  bool
		waiting int
	}{
		{0, true, 0}, {1, true, 0}, {2, false, 0}, {3, false, 1}, {1, false, 0}, {2, false, 1}, {0, false, 0}, {1, false, 1},
	} {
		if got := turn(c.busy, c.failed); got != c.waiting {
			t.Errorf("turn %d: %d requests run and %d are taken for another client's, want %d", i+1, c.busy, got, c.waiting)
		}
	}
	o.traffic.sum(o.notes)
	if got := notes.String(); !strings.Contains(got,
		"3 of 8 turns shared the server with other clients: in all 1 request ran or waited") {
		t.Errorf("notes %q", got)
	}
}
