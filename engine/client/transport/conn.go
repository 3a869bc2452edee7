package transport

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// conn stamps bytes as they leave and arrive, as close to the kernel as possible: the figures of an exchange rest on
// these stamps. It also records when the server ended the connection, and refuses to write a request to a connection
// that has ended.
type conn struct {
	net.Conn

	// State that every read uses.
	early    []byte    // arrived while the connection was idle, and not read yet
	arrivals *arrivals // nil where the kernel does not stamp what arrives
	current  atomic.Pointer[Stamps]
	last     time.Duration // when the last bytes arrived
	base     time.Time     // origin of the stamps

	origin
	usage
}

// origin is how a connection was made.
type origin struct {
	took   time.Duration // time for name resolution, TCP and TLS
	pool   *pool         // nil if no pool tracks it
	warmed bool          // made before the first request that uses it
}

// usage is the state of a connection. Several goroutines read and write it.
type usage struct {
	busy            atomic.Int32 // number of exchanges that use it now
	secure          atomic.Bool  // TLS
	shared          atomic.Bool  // HTTP/2: any number of exchanges may use it
	used            atomic.Bool  // an exchange has used it
	reused          atomic.Bool  // an earlier exchange has used it too
	refuse          atomic.Bool  // a new connection is wanted: this one must carry no further request
	replied         atomic.Int64 // when the previous exchange last read, or Unset
	ended           atomic.Int64 // when the server was seen to have ended it, or Unset
	endedAfterReply atomic.Bool  // it ended during a reply or right after it; the exchange knows which
	closed          atomic.Int64 // when this side closed it or TLS reported its end; or Unset
}

// newConn wraps a connection. Stamps count from base.
func newConn(nc net.Conn, base time.Time, p *pool) *conn {
	c := &conn{Conn: nc, base: base, arrivals: newArrivals(nc), origin: origin{pool: p}}
	c.current.Store(NewStamps())
	c.replied.Store(Unset)
	c.ended.Store(Unset)
	c.closed.Store(Unset)
	return c
}

func (c *conn) Read(p []byte) (int, error) {
	if len(c.early) > 0 {
		n := copy(p, c.early)
		c.early = c.early[n:]
		return n, nil
	}
	n, now, age, err := c.receive(p)
	if n > 0 {
		s := c.current.Load()
		if age == Unset {
			s.unaged.Add(1)
		}
		// Stamps never run backwards, whatever happens to the kernel's clock.
		c.last = max(c.last, now.Sub(c.base)-max(age, 0))
		s.Arrived(int64(c.last), c.emptyBefore())
	}
	if err != nil && !errors.Is(err, io.ErrClosedPipe) { // a pipe reports the close of this end so
		c.endedBy(err)
	}
	return n, err
}

// emptyBefore is an instant before the bytes of the last read arrived. It is Unset if none is known, or if the bytes
// may belong to another exchange.
func (c *conn) emptyBefore() int64 {
	if c.arrivals == nil || c.shared.Load() || c.arrivals.before.IsZero() {
		return Unset
	}
	return int64(min(c.arrivals.before.Sub(c.base), c.last))
}

// receive reads, and returns the instant of its return and how long before that the bytes arrived.
func (c *conn) receive(p []byte) (n int, now time.Time, age time.Duration, err error) {
	if c.arrivals != nil {
		return c.arrivals.read(p)
	}
	n, err = c.Conn.Read(p)
	return n, time.Now(), Unset, err
}

var (
	errEnded  = errors.New("the server closed the idle connection")
	errNotNew = errors.New("the request wants a new connection")
)

// Write writes a request. If this is the first piece of a request and the connection cannot carry it, nothing is sent
// and the transport takes another connection.
func (c *conn) Write(p []byte) (int, error) {
	if s := c.current.Load(); s.wrote.Load() == Unset {
		switch {
		case c.refuse.Load():
			return 0, errNotNew
		case c.reused.Load() && c.dead():
			return 0, errEnded
		}
		s.wrote.CompareAndSwap(Unset, int64(time.Since(c.base)))
	}
	n, err := c.Conn.Write(p)
	if err != nil {
		c.endedBy(err)
	}
	return n, err
}

