package client_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"homellm/engine/client"
	"homellm/engine/event"
)

const (
	chunkedHead = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n" +
		"Keep-Alive: timeout=5, max=100\r\n\r\n"
	wholeHead = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	wholeBody = `{"choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}]}`
)

var streamEvents = []string{
	`{"choices":[{"delta":{"content":"H"}}]}`,
	`{"choices":[{"delta":{"content":"i"}}]}`,
	`{"choices":[{"delta":{},"finish_reason":"stop"}]}`,
	`[DONE]`,
}

// stalled is by how much a busy machine may close a connection late before that is the server's fault and no longer a
// connection that ended while it was idle.
const stalled = 20 * time.Millisecond

// closer is a server on a real socket that decides after each request what becomes of its connection.
type closer struct {
	net.Listener
	conns    atomic.Int64
	requests atomic.Int64 // read to their end
	stalls   atomic.Int64 // connections that were closed later than they should have been
	think    time.Duration
	// after says of the nth request of a connection, from 1, whether it is answered, and how long after that
	// (or after it was read) the connection is closed; negative: it is kept.
	after func(nth int) (answer bool, late time.Duration)
}

func listen(t *testing.T, s *closer) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.Listener = l
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			s.conns.Add(1)
			go s.serve(nc)
		}
	}()
	return "http://" + l.Addr().String()
}

func (s *closer) serve(nc net.Conn) {
	defer nc.Close()
	in := bufio.NewReader(nc)
	for nth := 1; ; nth++ {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		s.requests.Add(1)
		answer, late := s.after(nth)
		if answer {
			time.Sleep(s.think)
			s.reply(nc, strings.Contains(string(body), `"stream":true`))
		}
		if late >= 0 {
			replied := time.Now()
			time.Sleep(late)
			if time.Since(replied) > late+stalled {
				s.stalls.Add(1)
			}
			return
		}
	}
}

func (s *closer) reply(nc net.Conn, stream bool) {
	if !stream {
		fmt.Fprintf(nc, "%sContent-Length: %d\r\n\r\n%s", wholeHead, len(wholeBody), wholeBody)
		return
	}
	fmt.Fprint(nc, chunkedHead)
	for _, e := range streamEvents {
		e = "data: " + e + "\n\n"
		fmt.Fprintf(nc, "%x\r\n%s\r\n", len(e), e)
	}
	fmt.Fprint(nc, "0\r\n\r\n")
}

