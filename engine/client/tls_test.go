package client_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"homellm/engine/client"
	"homellm/engine/client/goldentest"
)

// serveTokens streams a few tokens through net/http.
func serveTokens(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	for i := range 5 {
		fmt.Fprintf(w, "data: {\"choices\":[{\"delta\":{\"content\":\"%d\"}}]}\n\n", i)
		w.(http.Flusher).Flush()
		time.Sleep(2 * time.Millisecond)
	}
	fmt.Fprintf(w, "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n")
}

// TestTLS speaks both versions of HTTP over TLS, over connections made ahead and reused ones.
func TestTLS(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		t.Run(map[bool]string{false: "HTTP/1.1", true: "HTTP/2.0"}[h2], func(t *testing.T) {
			s := httptest.NewUnstartedServer(http.HandlerFunc(serveTokens))
			s.EnableHTTP2 = h2
			const handshake = 30 * time.Millisecond
			s.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
				time.Sleep(handshake)
				return nil, nil // no other one
			}}
			s.StartTLS()
			defer s.Close()
			roots := x509.NewCertPool()
			roots.AddCert(s.Certificate())
			c, err := client.New(client.Config{BaseURL: s.URL, Stream: true, TLS: &tls.Config{RootCAs: roots,
				ServerName: "example.com"}})
			if err != nil {
				t.Fatal(err)
			}
			defer c.CloseIdle()
			if took, err := c.Warm(t.Context()); err != nil || took == nil || *took < handshake {
				t.Fatalf("warm: %v, %v; a connection is made when its handshake is done", took, err)
			}
			time.Sleep(10 * time.Millisecond) // session tickets arrive on the connection made ahead
			for i := range 3 {
				x := succeed(t, c.Do(t.Context(), time.Now(), time.Time{}, ask))
				if x.Text != "01234" || x.Wire.Protocol != map[bool]string{false: "HTTP/1.1", true: "HTTP/2.0"}[h2] {
					t.Errorf("%q over %s", x.Text, x.Wire.Protocol)
				}
				if x.Wire.Reused != (i > 0) || x.Wire.Warmed != (i == 0) || (x.Connect == nil) != (i > 0) {
					t.Errorf("request %d: reused %t, warmed %t, connect %v", i, x.Wire.Reused, x.Wire.Warmed, x.Connect)
				}
				// Over HTTP/2 a connection has written before: the time to the first token begins with this request.
				if x.Sent == nil || x.Headers == nil || *x.Sent < 0 || *x.Sent > *x.Headers || *x.Headers > x.Chunks[0].At ||
					x.Chunks[4].At > x.Done {
					t.Errorf("out of order: sent %v, headers %v, first %v, done %v", x.Sent, x.Headers, x.Chunks[0].At, x.Done)
				}
			}
		})
	}
}

// TestTLSRefused says what is wrong with a certificate, and with TLS where there is none.
func TestTLSRefused(t *testing.T) {
	secure := httptest.NewUnstartedServer(http.HandlerFunc(serveTokens))
	secure.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // it will complain, as it should
	secure.StartTLS()
	defer secure.Close()
	plain := httptest.NewServer(http.HandlerFunc(serveTokens))
	defer plain.Close()
	for base, want := range map[string]string{
		secure.URL: "connect: its certificate is not trusted",
		strings.Replace(plain.URL, "http://", "https://", 1):  "connect: it does not speak TLS",
		strings.Replace(secure.URL, "https://", "http://", 1): "bad_request: HTTP 400",
	} {
		c, err := client.New(client.Config{BaseURL: base, Stream: true})
		if err != nil {
			t.Fatal(err)
		}
		x := c.Do(t.Context(), time.Now(), time.Time{}, ask)
		class, text, _ := strings.Cut(want, ": ")
		if x.Err == nil || x.Err.Class != class || !strings.Contains(x.Err.Message, text) {
			t.Errorf("%s: %+v, want %s", base, x.Err, want)
		}
		c.CloseIdle()
	}
}

// TestIPv6 reaches a server by a literal address, below a base path.
func TestIPv6(t *testing.T) {
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Skip("no IPv6 on this machine:", err)
	}
	golden := goldentest.New(goldentest.Pace{First: time.Millisecond, Gap: time.Millisecond, Tokens: 3})
	go func() { _ = golden.Serve(l) }()
	defer l.Close()
	c, err := client.New(client.Config{BaseURL: "http://" + l.Addr().String() + "/plain/six/v1", Stream: true})
	if err != nil {
		t.Fatal(err)
	}
	succeed(t, c.Do(t.Context(), time.Now(), time.Time{}, ask))
	c.CloseIdle()
}
