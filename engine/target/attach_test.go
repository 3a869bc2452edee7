package target_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"homellm/dsl"
	"homellm/engine/sim"
	"homellm/engine/target"
)

// A cell that is closed leaves no connection behind, with a key as without: a matrix opens many.
func TestOpen_LeavesNoConnection(t *testing.T) {
	for _, key := range []string{"", "a-key-of-the-user"} {
		simulator, err := sim.New(sim.Config{APIKey: key})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { simulator.Close() })
		var mu sync.Mutex
		open := map[net.Conn]bool{}
		web := httptest.NewUnstartedServer(simulator)
		web.Config.ConnState = func(c net.Conn, state http.ConnState) {
			mu.Lock()
			defer mu.Unlock()
			if state == http.StateClosed {
				delete(open, c)
			} else {
				open[c] = true
			}
		}
		web.Start()
		t.Cleanup(web.Close)

		profile := &dsl.Server{Name: "s", Engine: "sim", Address: dsl.Address{Attach: web.URL}, Wire: dsl.Wire{API: "chat"},
			Capabilities: dsl.Capabilities{Streaming: true, Metrics: "/metrics"}}
		cell := &dsl.Cell{ID: "x", Server: profile, Scenario: &dsl.Scenario{}}
		opener := target.Opener{Key: func(dsl.Secret) (string, error) { return key, nil }}
		ready, err := opener.Open(t.Context(), cell)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ready.Side.Metrics(t.Context()); err != nil {
			t.Fatal(err)
		}
		ready.Shut()
		left := 0
		for range 100 {
			mu.Lock()
			left = len(open)
			mu.Unlock()
			if left == 0 {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		if left > 0 {
			t.Errorf("key %q: %d connections are left open", key, left)
		}
	}
}
