package goldentest

import (
	"io"
	"net"
	"testing"
	"time"
)

// A truth that comes from the kernel lies within the write, however long the program took before it
// and after it, and so does the arrival of a request.
func TestKernelConn_StampsTheWrite(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		t.Run(address, func(t *testing.T) {
			l, err := net.Listen("tcp", address)
			if err != nil && address[0] == '[' {
				t.Skip("this machine has no IPv6:", err)
			}
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			far, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer far.Close()
			conn, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			w, ok := stampable(conn).(*kernelConn)
			if !ok {
				t.Fatal("this kernel stamps no packets: Linux 5.1 and later do")
			}
			if _, err := w.Write([]byte("HTTP/1.1 200 OK")); err != nil {
				t.Fatal(err)
			}
			const slew = 50 * time.Microsecond // of the wall clock, which stamps, against the monotonic one
			within := func(what string, at, begin, end time.Time) {
				t.Helper()
				if at.Before(begin.Add(-slew)) || at.After(end.Add(slew)) {
					t.Errorf("%s is stamped %v after its write began and %v after it ended", what, at.Sub(begin), at.Sub(end))
				}
			}
			for range 5 {
				begin := time.Now()
				at, exact, err := w.send([]byte("a token"))
				end := time.Now()
				if err != nil {
					t.Fatal(err)
				}
				if !exact {
					t.Error("the kernel did not stamp a write")
				}
				within("a token", at, begin, end)
			}
			// Kernels take a moment to begin with stamps of what arrives.
			for began := time.Now(); ; {
				begin := time.Now()
				if _, err := far.Write([]byte("x")); err != nil {
					t.Fatal(err)
				}
				end := time.Now()
				time.Sleep(20 * time.Millisecond)
				if _, err := io.ReadFull(w, make([]byte, 1)); err != nil {
					t.Fatal(err)
				}
				if w.came().Sub(end) > 10*time.Millisecond && time.Since(began) < 5*time.Second {
					continue
				}
				within("a request", w.came(), begin, end)
				break
			}
		})
	}
}
