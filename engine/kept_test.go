package engine_test

import (
	"bytes"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"homellm/engine/event"
	"homellm/engine/sim"
)

// Before a request of the scenario is sent, every one before it is on the disk, however slow that
// is: a crash loses the request in flight and no other.
func TestRun_KeepsEveryRequestBeforeTheNext(t *testing.T) {
	plan := load(t, "small.yaml", []byte(smallPlan), library(t))
	synctest.Test(t, func(t *testing.T) {
		server := simulator(t, sim.Config{})
		var kept atomic.Int64
		sent := 0
		attempt{
			plan: plan, journal: filepath.Join(t.TempDir(), "journal.jsonl"),
			server: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if isChat(r) && bytes.Contains(bodyOf(r), []byte("from the documents")) {
					if now := kept.Load(); now != int64(sent) {
						t.Errorf("request %d is sent and %d are kept", sent+1, now)
					}
					sent++
				}
				server.ServeHTTP(w, r)
			}),
			keep: func(e event.Event) error {
				time.Sleep(time.Second) // a disk that takes its time
				if _, ok := e.Body.(event.Request); ok {
					kept.Add(1)
				}
				return nil
			},
		}.play(t)
		if sent < 12 {
			t.Errorf("only %d requests", sent)
		}
	})
}
