package server

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"homellm/engine/engines"
)

// TestClosesAfterReply asks a server that closes each connection 0 to 5 ms after its reply, though it does not say
// so: no request of a side channel may be lost to that.
func TestClosesAfterReply(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	const stalled = 20 * time.Millisecond // of a machine that is busy: the server then closes too late for a second try
	var conns, stalls atomic.Int64
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			late := time.Duration(conns.Add(1)%11) * 500 * time.Microsecond
			go func() {
				defer nc.Close()
				r, err := http.ReadRequest(bufio.NewReader(nc))
				if err != nil {
					return
				}
				if _, err := io.Copy(io.Discard, r.Body); err != nil {
					return
				}
				if _, err := io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"); err != nil {
					return
				}
				replied := time.Now()
				time.Sleep(late)
				if time.Since(replied) > late+stalled {
					stalls.Add(1)
				}
			}()
		}
	}()
	client := NewHTTPClient("a key of some length")
	defer client.CloseIdleConnections()
	e := endpoint{base: "http://" + l.Addr().String(), client: client}
	const requests = 200
	lost := 0
	for i := range requests {
		var r engines.Response
		before := stalls.Load()
		switch i % 2 {
		case 0:
			r = e.Call(t.Context(), http.MethodPost, "/tokenize", map[string]any{"content": "Hello"}, 5*time.Second)
		case 1:
			r = e.Call(t.Context(), http.MethodGet, "/metrics", nil, 5*time.Second)
		}
		switch {
		case r.Err != nil && stalls.Load() > before:
			t.Logf("request %d: this machine stalled, and the server closed too late", i)
			lost++
		case r.Err != nil || r.Status != http.StatusOK:
			t.Fatalf("request %d is lost: %d, %v", i, r.Status, r.Err)
		}
	}
	if int(conns.Load()) < requests-lost {
		t.Errorf("%d connections for %d requests: the server kept some", conns.Load(), requests)
	}
}
