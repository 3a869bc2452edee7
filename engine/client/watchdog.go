package client

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Why a request was given up.
var (
	errConnectTimeout = errors.New("connect time-out")
	errFirstToken     = errors.New("first-token time-out")
	errIdle           = errors.New("idle time-out")
	errDrained        = errors.New("the body did not end after its last event")
)

// watchdog gives a request up when nothing happens for too long. Extending its patience costs no
// more than reading the clock, for it happens with every token: the timer looks for itself, when
// it fires, whether the time has really come.
type watchdog struct {
	cancel context.CancelCauseFunc

	mu       sync.Mutex
	timer    *time.Timer
	patience time.Duration
	since    time.Time
	cause    error
	stopped  bool
}

// set starts to wait anew: for at most d, or for ever if d is zero.
func (w *watchdog) set(d time.Duration, cause error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.patience, w.cause, w.since = d, cause, time.Now()
	switch {
	case w.stopped:
	case d <= 0:
		if w.timer != nil {
			w.timer.Stop()
		}
	case w.timer == nil:
		w.timer = time.AfterFunc(d, w.look)
	default:
		w.timer.Reset(d)
	}
}

// extend starts the same wait again.
func (w *watchdog) extend() {
	w.mu.Lock()
	w.since = time.Now()
	w.mu.Unlock()
}

func (w *watchdog) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped || w.patience <= 0 {
		return
	}
	if left := w.patience - time.Since(w.since); left > 0 {
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
