package client

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"homellm/engine/crash"
)

// Why a request was abandoned.
var (
	errFirstToken = errors.New("first-token time-out")
	errIdle       = errors.New("idle time-out")
	errDrained    = errors.New("the body did not end after its last event")
)

// watchdog cancels a request when nothing happens for too long. Every token extends the wait, so extending is a
// single store: when the timer fires it checks whether the time is really up.
type watchdog struct {
	since  atomic.Int64 // the last progress, in nanoseconds since start
	start  time.Time    // the origin of since
	cancel context.CancelCauseFunc

	mu       sync.Mutex
	timer    *time.Timer
	patience time.Duration
	cause    error
	stopped  bool
}

// set starts a new wait: for at most d, or without a bound if d is zero.
func (w *watchdog) set(d time.Duration, cause error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.patience, w.cause = d, cause
	w.since.Store(int64(time.Since(w.start)))
	switch {
	case w.stopped:
	case d <= 0:
		if w.timer != nil {
			w.timer.Stop()
		}
	case w.timer == nil:
		w.timer = time.AfterFunc(d, crash.Guarded(w.check))
	default:
		w.timer.Reset(d)
	}
}

// extend restarts the same wait at an instant since start.
func (w *watchdog) extend(at time.Duration) { w.since.Store(int64(at)) }

func (w *watchdog) check() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped || w.patience <= 0 {
		return
	}
	if left := w.patience + time.Duration(w.since.Load()) - time.Since(w.start); left > 0 {
		w.timer.Reset(left)
		return
	}
	w.cancel(w.cause)
}

func (w *watchdog) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	if w.timer != nil {
		w.timer.Stop()
	}
}
