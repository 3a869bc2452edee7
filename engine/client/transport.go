package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// defaultConnect bounds the making of a connection where the configuration does not.
const defaultConnect = 10 * time.Second

// unset marks an instant that was not seen. Zero is an instant.
const unset = -1

// stamps are the instants of one exchange, in nanoseconds since the start of the client.
type stamps struct {
	wrote  atomic.Int64 // first write, or unset
	read   atomic.Int64 // last read that delivered bytes, or unset
	reads  atomic.Int64 // how many did
	unaged atomic.Int64 // and of how many the kernel did not say when their bytes arrived
}

func newStamps() *stamps {
	s := new(stamps)
	s.wrote.Store(unset)
	s.read.Store(unset)
	return s
}

// by says who told the instants of arrival: the kernel, or the reader if it had to for one of them.
func (s *stamps) by() string {
	switch {
	case s.reads.Load() == 0:
		return ""
	case s.unaged.Load() == 0:
		return "kernel"
	}
	return "reader"
}

// conn notes when bytes go out and come in, closer to the kernel than anything above it can: the
// figures of an exchange rest on these stamps.
type conn struct {
	net.Conn

	// What every read needs.
	early    []byte    // arrived while the connection was spare, and not read yet
	arrivals *arrivals // nil where nobody but the reader knows when bytes arrive
	now      atomic.Pointer[stamps]
	last     time.Duration // when the last bytes arrived
	base     time.Time     // from which stamps count

	took   time.Duration // name, TCP and TLS
	pool   *pool
	busy   atomic.Int32 // exchanges that use it now
	shared atomic.Bool  // HTTP/2: any number of exchanges may use it
	warmed atomic.Bool  // made ahead of the request that it first carries
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
		if age == unset {
			s.unaged.Add(1)
		}
		// Nothing arrives before what arrived earlier, whatever happens to the kernel's clock.
		c.last = max(c.last, now.Sub(c.base)-max(age, 0))
		s.read.Store(int64(c.last))
		s.reads.Add(1)
	}
	return n, err
}

// receive reads, and says when that returned and how long the bytes had been there by then.
func (c *conn) receive(p []byte) (n int, now time.Time, age time.Duration, err error) {
	if c.arrivals != nil {
		return c.arrivals.read(p)
	}
	n, err = c.Conn.Read(p)
	return n, time.Now(), unset, err
}

func (c *conn) Write(p []byte) (int, error) {
	if s := c.now.Load(); s.wrote.Load() == unset {
		s.wrote.CompareAndSwap(unset, int64(time.Since(c.base)))
	}
	return c.Conn.Write(p)
}

func (c *conn) Close() error {
	c.pool.forget(c)
	return c.Conn.Close()
}

// hand gives the connection to an exchange and returns where its instants will stand. They stay
// its own when the connection goes on to the next, which may be before it has looked. Exchanges
// that share a connection share them.
func (c *conn) hand() *stamps {
	if !c.shared.Load() {
		c.now.Store(newStamps())
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

// pool makes connections for an http.Transport and can make one before it is asked to. The
// transport keeps the connections in use and notices when a server closes an idle one; the pool
// only knows which are open.
type pool struct {
	dial      func(ctx context.Context, network, addr string) (net.Conn, error)
	base      time.Time
	limit     time.Duration
	tls       *tls.Config // nil: plain TCP
	addresses []string    // to try in this order; the first that answers is kept

	mu    sync.Mutex
	open  map[*conn]struct{}
	spare *spare
	sole  string // the address that answered
}

func newPool(base *url.URL, cfg *Config, start time.Time) *pool {
	p := &pool{dial: cfg.Dial, base: start, limit: cfg.Connect, open: map[*conn]struct{}{}}
	if p.dial == nil {
		p.dial = new(net.Dialer).DialContext
	}
	if p.limit <= 0 {
		p.limit = defaultConnect
	}
	host, port := base.Hostname(), base.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[base.Scheme]
	}
	hosts := []string{host}
	if host == "localhost" { // a resolver may answer ::1 first, where most servers do not listen
		hosts = []string{"127.0.0.1", "::1"}
	}
	for _, h := range hosts {
		p.addresses = append(p.addresses, net.JoinHostPort(h, port))
	}
	if base.Scheme == "https" {
		p.tls = &tls.Config{MinVersion: tls.VersionTLS12}
		if cfg.TLS != nil {
			p.tls = cfg.TLS.Clone()
		}
		if p.tls.ServerName == "" {
			p.tls.ServerName = host
		}
		if len(p.tls.NextProtos) == 0 {
			p.tls.NextProtos = []string{"h2", "http/1.1"}
		}
	}
	return p
}

// connectError marks a failure to connect among the errors of a round trip.
type connectError struct{ error }

func (e connectError) Unwrap() error { return e.error }

// connect serves a transport that needs a connection. The address it asks for is the one of the
// base URL, which the pool knows better.
func (p *pool) connect(ctx context.Context, network, _ string) (net.Conn, error) {
	if nc := p.takeSpare(); nc != nil {
		return nc, nil
	}
	return p.make(ctx, network)
}

// make opens a connection, with TLS where the base URL wants it.
func (p *pool) make(ctx context.Context, network string) (net.Conn, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, p.limit, errConnectTimeout)
	defer cancel()
	begin := time.Now()
	raw, err := p.reach(ctx, network)
	if err != nil {
		return nil, p.explain(ctx, err)
	}
	c := &conn{Conn: raw, base: p.base, pool: p, arrivals: newArrivals(raw)}
	c.now.Store(newStamps())
	var nc net.Conn = c
	if p.tls != nil {
		t := tls.Client(c, p.tls)
		if err := t.HandshakeContext(ctx); err != nil {
			raw.Close()
			return nil, p.explain(ctx, fmt.Errorf("TLS handshake: %w", err))
		}
		c.shared.Store(t.ConnectionState().NegotiatedProtocol == "h2")
		nc = t
	}
	c.took = time.Since(begin)
	p.mu.Lock()
	p.open[c] = struct{}{}
	p.mu.Unlock()
	return nc, nil
}

