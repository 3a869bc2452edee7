//go:build linux

package transport

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"syscall"
	"testing"
	"time"
)

// However late a reader comes, the stamp lies within the write that sent the bytes.
func TestArrivals_StampTheWriteNotTheRead(t *testing.T) {
	near, far := tcpPair(t)
	a := newArrivals(near)
	if a == nil {
		t.Fatal("this kernel stamps no packets: Linux 5.1 and later do")
	}
	// Kernels take a moment to begin with stamps, and to leave off after the last who asked for them.
	const late = 20 * time.Millisecond
	buf := make([]byte, 16)
	for stamped, begun := 0, time.Now(); stamped < 5; {
		before := time.Now()
		deliver(t, far, "token")
		after := time.Now()
		time.Sleep(late)
		n, now, age, err := a.read(buf)
		switch at := now.Add(-age); {
		case n != 5 || err != nil:
			t.Fatalf("read %d bytes, %v", n, err)
		case age == Unset && time.Since(begun) > 10*time.Second:
			t.Fatal("reads come without stamps")
		case age == Unset:
			continue
		case at.Before(before.Add(-slew)) || at.After(after.Add(slew)):
			t.Errorf("stamped %v after the write began and %v after it ended; want within it", at.Sub(before), at.Sub(after))
		}
		stamped++
	}
}

// Once a transport was made, stamps come with the first packet of every connection.
func TestArrivals_FromTheFirstPacket(t *testing.T) {
	New(&url.URL{Scheme: "http", Host: "127.0.0.1:1"}, Config{Start: time.Now()})
	if !keepStamps() {
		t.Fatal("this kernel stamps no packets: Linux 5.1 and later do")
	}
	for range 20 {
		near, far := tcpPair(t)
		a := newArrivals(near)
		deliver(t, far, "token")
		if _, _, age, err := a.read(make([]byte, 16)); age == Unset || err != nil {
			t.Fatalf("the first packet of a connection has no stamp, %v", err)
		}
		near.Close()
		far.Close()
	}
}

// slew is what the wall clock, which stamps, and the monotonic one, which the test reads, may drift
// apart by between a write and its read.
const slew = 50 * time.Microsecond

// A connection's stamps are the kernel's, and never run backwards.
func TestConn_KeepsTheKernelsStamp(t *testing.T) {
	near, far := tcpPair(t)
	c := newConn(near, time.Now(), nil)
	receive := func() {
		t.Helper()
		if n, err := c.Read(make([]byte, 1)); n != 1 || err != nil {
			t.Fatalf("read %d bytes, %v", n, err)
		}
	}
	if got := c.acquire().By(); got != "" {
		t.Errorf("stamped by %q before any read", got)
	}
	s := c.acquire()
	for begun := time.Now(); s.By() != "kernel"; { // see above
		if time.Since(begun) > 10*time.Second {
			t.Fatal("no read is stamped by the kernel")
		}
		s = c.acquire()
		deliver(t, far, "ab")
		written := time.Since(c.base)
		time.Sleep(20 * time.Millisecond)
		receive()
		first := time.Duration(s.read.Load())
		receive()
		second := time.Duration(s.read.Load())
		if s.By() == "kernel" && first > written+slew {
			t.Errorf("read %v after it was written is stamped so late too", first-written)
		}
		if second < first {
			t.Errorf("the stamp went back by %v", first-second)
		}
	}
	c.arrivals = nil // as where the kernel has no stamps
	deliver(t, far, "c")
	receive()
	if got := s.By(); got != "reader" {
		t.Errorf("one read without a stamp, and stamped by %q", got)
	}
}

