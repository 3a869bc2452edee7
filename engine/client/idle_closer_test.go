package client_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"homellm/engine/client"
)

// idleCloser closes connections of a server of net/http while they are idle.
type idleCloser struct {
	close func(net.Conn)

	mu    sync.Mutex
	last  net.Conn // carried the last request
	state map[net.Conn]http.ConnState
}

// connKey is where a request's context has its connection.
type connKey struct{}

func (c *idleCloser) attach(s *httptest.Server) {
	c.state = map[net.Conn]http.ConnState{}
	handler := s.Config.Handler
	s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		nc, _ := r.Context().Value(connKey{}).(net.Conn)
		c.mu.Lock()
		c.last = nc
		c.mu.Unlock()
		handler.ServeHTTP(w, r)
	})
	s.Config.ConnContext = func(ctx context.Context, nc net.Conn) context.Context {
		return context.WithValue(ctx, connKey{}, nc)
	}
	s.Config.ConnState = func(nc net.Conn, state http.ConnState) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.state[nc] = state
	}
}

// end closes the connection of the last request a while later, unless another has come by then, whose reply
// that would cut.
func (c *idleCloser) end(late time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	nc := c.last
	time.AfterFunc(late, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.state[nc] == http.StateIdle {
			c.close(nc)
		}
	})
}

// TestClosesAfterReply_TLS does the same over TLS, with both versions of HTTP: the server's end of a connection is
// a record there, or a frame, and other frames come at any time. Half the turns find an end that has already come.
func TestClosesAfterReply_TLS(t *testing.T) {
	cases := sideBySide{t: t}
	for name, tt := range map[string]struct {
		h2    bool
		close func(net.Conn) // nil: the reply announces it, which HTTP/2 does with GOAWAY
	}{
		"HTTP/1.1, closed with an alert": {close: func(nc net.Conn) { nc.Close() }},
		"HTTP/1.1, cut":                  {close: func(nc net.Conn) { nc.(*tls.Conn).NetConn().Close() }},
		"HTTP/2, closed with an alert":   {h2: true, close: func(nc net.Conn) { nc.Close() }},
		"HTTP/2, cut":                    {h2: true, close: func(nc net.Conn) { nc.(*tls.Conn).NetConn().Close() }},
		"HTTP/2, GOAWAY":                 {h2: true},
	} {
		cases.run(name, func(t *testing.T) {
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if tt.close == nil {
					w.Header().Set("Connection", "close")
				}
				serveTokens(w, r)
			}))
			s.EnableHTTP2 = tt.h2
			s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
			closer := &idleCloser{close: tt.close}
			if tt.close != nil {
				closer.attach(s)
			}
			s.StartTLS()
			defer s.Close()
			roots := x509.NewCertPool()
			roots.AddCert(s.Certificate())
			c, err := client.New(client.Config{
				BaseURL: s.URL, Stream: true, TLS: &tls.Config{RootCAs: roots, ServerName: "example.com"},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer c.CloseIdle()
			const turns = 60
			opened := 0
			for i := range turns {
				if i%2 == 1 {
					time.Sleep(7 * time.Millisecond)
				}
				x := c.Do(t.Context(), time.Now(), time.Time{}, ask)
				if x.Err != nil || x.Text != "01234" {
					t.Fatalf("turn %d is lost: %q, %+v", i, x.Text, x.Err)
				}
				if !x.Wire.Reused {
					opened++
				}
				if tt.close != nil {
					closer.end(time.Duration(i%11) * 500 * time.Microsecond)
				}
			}
			if opened < turns/3 {
				t.Errorf("%d connections for %d turns: the server closed none", opened, turns)
			}
		})
	}
	cases.Wait()
}