// reach dials the addresses in turn and settles on the first that answers.
func (p *pool) reach(ctx context.Context, network string) (nc net.Conn, err error) {
	p.mu.Lock()
	addresses := p.addresses
	if p.sole != "" {
		addresses = []string{p.sole}
	}
	p.mu.Unlock()
	var errs []error
	for _, addr := range addresses {
		nc, err := p.dial(ctx, network, addr)
		if err == nil {
			p.mu.Lock()
			p.sole = addr
			p.mu.Unlock()
			return nc, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

func (p *pool) explain(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), errConnectTimeout) {
		err = fmt.Errorf("no connection to %s within %v: %w", p.addresses[0], p.limit, err)
	}
	return connectError{err}
}

func (p *pool) forget(c *conn) {
	p.mu.Lock()
	delete(p.open, c)
	p.mu.Unlock()
}

// ready reports whether the next request finds a connection that it need not make.
func (p *pool) ready() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.spare != nil {
		return true
	}
	for c := range p.open {
		if c.busy.Load() == 0 || c.shared.Load() {
			return true
		}
	}
	return false
}

// spare is a connection made ahead. A goroutine reads from it, for that is how a connection that
// the server closes is noticed. What arrives meanwhile, such as TLS session tickets and the
// settings of HTTP/2, is kept for whoever uses the connection.
type spare struct {
	nc   net.Conn
	conn *conn         // below nc
	done chan struct{} // closed when the goroutine is out of Read
	live bool          // valid once done is closed
}

// warm makes sure that the next request finds a connection, and says how long it took to make
// one; nil if there was one.
func (p *pool) warm(ctx context.Context) (*time.Duration, error) {
	if p.ready() {
		return nil, nil
	}
	nc, err := p.make(ctx, "tcp")
	if err != nil {
		return nil, err
	}
	c := stamped(nc)
	c.warmed.Store(true)
	s := &spare{nc: nc, conn: c, done: make(chan struct{})}
	p.mu.Lock()
	old := p.spare
	p.spare = s
	p.mu.Unlock()
	if old != nil { // two callers warmed at once
		old.nc.Close()
	}
	go p.watch(s)
	return &c.took, nil
}

func (p *pool) watch(s *spare) {
	const most = 64 << 10
	var err error
	for buf := make([]byte, 512); err == nil && len(s.conn.early) < most; {
		var n int
		n, err = s.conn.Conn.Read(buf)
		s.conn.early = append(s.conn.early, buf[:n]...)
	}
	var timeout net.Error
	s.live = errors.As(err, &timeout) && timeout.Timeout()
	if !s.live {
		p.mu.Lock()
		if p.spare == s {
			p.spare = nil
		}
		p.mu.Unlock()
		s.nc.Close()
	}
	close(s.done)
}

// takeSpare hands out the connection made ahead, if there is one and it is alive.
func (p *pool) takeSpare() net.Conn {
	p.mu.Lock()
	s := p.spare
	p.spare = nil
	p.mu.Unlock()
	if s == nil {
		return nil
	}
	if err := s.conn.SetReadDeadline(time.Unix(1, 0)); err != nil {
		s.nc.Close() // which ends the goroutine's read just as well
	}
	<-s.done
	if !s.live || s.conn.SetReadDeadline(time.Time{}) != nil {
		s.nc.Close()
		return nil
	}
	return s.nc
}

// close drops the connection made ahead.
func (p *pool) close() {
	if nc := p.takeSpare(); nc != nil {
		nc.Close()
	}
}

// newTransport returns a transport that adds nothing of its own: no proxy, no compression, no
// redirects (it is used without an http.Client), no limit on idle connections.
func newTransport(p *pool) *http.Transport {
	t := &http.Transport{
		MaxIdleConnsPerHost:    1 << 10,
		DisableCompression:     true,
		MaxResponseHeaderBytes: 1 << 20,
		ReadBufferSize:         32 << 10,
		WriteBufferSize:        32 << 10,
		ForceAttemptHTTP2:      true,
	}
	if p.tls != nil {
		t.DialTLSContext = p.connect
	} else {
		t.DialContext = p.connect
	}
	return t
}
