package transport

import (
	"sync"
	"time"

	"homellm/engine/crash"
)

// poller asks the kernel repeatedly whether anything has arrived on a connection, while a reply is awaited. A reader
// that gets no processor time finds several tokens in one read, and the kernel says only when the last of them
// arrived. The first arrived after the last poll that found nothing.
type poller struct {
	conn  *conn
	began time.Time

	mu    sync.Mutex
	timer *time.Timer // nil after stop
}

// It polls each millisecond at first and then less often: the uncertainty is at most a hundredth of the time waited.
const (
	pollEvery = time.Millisecond
	pollShare = 100
)

// startPoller starts polling; nil where the kernel does not stamp what arrives, or several exchanges share the
// connection.
func startPoller(c *conn) *poller {
	if c.arrivals == nil || c.shared.Load() {
		return nil
	}
	a := &poller{conn: c, began: time.Now()}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.timer = time.AfterFunc(pollEvery, crash.Guarded(a.poll))
	return a
}

// poll polls once and restarts the timer: what has arrived may be headers, or an event without a token.
func (a *poller) poll() {
	a.conn.arrivals.check()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.timer != nil {
		a.timer.Reset(max(pollEvery, time.Since(a.began)/pollShare))
	}
}

// stop ends the polling. It accepts a nil poller.
func (a *poller) stop() {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.timer != nil {
		a.timer.Stop()
		a.timer = nil
	}
}
