//go:build unix

package main

import (
	"cmp"
	"context"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"homellm"
	"homellm/dsl"
	"homellm/engine"
	"homellm/engine/client"
	"homellm/engine/event"
	"homellm/engine/judge"
	"homellm/engine/metrics"
	"homellm/engine/prompt"
	"homellm/engine/server"
	"homellm/engine/sim"
	"homellm/engine/target"
)

// TestFaults_Handler plays every fault in virtual time against the simulator as a handler: the
// results have to be those over real sockets.
func TestFaults_Handler(t *testing.T) {
	lib, ds := dsl.LoadLibrary(dsl.File{Name: "models.yaml", Data: homellm.Models},
		dsl.File{Name: "servers.yaml", Data: homellm.Servers})
	if ds.Errors() {
		t.Fatal(ds)
	}
	opt := prompt.PlanOptions(lib)
	opt.Servers = []string{lib.Attach("sim", "sim", "http://sim")}
	plan, ds := dsl.Load(dsl.File{Name: "fault.yaml", Data: []byte(faultPlan)}, lib, judge.Vocabulary(), opt)
	if ds.Errors() {
		t.Fatal(ds)
	}
	for _, f := range ready() {
		t.Run(f.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				code, events := f.inMemory(t, plan)
				if got := came(code, events, f.want); got != f.want {
					t.Errorf("\n got %+v\nwant %+v", got, f.want)
					for _, e := range events {
						if n, ok := e.Body.(event.Note); ok {
							t.Logf("%s: %s", n.Code, n.Text)
						}
					}
				}
			})
		})
	}
}

// inMemory plays the plan against the fault's server in this bubble.
func (f fault) inMemory(t *testing.T, plan *dsl.Plan) (code int, events []event.Event) {
	t.Helper()
	var down atomic.Bool
	s, err := sim.New(sim.Config{Speed: cmp.Or(f.speed, 40), Faults: []sim.Fault{f.fault},
		Crash: func() { down.Store(true) }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var handler http.Handler = s
	if f.wrap != nil {
		handler = f.wrap(s)
	}
	open, shut := sim.Pipe(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if down.Load() {
			panic(http.ErrAbortHandler)
		}
		handler.ServeHTTP(w, r)
	}))
	defer shut()
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		if down.Load() {
			return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
		}
		return open(ctx, network, addr)
	}
	hc := &http.Client{Transport: &http.Transport{DialContext: dial}}
	defer hc.CloseIdleConnections()
	side, err := server.NewSide(server.Config{BaseURL: "http://sim", Engine: "sim", Model: "qwen2.5-3b", Client: hc})
	if err != nil {
		t.Fatal(err)
	}
	fold := &metrics.Run{}
	err = engine.Run(t.Context(), plan, engine.Options{
		Header: event.RunStarted{ID: "0011223344556677", Started: time.Now()},
		Journal: engine.Journal{Fold: fold, Keep: func(e event.Event) error {
			events = append(events, e)
			return nil
		}},
		Open: func(_ context.Context, c *dsl.Cell) (*target.Target, error) {
			return &target.Target{
				Facts: event.Server{Profile: c.Server.Name, Engine: "sim", URL: "http://sim", Model: "qwen2.5-3b", Simulated: true},
				Client: client.Config{
					BaseURL: "http://sim/v1", Model: "qwen2.5-3b", Stream: true, Dial: dial,
					Connect: c.Server.HTTP.Connect, FirstToken: c.Server.HTTP.FirstToken, Idle: c.Server.HTTP.Idle,
				},
				Block: 16, Side: side,
			}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	_, code, _ = fold.Outcome()
	return code, events
}