func clientOf(t *testing.T, base string, stream bool) *client.Client {
	t.Helper()
	c, err := client.New(client.Config{BaseURL: base, Stream: stream, FirstToken: 10 * time.Second,
		Idle: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdle)
	return c
}

// ttft is the time to the first token, which counts from the sending of the request that was answered.
func ttft(x event.Exchange) time.Duration { return x.Chunks[0].At - *x.Sent }

// sideBySide runs subtests at the same time: most of each is waiting.
type sideBySide struct {
	sync.WaitGroup
	t *testing.T
}

func (s *sideBySide) run(name string, test func(*testing.T)) { s.Go(func() { s.t.Run(name, test) }) }

// TestClosesAfterReply plays 1,000 turns against a server that announces to keep its connections and closes
// each 0 to 5 ms after its reply. Every turn gets its reply, and no time to the first token has a connection
// in it, nor the request that was sent in vain.
func TestClosesAfterReply(t *testing.T) {
	const think = 2 * time.Millisecond
	cases := sideBySide{t: t}
	for name, tt := range map[string]struct {
		turns  int  // over one client
		pairs  int  // each over a separate client, which has seen nothing yet
		warm   bool // a connection is made ahead of each turn
		stream bool
	}{
		"measured turns":      {turns: 600, warm: true, stream: true},
		"requests at once":    {turns: 200, stream: true},
		"the second request":  {pairs: 100, stream: true},
		"replies in one body": {turns: 100},
	} {
		cases.run(name, func(t *testing.T) {
			var n atomic.Int64
			s := &closer{think: think, after: func(int) (bool, time.Duration) {
				return true, time.Duration(n.Add(1)%11) * 500 * time.Microsecond
			}}
			base := listen(t, s)
			c := clientOf(t, base, tt.stream)
			turn := func(i int) {
				if tt.warm {
					_, _ = c.Warm(t.Context())
				}
				stalls, began := s.stalls.Load(), time.Now()
				x := c.Do(t.Context(), began, began, ask)
				switch {
				case x.Err != nil && s.stalls.Load() > stalls:
					t.Logf("turn %d: this machine stalled, and the server closed too late", i)
				case x.Err != nil || x.Text != "Hi":
					t.Fatalf("turn %d is lost: %q, %+v", i, x.Text, x.Err)
				case tt.stream && ttft(x) < think:
					t.Fatalf("turn %d: first token %v after a request that takes %v", i, ttft(x), think)
				case x.Wire.Resent && (x.Wire.Reused || x.Connect == nil):
					t.Fatalf("turn %d was sent again, and not on a new connection: %+v", i, x.Wire)
				case i > 1 && tt.warm && (!x.Wire.Warmed || x.Wire.Resent):
					t.Fatalf("turn %d got no connection made ahead: %+v", i, x.Wire)
				}
			}
			for i := range tt.turns {
				turn(i)
			}
			for range tt.pairs {
				c = clientOf(t, base, tt.stream)
				turn(0)
				turn(0)
				c.CloseIdle()
			}
		})
	}
	cases.Wait()
}

// TestResend lets a connection end under a request, at all the instants that differ.
func TestResend(t *testing.T) {
	const think = 30 * time.Millisecond
	for name, tt := range map[string]struct {
		answered int           // requests of the first connection that get a reply
		late     time.Duration // how long after the next was read it ends
		resent   bool
	}{
		"used before, ends at once":                  {1, 0, true},
		"used before, ends soon":                     {1, 10 * time.Millisecond, true},
		"used before, ends after the prompt is read": {1, 400 * time.Millisecond, false},
		"never used before":                          {0, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := &closer{think: think}
			s.after = func(nth int) (bool, time.Duration) {
				if s.conns.Load() > 1 || nth <= tt.answered {
					return true, -1
				}
				return false, tt.late
			}
			c := clientOf(t, listen(t, s), true)
			for range tt.answered {
				succeed(t, c.Do(t.Context(), time.Now(), time.Time{}, ask))
			}
			began := time.Now()
			x := c.Do(t.Context(), began, began, ask)
			if !tt.resent {
				if x.Err == nil || x.Err.Class != "reset" || x.Wire.Resent || s.conns.Load() != 1 {
					t.Fatalf("sent again: %t, on %d connections, %+v", x.Wire.Resent, s.conns.Load(), x.Err)
				}
				return
			}
			succeed(t, x)
			if !x.Wire.Resent || x.Wire.Reused || x.Connect == nil || s.requests.Load() != int64(tt.answered)+2 {
				t.Errorf("%+v, connect %v, %d requests", x.Wire, x.Connect, s.requests.Load())
			}
			if *x.Sent < tt.late || x.Due != 0 {
				t.Errorf("due %v, sent %v: the instant is that of the request sent in vain", x.Due, *x.Sent)
			}
			if got := ttft(x); got < think || got > x.Done-tt.late {
				t.Errorf("time to first token %v of a server that takes %v", got, think)
			}
			if *x.Headers < *x.Sent+think {
				t.Errorf("sent %v, headers %v", *x.Sent, *x.Headers)
			}
		})
	}
}

