package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"homellm/engine/client"
	"homellm/engine/client/goldentest"
	"homellm/engine/event"
)

var pace = goldentest.Pace{First: 100 * time.Millisecond, Gap: 10 * time.Millisecond, Tokens: 20}

// piped returns a client of a golden server in memory.
func piped(t *testing.T, golden *goldentest.Server, shape string, cfg client.Config) *client.Client {
	t.Helper()
	cfg.BaseURL = "http://golden/" + shape + "/id/v1"
	cfg.Stream = true
	if cfg.Dial == nil {
		cfg.Dial = func(context.Context, string, string) (net.Conn, error) { return golden.Pipe(), nil }
	}
	c, err := client.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var ask = client.Prompt{Messages: []client.Message{{Role: "user", Content: "Hi"}}}

func succeed(t *testing.T, x event.Exchange) event.Exchange {
	t.Helper()
	if x.Err != nil {
		t.Fatalf("%s: %s", x.Err.Class, x.Err.Message)
	}
	return x
}

// way is how a request got its connection: how long that took to make (negative: it was not made), and how long
// after it was due the request was sent.
type way struct {
	reused, warmed bool
	connect, late  time.Duration
}

func wayOf(x event.Exchange) way {
	w := way{x.Wire.Reused, x.Wire.Warmed, -1, *x.Sent - x.Due}
	if x.Connect != nil {
		w.connect = *x.Connect
	}
	return w
}

// TestReconnect lets the server close the connection between two requests: the next one must find a new
// connection made before it was due, and pay nothing for it.
func TestReconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		golden := goldentest.New(pace)
		const handshake = 30 * time.Millisecond
		c := piped(t, golden, "plain", client.Config{Dial: func(context.Context, string, string) (net.Conn, error) {
			time.Sleep(handshake)
			return golden.Pipe(), nil
		}})
		defer c.CloseIdle()
		epoch := time.Now()
		turn := func(name string, due time.Time, want way) {
			t.Helper()
			x := succeed(t, c.Do(t.Context(), epoch, due, ask))
			if got := wayOf(x); got != want {
				t.Errorf("%s: %+v, want %+v", name, got, want)
			}
			if got := x.Chunks[0].At - *x.Sent; got != pace.First {
				t.Errorf("%s: time to first token %v has the connection in it, want %v", name, got, pace.First)
			}
		}
		turn("first", time.Time{}, way{connect: handshake, late: handshake})
		turn("on the kept connection", time.Now().Add(time.Second), way{reused: true, connect: -1})
		time.AfterFunc(5*time.Second, golden.CloseIdle) // as uvicorn does
		turn("on one made ahead", time.Now().Add(8*time.Second), way{warmed: true, connect: handshake})
		// Closed, and no connection made ahead: still a good turn, with its cost on record.
		golden.CloseIdle()
		synctest.Wait()
		turn("at once", time.Time{}, way{connect: handshake, late: handshake})
		if open, total := golden.Conns(); open != 1 || total != 3 {
			t.Errorf("%d connections open of %d, want 1 of 3", open, total)
		}
	})
}

// TestWarm makes a connection ahead, loses it, and makes another.
func TestWarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		golden := goldentest.New(pace)
		c := piped(t, golden, "plain", client.Config{})
		warm := func(want bool) {
			t.Helper()
			took, err := c.Warm(t.Context())
			if err != nil || (took != nil) != want {
				t.Errorf("warm: %v, %v; want a new connection: %t", took, err, want)
			}
		}
		warm(true)
		warm(false) // there is one
		golden.CloseIdle()
		synctest.Wait()
		warm(true) // it was lost
		if x := succeed(t, c.Do(t.Context(), time.Now(), time.Time{}, ask)); !x.Wire.Warmed {
			t.Error("the request did not use the connection made ahead")
		}
		warm(false) // the one that is idle now will do
		c.CloseIdle()
		synctest.Wait()
		warm(true)
		c.CloseIdle()
		synctest.Wait()
		if open, total := golden.Conns(); open != 0 || total != 3 {
			t.Errorf("%d connections open of %d, want 0 of 3", open, total)
		}
	})
}

