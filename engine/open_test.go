package engine_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"homellm/dsl"
	"homellm/engine"
	"homellm/engine/judge"
	"homellm/engine/prompt"
	"homellm/engine/sim"
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

		lib := library(t)
		name := lib.Attach("sim", "sim", web.URL)
		opt := prompt.PlanOptions(lib)
		opt.Servers = []string{name}
		plan, ds := dsl.Load(dsl.File{Name: "x.yaml", Data: []byte(foreignPlan)}, lib, judge.Vocabulary(), opt)
		if ds.Errors() {
			t.Fatal(ds)
		}
		opener := engine.Opener{Key: func(dsl.Secret) (string, error) { return key, nil }}
		target, err := opener.Open(t.Context(), plan.Cells[0])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := target.Side.Metrics(t.Context()); err != nil {
			t.Fatal(err)
		}
		target.Close()
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
