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

// conn notes when bytes go out and come in, closer to the kernel than anything above it can: the
// figures of an exchange rest on these stamps. It also notes when the server ended it, and refuses to
// write a request to a connection that has ended.
type conn struct {
	net.Conn

	// What every read needs.
	early    []byte    // arrived while the connection was spare, and not read yet
	arrivals *arrivals // nil where only the reader knows when bytes arrive
	now      atomic.Pointer[Stamps]
	last     time.Duration // when the last bytes arrived
	base     time.Time     // from which stamps count

	origin
	usage
}

// origin is how a connection came about.
type origin struct {
	took   time.Duration // name, TCP and TLS
	pool   *pool         // nil if none keeps count of it
	warmed bool          // made ahead of the request that it first carries
}

// usage is what became of a connection. Several goroutines read and write it.
type usage struct {
	busy    atomic.Int32 // exchanges that use it now
	secure  atomic.Bool  // TLS
	shared  atomic.Bool  // HTTP/2: any number of exchanges may use it
	used    atomic.Bool  // an exchange has used it
	again   atomic.Bool  // and another did before that
	refuse  atomic.Bool  // a new connection is wanted: it must carry no further request
	replied atomic.Int64 // when the exchange before the present one last read, or Unset
	ended   atomic.Int64 // when the server's end of it was noticed, or Unset
	prompt  atomic.Bool  // it ended in or right after a reply; which of them, the exchange knows
	closed  atomic.Int64 // when this side closed it or, under TLS, was told of the end; or Unset
}

// newConn wraps a connection. Stamps count from base.
func newConn(nc net.Conn, base time.Time, p *pool) *conn {
	c := &conn{Conn: nc, base: base, arrivals: newArrivals(nc), origin: origin{pool: p}}
	c.now.Store(NewStamps())
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
		s := c.now.Load()
		if age == Unset {
			s.unaged.Add(1)
		}
		// Nothing arrives before what arrived earlier, whatever happens to the kernel's clock.
		c.last = max(c.last, now.Sub(c.base)-max(age, 0))
		s.Arrived(int64(c.last), c.emptyBefore())
	}
	if err != nil && !errors.Is(err, io.ErrClosedPipe) { // by which a pipe means this end
		c.endedBy(err)
	}
	return n, err
}

// emptyBefore is an instant at which nothing of the last read had arrived; Unset if there is none that is known, or if
// what a read brought may be another exchange's.
func (c *conn) emptyBefore() int64 {
	if c.arrivals == nil || c.shared.Load() || c.arrivals.before.IsZero() {
		return Unset
	}
	return int64(min(c.arrivals.before.Sub(c.base), c.last))
}

// receive reads, and says when that returned and how long the bytes had been there by then.
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

// Write writes a request, unless it is the first piece of one and the connection cannot carry it. The
// transport then takes another connection, for nothing was sent.
func (c *conn) Write(p []byte) (int, error) {
	if s := c.now.Load(); s.wrote.Load() == Unset {
		switch {
		case c.refuse.Load():
			return 0, errNotNew
		case c.again.Load() && c.dead():
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
		c.dead() // the end may have come as a record, which TLS keeps to itself
	}
	c.closed.CompareAndSwap(Unset, int64(time.Since(c.base)))
	if c.pool != nil {
		c.pool.forget(c)
	}
	return c.Conn.Close()
}

// dead reports whether the server has ended the connection, or sent what it was not asked for.
func (c *conn) dead() bool {
	if c.ended.Load() == Unset && hungUp(c.Conn, c.secure.Load()) {
		c.end()
	}
	return c.ended.Load() != Unset
}

// open reports whether the server keeps its end of a connection that carries a request. A reply may be
// there to be read.
func (c *conn) open() bool { return c.ended.Load() == Unset && !hungUp(c.Conn, true) }

// over is when the connection ended, or Unset.
func (c *conn) over() int64 {
	if at := c.ended.Load(); at != Unset || !c.secure.Load() {
		return at
	}
	return c.closed.Load()
}

// failed notes the error of a request. Under TLS a record announces the end of a connection, and the transport reports
// it before the end itself has come.
func (c *conn) failed(err error) {
	if c.secure.Load() && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)) {
		c.closed.CompareAndSwap(Unset, int64(time.Since(c.base)))
	}
}

// endedBy notes the end of the connection, unless it is this side that closed it or gave up waiting.
func (c *conn) endedBy(err error) {
	if !errors.Is(err, net.ErrClosed) && !errors.Is(err, os.ErrDeadlineExceeded) {
		c.end()
	}
}

// promptEnd is how soon after a reply a connection has to end for the reply to be the reason. Time-outs
// of idle connections are seconds.
const promptEnd = 250 * time.Millisecond

// end notes that the server ended the connection, and whether it did so after a reply.
func (c *conn) end() {
	now := int64(time.Since(c.base))
	if !c.ended.CompareAndSwap(Unset, now) || c.pool == nil || c.shared.Load() || !c.used.Load() {
		return
	}
	at := c.lastReply()
	if at == Unset || now-at > int64(promptEnd) {
		return
	}
	c.prompt.Store(true)
	if c.busy.Load() == 0 || c.now.Load().read.Load() == Unset {
		c.pool.closes.Store(true)
	} // else the exchange has yet to say whether its reply was whole
}

// left notes that an exchange is over, and whether its reply was whole: a connection that ended in the
// middle of one did not end because of it.
func (c *conn) left(whole bool) {
	if c.busy.Add(-1) == 0 && whole && c.pool != nil && c.prompt.Load() {
		c.pool.closes.Store(true)
	}
}

// lastReply is when something last arrived on the connection.
func (c *conn) lastReply() int64 {
	if at := c.now.Load().read.Load(); at != Unset {
		return at
	}
	return c.replied.Load()
}

// outlived reports whether a connection without an exchange is open for longer after its last reply
// than one that the server closes because of it.
func (c *conn) outlived() bool {
	at := c.lastReply()
	return at != Unset && int64(time.Since(c.base))-at > int64(promptEnd) && !c.dead()
}

// hand gives the connection to an exchange and returns where its instants will stand. They stay
// its own when the connection goes on to the next, which may be before it has looked. Exchanges
// that share a connection share them.
func (c *conn) hand() *Stamps {
	c.again.Store(c.used.Swap(true))
	if !c.shared.Load() {
		c.replied.Store(c.lastReply())
		c.now.Store(NewStamps())
	}
	return c.now.Load()
}

// stamped finds the conn under a connection that net/http hands out.
func stamped(nc net.Conn) *conn {
	if t, ok := nc.(*tls.Conn); ok {
		nc = t.NetConn()
	}
	c, _ := nc.(*conn)
	return c
}