func (c *conn) Close() error {
	if c.secure.Load() {
		c.dead() // TLS may have received the end as a record and not reported it
	}
	c.closed.CompareAndSwap(Unset, int64(time.Since(c.base)))
	if c.pool != nil {
		c.pool.forget(c)
	}
	return c.Conn.Close()
}

// dead reports whether the server has ended the connection, or sent something unasked.
func (c *conn) dead() bool {
	if c.ended.Load() == Unset && hungUp(c.Conn, c.secure.Load()) {
		c.end()
	}
	return c.ended.Load() != Unset
}

// serverOpen reports whether the server keeps its end open while the connection carries a request. There may be a
// reply to read.
func (c *conn) serverOpen() bool { return c.ended.Load() == Unset && !hungUp(c.Conn, true) }

// endedAt is when the connection ended, or Unset.
func (c *conn) endedAt() int64 {
	if at := c.ended.Load(); at != Unset || !c.secure.Load() {
		return at
	}
	return c.closed.Load()
}

// failed records the error of a request. Under TLS a record announces the end of a connection, and the transport
// reports the error before the TCP connection itself ends.
func (c *conn) failed(err error) {
	if c.secure.Load() && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)) {
		c.closed.CompareAndSwap(Unset, int64(time.Since(c.base)))
	}
}

// endedBy records the end of the connection, unless this side closed it or stopped waiting.
func (c *conn) endedBy(err error) {
	if !errors.Is(err, net.ErrClosed) && !errors.Is(err, os.ErrDeadlineExceeded) {
		c.end()
	}
}

// afterReplyWithin is how soon after a reply a connection must end for the reply to be the reason. Idle time-outs of
// servers are seconds.
const afterReplyWithin = 250 * time.Millisecond

// end records that the server ended the connection, and whether that was after a reply.
func (c *conn) end() {
	now := int64(time.Since(c.base))
	if !c.ended.CompareAndSwap(Unset, now) || c.pool == nil || c.shared.Load() || !c.used.Load() {
		return
	}
	at := c.lastReply()
	if at == Unset || now-at > int64(afterReplyWithin) {
		return
	}
	c.endedAfterReply.Store(true)
	if c.busy.Load() == 0 || c.current.Load().read.Load() == Unset {
		c.pool.closes.Store(true)
	} // else the exchange has yet to tell whether its reply was whole
}

// release records the end of an exchange, and whether its reply was whole: a connection that ended in the middle of a
// reply did not end because of it.
func (c *conn) release(whole bool) {
	if c.busy.Add(-1) == 0 && whole && c.pool != nil && c.endedAfterReply.Load() {
		c.pool.closes.Store(true)
	}
}

// lastReply is when the last bytes arrived on the connection.
func (c *conn) lastReply() int64 {
	if at := c.current.Load().read.Load(); at != Unset {
		return at
	}
	return c.replied.Load()
}

// outlived reports whether an idle connection has stayed open after its last reply for longer than a server takes
// that closes connections after each reply.
func (c *conn) outlived() bool {
	at := c.lastReply()
	return at != Unset && int64(time.Since(c.base))-at > int64(afterReplyWithin) && !c.dead()
}

// acquire gives the connection to an exchange and returns the exchange's stamps. The next exchange gets new stamps,
// so that the earlier one can still read its own. Exchanges that share a connection share the stamps.
func (c *conn) acquire() *Stamps {
	c.reused.Store(c.used.Swap(true))
	if !c.shared.Load() {
		c.replied.Store(c.lastReply())
		c.current.Store(NewStamps())
	}
	return c.current.Load()
}

// stamped finds the conn inside a connection that net/http returns.
func stamped(nc net.Conn) *conn {
	if t, ok := nc.(*tls.Conn); ok {
		nc = t.NetConn()
	}
	c, _ := nc.(*conn)
	return c
}
