package sim

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A client that reads nothing of its stream is not kept for ever.
func TestUnreadStreamEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := New(Config{})
		if err != nil {
			t.Fatal(err)
		}
		dial, shut := Pipe(s)
		conn, err := dial(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		body := `{"messages":[{"role":"user","content":"Hi"}],"max_tokens":1000,"ignore_eos":true,"stream":true}`
		fmt.Fprintf(conn, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		time.Sleep(patience + time.Minute) // and reads nothing
		synctest.Wait()
		if held := s.held.Load(); held != 0 {
			t.Errorf("%d bytes are still held", held)
		}
		if list := s.Ledger(); len(list) != 1 || list[0].Finish != "abort" {
			t.Errorf("the ledger says %+v", list)
		}
		conn.Close()
		shut()
		s.Close()
	})
}

// A request that does not arrive ends as well.
func TestUnsentRequestEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := New(Config{})
		if err != nil {
			t.Fatal(err)
		}
		dial, shut := Pipe(s)
		conn, err := dial(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
		began := time.Now()
		answer, _ := io.ReadAll(conn)
		if took := time.Since(began); took > 2*mostReads || !strings.Contains(string(answer), "reading the request") {
			t.Errorf("after %v: %q", took, answer)
		}
		shut()
		s.Close()
	})
}

// Thirty unread streams would hold twice the bound. They do not exceed it, and the simulator continues.
func TestUnreadStreamsAreBounded(t *testing.T) {
	const streams, bound = 30, 48 << 20
	s, err := New(Config{GPU: "H200 SXM", Speed: 1000})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.mostHeld = bound
	server := httptest.NewServer(s)
	defer server.Close()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	body := `{"messages":[{"role":"user","content":"Hi"}],"max_tokens":32000,"ignore_eos":true,"stream":true}`
	var open []net.Conn
	for range streams {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		open = append(open, conn)
	}
	for range 50 {
		if s.count.Load() == streams {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	time.Sleep(2 * time.Second)
	runtime.GC()
	runtime.ReadMemStats(&after)
	t.Logf("%d MB more, held %d MB", (int64(after.HeapAlloc)-int64(before.HeapAlloc))>>20, s.held.Load()>>20)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > bound*5/4 {
		t.Errorf("the heap grew by %d MB", grown>>20)
	}
	for _, c := range open {
		c.Close()
	}
	answer, err := http.Get(server.URL + "/health")
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Errorf("%v %v", answer, err)
	}
}

// A request that does not fit beside the others is refused; a single one is always accepted.
func TestBusy(t *testing.T) {
	virtual(t, Config{}, func(b *bench) {
		b.s.held.Store(mostHeld)
		answer, err := b.client.Post("http://sim/v1/chat/completions", "application/json",
			strings.NewReader(`{"messages":[{"role":"user","content":"Hi"}]}`))
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("status %d", answer.StatusCode)
		}
		if b.s.held.Load() != mostHeld {
			t.Errorf("%d", b.s.held.Load())
		}
		b.s.held.Store(0)
	})
	h := holding{all: &(&Server{}).held, most: 10}
	if !h.take(100) || !h.take(1) {
		t.Error("what is alone is refused")
	}
}
