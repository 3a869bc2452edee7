package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"homellm/engine/crash"
)

// defaultConnect bounds the time to connect where the configuration sets no bound.
const defaultConnect = 10 * time.Second

// errConnectTimeout is the cause when a connection is not made in time.
var errConnectTimeout = errors.New("connect time-out")

// pool makes connections for an http.Transport, ahead of requests where it can. The transport owns the connections in
// use and notices when a server closes an idle one; the pool knows which are open, and whether the server closes them
// after each reply.
type pool struct {
	dial      func(ctx context.Context, network, addr string) (net.Conn, error)
	base      time.Time
	limit     time.Duration
	tls       *tls.Config // nil: plain TCP
	addresses []string    // tried in this order; the first that answers is kept

	closes atomic.Bool // the server has closed a connection right after a reply

	mu    sync.Mutex
	open  map[*conn]struct{}
	spare *spare
	sole  string // the address that answered
}

func newPool(base *url.URL, cfg Config) *pool {
	p := &pool{dial: cfg.Dial, base: cfg.Start, limit: cfg.Connect, open: map[*conn]struct{}{}}
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

// ConnectError marks a failure to connect among the errors of a round trip.
type ConnectError struct{ error }

func (e ConnectError) Unwrap() error { return e.error }

// connect makes a connection for the transport. It ignores the address that the transport asks for: the pool knows
// which address of the base URL answered.
func (p *pool) connect(ctx context.Context, network, _ string) (net.Conn, error) {
	defer crash.Recover() // on a goroutine of net/http
	if nc := p.takeSpare(); nc != nil {
		return nc, nil
	}
	return p.make(ctx, network)
}

// make opens a connection, with TLS if the base URL says https.
func (p *pool) make(ctx context.Context, network string) (net.Conn, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, p.limit, errConnectTimeout)
	defer cancel()
	begin := time.Now()
	raw, err := p.reach(ctx, network)
	if err != nil {
		return nil, p.explain(ctx, err)
	}
	c := newConn(raw, p.base, p)
	c.secure.Store(p.tls != nil)
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

// reach dials the addresses in turn and keeps the first that answers.
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
	return ConnectError{err}
}

func (p *pool) forget(c *conn) {
	p.mu.Lock()
	delete(p.open, c)
	p.mu.Unlock()
}

// ready reports whether a connection is ready for the next request.
func (p *pool) ready() bool {
	fresh := p.wantsNew()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.spare != nil {
		return true
	}
	for c := range p.open {
		switch {
		case c.shared.Load() && c.ended.Load() == Unset:
			return true
		case c.shared.Load(), c.busy.Load() > 0, c.used.Load() && (fresh || c.dead()):
		default:
			return true
		}
	}
	return false
}

// wantsNew reports whether requests get new connections because the server closes each after its reply: an open one
// may end during the next request. If a connection stays open long after its last reply, the server no longer does
// so.
func (p *pool) wantsNew() bool {
	if !p.closes.Load() {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		if c.busy.Load() == 0 && !c.shared.Load() && c.used.Load() && c.outlived() {
			p.closes.Store(false)
			return false
		}
	}
	return true
}