// TestInterrupted ends the context of a request: by its deadline, and by cancelling it, at every
// stage of a reply.
func TestInterrupted(t *testing.T) {
	for _, shape := range []string{"hang-headers", "hang-first", "hang-middle", "plain"} {
		for class, end := range map[string]func(context.Context) (context.Context, context.CancelFunc){
			"timeout": func(ctx context.Context) (context.Context, context.CancelFunc) {
				return context.WithTimeout(ctx, 150*time.Millisecond)
			},
			"cancelled": func(ctx context.Context) (context.Context, context.CancelFunc) {
				ctx, cancel := context.WithCancel(ctx)
				time.AfterFunc(150*time.Millisecond, cancel)
				return ctx, cancel
			},
		} {
			t.Run(shape+"/"+class, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					golden := goldentest.New(pace)
					c := piped(t, golden, shape, client.Config{FirstToken: time.Minute, Idle: time.Minute})
					ctx, cancel := end(t.Context())
					defer cancel()
					x := c.Do(ctx, time.Now(), time.Time{}, ask)
					if x.Err == nil || x.Err.Class != class || x.Done != 150*time.Millisecond {
						t.Errorf("after %v: %+v", x.Done, x.Err)
					}
					// A request that is not due yet is not sent any more.
					late := c.Do(ctx, time.Now(), time.Now().Add(time.Hour), ask)
					if late.Err == nil || late.Err.Class != class || late.Sent != nil {
						t.Errorf("late: sent %v, %+v", late.Sent, late.Err)
					}
					c.CloseIdle()
					time.Sleep(time.Second) // the server notices when it writes
					if open, _ := golden.Conns(); open != 0 {
						t.Errorf("%d connections left open", open)
					}
				})
			})
		}
	}
}

// TestUnconnected names the reason why no connection could be made, within its time-out.
func TestUnconnected(t *testing.T) {
	for _, tt := range []struct {
		name string
		dial func(context.Context, string, string) (net.Conn, error)
		says string
	}{
		{"refused", func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
		}, "nothing listens there"},
		{"silent", func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}, "within 2s"},
		{"unknown", func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.DNSError{Err: "no such host", Name: "golden", IsNotFound: true}
		}, "the host name is not known"},
		{"else", func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("odd") }, "check the URL"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := piped(t, nil, "plain", client.Config{Dial: tt.dial, Connect: 2 * time.Second})
				x := c.Do(t.Context(), time.Now(), time.Time{}, ask)
				if x.Err == nil || x.Err.Class != "connect" || !strings.Contains(x.Err.Message, tt.says) {
					t.Errorf("%+v", x.Err)
				}
				if x.Sent != nil || x.Done > 2*time.Second {
					t.Errorf("sent %v, done %v", x.Sent, x.Done)
				}
			})
		})
	}
}

// TestLocalhost settles on the address family that answers, once.
func TestLocalhost(t *testing.T) {
	for listens, want := range map[string]string{
		"127.0.0.1:8000": "127.0.0.1:8000",
		"[::1]:8000":     "127.0.0.1:8000 [::1]:8000",
	} {
		t.Run(listens, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				golden := goldentest.New(pace)
				var mu sync.Mutex
				var tried []string
				c, err := client.New(client.Config{BaseURL: "http://localhost:8000/close-delimited/id/v1", Stream: true,
					Dial: func(_ context.Context, _, addr string) (net.Conn, error) {
						mu.Lock()
						defer mu.Unlock()
						tried = append(tried, addr)
						if addr != listens {
							return nil, syscall.ECONNREFUSED
						}
						return golden.Pipe(), nil
					}})
				if err != nil {
					t.Fatal(err)
				}
				succeed(t, c.Do(t.Context(), time.Now(), time.Time{}, ask))
				succeed(t, c.Do(t.Context(), time.Now(), time.Time{}, ask))
				if got := strings.Join(tried, " "); got != want+" "+listens {
					t.Errorf("tried %s, want %s and then only %s", got, want, listens)
				}
				c.CloseIdle()
			})
		})
	}
}

// TestKeyWithheld lets a server redirect, and repeat the key that it refuses.
func TestKeyWithheld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		golden := goldentest.New(pace)
		var addresses []string
		dial := func(_ context.Context, _, addr string) (net.Conn, error) {
			addresses = append(addresses, addr)
			return golden.Pipe(), nil
		}
		c := piped(t, golden, "redirect", client.Config{APIKey: "sk-1234", Dial: dial})
		x := c.Do(t.Context(), time.Now(), time.Time{}, ask)
		if x.Err == nil || x.Err.Class != "redirect" || !strings.Contains(x.Err.Message, "https://elsewhere.example/v1") {
			t.Errorf("%+v", x.Err)
		}
		if len(addresses) != 1 || addresses[0] != "golden:80" {
			t.Errorf("connected to %v", addresses)
		}
		c.CloseIdle()

		c = piped(t, golden, "unauthorized-echo", client.Config{APIKey: "sk-1234"})
		x = c.Do(t.Context(), time.Now(), time.Time{}, ask)
		if x.Err == nil || strings.Contains(x.Err.Message+x.Err.Body, "sk-1234") ||
			!strings.Contains(x.Err.Message, "[key]") {
			t.Errorf("%+v", x.Err)
		}
		c.CloseIdle()
	})
}

