package transport

import (
	"sync"
	"time"

	"homellm/engine/crash"
)

// asker asks the kernel again and again whether anything has arrived on a connection, as long as a reply is waited
// for. A reader that was kept from the processor finds several tokens in one read, of which the kernel says when the
// last arrived; the first came after the asker last found nothing.
type asker struct {
	conn  *conn
	began time.Time

	mu    sync.Mutex
	timer *time.Timer // nil once it has stopped
}

// It asks each millisecond at first, and less often as time goes on: what it cannot tell is a hundredth of the time
// that was waited.
const (
	askEvery = time.Millisecond
	askShare = 100
)

// askWhether begins to ask; nil where the kernel does not stamp what arrives, or several exchanges share the
// connection.
func askWhether(c *conn) *asker {
	if c.arrivals == nil || c.shared.Load() {
		return nil
	}
	a := &asker{conn: c, began: time.Now()}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.timer = time.AfterFunc(askEvery, crash.Guarded(a.ask))
	return a
}

// ask asks once, and again later: what has arrived may be the headers of the reply, or an event without a token.
func (a *asker) ask() {
	a.conn.arrivals.check()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.timer != nil {
		a.timer.Reset(max(askEvery, time.Since(a.began)/askShare))
	}
}

// stop ends the asking. A nil asker may be stopped.
func (a *asker) stop() {
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
