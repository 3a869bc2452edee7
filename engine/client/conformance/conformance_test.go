package conformance_test

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"homellm/engine/client/conformance"
	"homellm/engine/client/goldentest"
)

// TestVirtual compares every figure of every shape with the truth in virtual time, where equal means equal to the
// nanosecond. The bubble's end proves that no goroutine outlives its request.
func TestVirtual(t *testing.T) {
	for _, shape := range goldentest.Shapes() {
		t.Run(shape.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				golden := goldentest.New(goldentest.Pace{First: 100 * time.Millisecond, Gap: 10 * time.Millisecond, Tokens: 20})
				rows, err := conformance.Run(t.Context(), conformance.Options{
					Server: golden, Base: "http://golden",
					Dial:       func(context.Context, string, string) (net.Conn, error) { return golden.Pipe(), nil },
					FirstToken: time.Minute,
					Idle:       10 * time.Second,
					Only:       func(s goldentest.Shape, _ string) bool { return s.Name == shape.Name },
				})
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range conformance.Failed(rows) {
					t.Errorf("%s: %s: measured %q, truth %q", r.API, r.Figure, r.Measured, r.Truth)
				}
			})
		})
	}
}

// TestSockets plays the same over real sockets, where segments, resets and closed connections are
// real. Times are held loosely here: this machine may be busy with other tests, and all shapes
// play at once. The command that writes docs/conformance.md holds them to a millisecond.
func TestSockets(t *testing.T) {
	var wg sync.WaitGroup
	for _, shape := range goldentest.Shapes() {
		for _, api := range shape.APIs {
			wg.Go(func() { overSockets(t, shape, api) })
		}
	}
	wg.Wait()
}

func overSockets(t *testing.T, shape goldentest.Shape, api string) {
	patience := 2 * time.Second
	if !strings.HasPrefix(shape.Want, "timeout") { // nothing is waited for but a slow machine: some shapes are megabytes
		patience = time.Minute
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Error(err)
		return
	}
	golden := goldentest.New(goldentest.Pace{First: 20 * time.Millisecond, Gap: 2 * time.Millisecond, Tokens: 20})
	served := make(chan error, 1)
	go func() { served <- golden.Serve(l) }()
	rows, err := conformance.Run(t.Context(), conformance.Options{
		Server: golden, Base: "http://" + l.Addr().String(),
		Tolerance: time.Second, Share: 100, Tries: 3,
		FirstToken: patience, Idle: patience,
		Only: func(s goldentest.Shape, a string) bool { return s.Name == shape.Name && a == api },
	})
	if err != nil {
		t.Errorf("%s: %v", shape.Name, err)
	}
	for _, r := range conformance.Failed(rows) {
		if r.Measured == "unknown" {
			continue // a busy machine may leave a client nothing to tell, which is not wrong; TestVirtual asks for it
		}
		t.Errorf("%s: %s: %s: measured %q, truth %q", shape.Name, r.API, r.Figure, r.Measured, r.Truth)
	}
	l.Close()
	if err := <-served; err != nil {
		t.Error(err)
	}
}