// TestRaw keeps the bytes of a reply with the instants at which they came.
func TestRaw(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		golden := goldentest.New(pace)
		var kept client.Raw
		var of string
		var body []byte
		c := piped(t, golden, "plain", client.Config{Raw: func(x *event.Exchange, r client.Raw) {
			kept, body, of = r, bytes.Join(r.Body, nil), x.Text
		}})
		x := succeed(t, c.Do(t.Context(), time.Now(), time.Time{}, ask))
		c.CloseIdle()
		sum := 0
		for _, r := range kept.Reads {
			sum += r.Bytes
		}
		if sum != len(body) || int64(sum) != x.Wire.Bytes || of != x.Text || kept.Header.Get("Content-Type") == "" {
			t.Errorf("%d bytes in reads, %d kept, %d on record", sum, len(body), x.Wire.Bytes)
		}
		if kept.Reads[0].At != pace.First || !bytes.HasPrefix(body, []byte("data: {")) ||
			!bytes.HasSuffix(body, []byte("data: [DONE]\n\n")) {
			t.Errorf("first read at %v of %.20q", kept.Reads[0].At, body)
		}
	})
}

// TestConcurrent runs many requests at once over one client.
func TestConcurrent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		golden := goldentest.New(pace)
		c := piped(t, golden, "plain", client.Config{})
		var wg sync.WaitGroup
		for range 32 {
			wg.Go(func() {
				for range 3 {
					x := c.Do(t.Context(), time.Now(), time.Time{}, ask)
					if x.Err != nil || len(x.Chunks) != pace.Tokens || x.Chunks[0].At-*x.Sent != pace.First {
						t.Errorf("%d chunks, %+v", len(x.Chunks), x.Err)
					}
				}
			})
		}
		wg.Wait()
		c.CloseIdle()
		synctest.Wait()
		if open, total := golden.Conns(); open != 0 || total != 32 {
			t.Errorf("%d connections open of %d, want 0 of 32", open, total)
		}
	})
}

// TestForensics compares the description of the framing with what was sent.
func TestForensics(t *testing.T) {
	for shape, want := range map[string]event.Wire{
		"plain":            {CoalescedMax: 1},
		"coalesced":        {CoalescedMax: pace.Tokens},
		"keep-alive":       {CoalescedMax: 1, Comments: 400},
		"comments-between": {CoalescedMax: 1, Comments: -1},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := piped(t, goldentest.New(pace), shape, client.Config{})
			defer c.CloseIdle()
			x := succeed(t, c.Do(t.Context(), time.Now(), time.Time{}, ask))
			if want.Comments < 0 {
				want.Comments = x.Wire.Events // one before each, [DONE] aside
			}
			if x.Wire.CoalescedMax != want.CoalescedMax || x.Wire.Comments < want.Comments || want.Comments == 0 &&
				x.Wire.Comments > 0 || x.Wire.Reads < 2 {
				t.Errorf("%s: %+v; want %+v", shape, x.Wire, want)
			}
		})
	}
}

// TestMislabelled measures a stream that calls itself JSON, and reads JSON as such.
func TestMislabelled(t *testing.T) {
	body := "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\ndata: " +
		"{\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n"
	whole := `{"choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}]}`
	for _, tc := range []struct{ body, framing string }{{body, "sse"}, {": ping\n\n" + body, "sse"}, {whole, "json"},
		{"\n " + whole, "json"}} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			fmt.Fprint(w, tc.body)
		}))
		c, err := client.New(client.Config{BaseURL: s.URL, Stream: tc.framing == "sse"})
		if err != nil {
			t.Fatal(err)
		}
		if x := c.Do(t.Context(), time.Now(), time.Time{}, ask); x.Err != nil || x.Text != "Hi" ||
			x.Wire.Framing != tc.framing || !strings.HasPrefix(x.Wire.ContentType, "application/json") {
			t.Errorf("%.20q: %q as %s (%s), %v", tc.body, x.Text, x.Wire.Framing, x.Wire.ContentType, x.Err)
		}
		c.CloseIdle()
		s.Close()
	}
}

// TestRefusedForNow keeps after how long a server may be asked again.
func TestRefusedForNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := piped(t, goldentest.New(pace), "rate-limit", client.Config{})
		defer c.CloseIdle()
		if x := c.Do(t.Context(), time.Now(), time.Time{}, ask); x.Err == nil || x.Err.Class != "overloaded" ||
			x.Err.RetryAfter != 7*time.Second {
			t.Errorf("%+v", x.Err)
		}
	})
}