// What goes wrong is reported as net does it: the transport and the error classes know those errors.
func TestArrivals_FailLikeReads(t *testing.T) {
	for name, fault := range map[string]func(near, far *net.TCPConn) error{
		"end":      func(_, far *net.TCPConn) error { return far.CloseWrite() },
		"reset":    func(_, far *net.TCPConn) error { return errors.Join(far.SetLinger(0), far.Close()) },
		"deadline": func(near, _ *net.TCPConn) error { return near.SetReadDeadline(time.Unix(1, 0)) },
		"closed":   func(near, _ *net.TCPConn) error { return near.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			var texts [2]string
			for i, stamped := range []bool{false, true} {
				near, far := tcpPair(t)
				a := newArrivals(near)
				if err := fault(near, far); err != nil {
					t.Fatal(err)
				}
				var n int
				var err error
				if stamped {
					n, _, _, err = a.read(make([]byte, 8))
				} else {
					n, err = near.Read(make([]byte, 8))
				}
				var op *net.OpError
				switch {
				case n != 0 || err == nil:
					t.Fatalf("read %d bytes, %v", n, err)
				case errors.As(err, &op):
					if op.Source.String() != near.LocalAddr().String() || op.Addr.String() != near.RemoteAddr().String() {
						t.Errorf("error of %v -> %v", op.Source, op.Addr)
					}
					op.Source, op.Addr = nil, nil // ports differ
					texts[i] = op.Error()
				default:
					texts[i] = err.Error()
				}
				for _, is := range []error{io.EOF, syscall.ECONNRESET, os.ErrDeadlineExceeded, net.ErrClosed} {
					if errors.Is(err, is) {
						texts[i] += ": " + is.Error()
					}
				}
			}
			if texts[0] != texts[1] {
				t.Errorf("stamped reads fail with %q, plain ones with %q", texts[1], texts[0])
			}
		})
	}
}

// A read that wakes up for nothing, or gets an empty buffer, does not count.
func TestArrivals_EmptyBuffer(t *testing.T) {
	near, _ := tcpPair(t)
	if n, _, age, err := newArrivals(near).read(nil); n != 0 || age != Unset || err != nil {
		t.Errorf("read %d bytes, age %v, %v", n, age, err)
	}
}

// Reading costs no memory: it happens with every token.
func TestArrivals_AllocateNothing(t *testing.T) {
	near, far := tcpPair(t)
	a := newArrivals(near)
	text, buf := []byte("token"), make([]byte, 16)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := far.Write(text); err != nil {
			t.Fatal(err)
		}
		if _, _, _, err := a.read(buf); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations in each read", n)
	}
}

// A reader that comes late finds two tokens in one read, with the stamp of the second. When the first came is known all
// the same, because while there was no read the kernel was asked whether data was there.
func TestAsker_BracketsTheFirstOfARead(t *testing.T) {
	const apart = 100 * time.Millisecond
	for range 20 { // a machine may be so busy that nothing asks in time
		near, far := tcpPair(t)
		c := newConn(near, time.Now(), nil)
		s := c.acquire()
		poller := startPoller(c)
		time.Sleep(apart)
		deliver(t, far, "a")
		first := int64(time.Since(c.base))
		time.Sleep(apart)
		deliver(t, far, "b")
		time.Sleep(apart)
		if n, err := c.Read(make([]byte, 8)); n != 2 || err != nil {
			t.Fatalf("read %d bytes, %v", n, err)
		}
		poller.stop()
		if s.Before() > first {
			t.Fatalf("nothing was there after %v, where the first token came by %v", time.Duration(s.Before()), time.Duration(first))
		}
		if s.Before() != Unset && first-s.Before() < int64(apart/2) {
			return
		}
	}
	t.Error("nothing tells when the first token came")
}

// Only a request that is measured is polled for. The others are never released, and would be polled for ever.
func TestPoller_OfMeasuredRequests(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	base, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	measured := New(base, Config{Start: time.Now()})
	defer measured.CloseIdle()
	beside := Keep(new(http.Transport)).(*kept)
	defer beside.CloseIdleConnections()
	for _, tt := range []struct {
		http   *http.Transport
		polled bool
	}{{measured.http, true}, {beside.http, false}} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		var s Sending
		resp, err := send(tt.http, req, &s)
		if err != nil {
			t.Fatal(err)
		}
		if polled := s.poller != nil; polled != tt.polled {
			t.Errorf("polled: %v, want %v", polled, tt.polled)
		}
		resp.Body.Close()
		s.Release(true)
	}
}

// A reader that takes bytes between the question whether any are there and its answer must not make the answer count:
// what it took came before.
func TestAsker_AsksInOrder(t *testing.T) {
	near, far := tcpPair(t)
	c := newConn(near, time.Now(), nil)
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				c.arrivals.check()
			}
		}
	}()
	for range 2000 {
		deliver(t, far, "a")
		there := time.Now()
		if n, err := c.Read(make([]byte, 8)); n != 1 || err != nil {
			t.Fatalf("read %d bytes, %v", n, err)
		}
		if late := c.arrivals.before.Sub(there); late > 0 {
			t.Fatalf("it is said to have been empty %v after a byte was there", late)
		}
	}
	close(stop)
	<-done
}