// TestResendOnce gives up when the new connection ends as well: no server gets a request more than twice.
func TestResendOnce(t *testing.T) {
	s := &closer{}
	s.after = func(nth int) (bool, time.Duration) {
		if s.conns.Load() == 1 && nth == 1 {
			return true, -1
		}
		return false, 0
	}
	c := clientOf(t, listen(t, s), true)
	succeed(t, c.Do(t.Context(), time.Now(), time.Time{}, ask))
	x := c.Do(t.Context(), time.Now(), time.Time{}, ask)
	if x.Err == nil || x.Err.Class != "reset" || s.requests.Load() != 3 || !x.Wire.Resent {
		t.Errorf("%d requests, sent again %t, %+v", s.requests.Load(), x.Wire.Resent, x.Err)
	}
}

// TestResendOnNew leaves out a kept connection that may end just as well.
func TestResendOnNew(t *testing.T) {
	s := &closer{think: 50 * time.Millisecond}
	s.after = func(nth int) (bool, time.Duration) {
		if nth == 1 {
			return true, -1
		}
		return false, 0
	}
	c := clientOf(t, listen(t, s), true)
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			if x := c.Do(t.Context(), time.Now(), time.Time{}, ask); x.Err != nil {
				t.Errorf("%+v", x.Err)
			}
		})
	}
	both.Wait()
	if n := s.conns.Load(); n != 2 {
		t.Fatalf("%d connections of two requests at once", n)
	}
	x := succeed(t, c.Do(t.Context(), time.Now(), time.Time{}, ask))
	if !x.Wire.Resent || s.conns.Load() != 3 {
		t.Errorf("sent again: %t, on connection %d", x.Wire.Resent, s.conns.Load())
	}
}

// TestResendAfterAlert lets a server end a connection under TLS by the record that announces it, and keep
// the connection below it open.
func TestResendAfterAlert(t *testing.T) {
	var nth atomic.Int64
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if nth.Add(1) != 2 {
			serveTokens(w, r)
			return
		}
		nc, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			err = nc.(*tls.Conn).CloseWrite()
			t.Cleanup(func() { nc.Close() })
		}
		if err != nil {
			t.Error(err)
		}
	}))
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
	succeed(t, c.Do(t.Context(), time.Now(), time.Time{}, ask))
	if x := succeed(t, c.Do(t.Context(), time.Now(), time.Time{}, ask)); !x.Wire.Resent || nth.Load() != 3 {
		t.Errorf("sent again: %t, %d requests", x.Wire.Resent, nth.Load())
	}
}

// TestKeepsAgain goes back to kept connections when the server does.
func TestKeepsAgain(t *testing.T) {
	var kept atomic.Bool
	s := &closer{after: func(int) (bool, time.Duration) {
		if kept.Load() {
			return true, -1
		}
		return true, 0
	}}
	c := clientOf(t, listen(t, s), true)
	turn := func() event.Exchange {
		_, _ = c.Warm(t.Context())
		return succeed(t, c.Do(t.Context(), time.Now(), time.Now(), ask))
	}
	turn()
	time.Sleep(20 * time.Millisecond)
	if x := turn(); x.Wire.Reused || !x.Wire.Warmed {
		t.Errorf("after a connection that was closed: %+v", x.Wire)
	}
	kept.Store(true)
	turn()
	time.Sleep(400 * time.Millisecond)
	if x := turn(); !x.Wire.Reused {
		t.Errorf("after a connection that was kept: %+v", x.Wire)
	}
}

// TestInterruptedUnderResend sends nothing again once its time is up.
func TestInterruptedUnderResend(t *testing.T) {
	s := &closer{after: func(nth int) (bool, time.Duration) { return nth == 1, -1 }}
	c := clientOf(t, listen(t, s), true)
	succeed(t, c.Do(t.Context(), time.Now(), time.Time{}, ask))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	x := c.Do(ctx, time.Now(), time.Time{}, ask)
	if x.Err == nil || x.Err.Class != "timeout" || x.Wire.Resent || s.requests.Load() != 2 {
		t.Errorf("%d requests, sent again %t, %+v", s.requests.Load(), x.Wire.Resent, x.Err)
	}
}
