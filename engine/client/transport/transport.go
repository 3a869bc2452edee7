// Package transport keeps the connections to a server: it makes one ahead of a request, stamps the instants of every
// exchange, checks that an idle connection has not ended before it sends a request on it, and sends a request once
// more if it was lost on a connection that ended.
//
// The input is HTTP requests, the output responses and what the connection recorded: when the request was written,
// when the last bytes arrived, how long connecting took, whether the request was sent again.
package transport

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"time"
)

// Config says how connections are made.
type Config struct {
	Start   time.Time     // origin of all stamps
	Connect time.Duration // time to connect; 10 s if zero
	TLS     *tls.Config   // roots, certificates; nil: the system's
	Dial    func(ctx context.Context, network, addr string) (net.Conn, error)
}

// Transport keeps connections to one server. It is safe for concurrent use.
type Transport struct {
	pool *pool
	http *http.Transport
}

// New returns a transport to the host of base. It makes no connection yet. It uses no proxy and no compression,
// follows no redirects, and sets no limit on idle connections.
func New(base *url.URL, cfg Config) *Transport {
	if cfg.Dial == nil {
		_ = keepStamps() // without kernel stamps the reader stamps, and every exchange says so
	}
	t := &Transport{pool: newPool(base, cfg), http: &http.Transport{
		MaxIdleConnsPerHost:    1 << 10,
		DisableCompression:     true,
		MaxResponseHeaderBytes: 1 << 20,
		ReadBufferSize:         32 << 10,
		WriteBufferSize:        32 << 10,
		ForceAttemptHTTP2:      true,
	}}
	if t.pool.tls != nil {
		t.http.DialTLSContext = t.pool.connect
	} else {
		t.http.DialContext = t.pool.connect
	}
	return t
}

// CloseIdle closes the connections that no request uses.
func (t *Transport) CloseIdle() {
	t.pool.close()
	t.http.CloseIdleConnections()
}

// Warm makes a connection for the next request, unless one is ready, and returns how long that took; nil if one was
// ready. Servers close connections that are idle for seconds, and some close them after each reply; without Warm the
// next turn would pay for a new one.
func (t *Transport) Warm(ctx context.Context) (*time.Duration, error) { return t.pool.warm(ctx) }

// Send makes a round trip and fills s.
func (t *Transport) Send(req *http.Request, s *Sending) (*http.Response, error) {
	s.start = t.pool.base
	s.fresh = t.pool.wantsNew()
	return send(t.http, req, s)
}

// Keep wraps a transport for requests that are not measured, with the same care for its connections.
func Keep(t *http.Transport) http.RoundTripper {
	k := &kept{http: t, start: time.Now()}
	dial := t.DialContext
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	t.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		nc, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return newConn(nc, k.start, nil), nil
	}
	return k
}

// kept is the round tripper that Keep returns.
type kept struct {
	http  *http.Transport
	start time.Time
}

// RoundTrip implements [http.RoundTripper].
func (k *kept) RoundTrip(r *http.Request) (*http.Response, error) {
	return send(k.http, r, &Sending{start: k.start})
}

// CloseIdleConnections is what [http.Client.CloseIdleConnections] asks a round tripper for.
func (k *kept) CloseIdleConnections() { k.http.CloseIdleConnections() }
