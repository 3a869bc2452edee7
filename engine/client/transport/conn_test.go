package transport

import (
	"errors"
	"net"
	"net/url"
	"runtime"
	"testing"
	"time"
)

// tcpPair is a connection over loopback, both ends.
func tcpPair(t *testing.T) (near, far *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	b, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return a.(*net.TCPConn), b.(*net.TCPConn)
}

func deliver(t *testing.T, to net.Conn, text string) {
	t.Helper()
	if _, err := to.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

// poolOf is a pool of a server to which it connects nowhere.
func poolOf(t *testing.T) *pool {
	t.Helper()
	base, err := url.Parse("http://127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	return newPool(base, Config{Start: time.Now()})
}

// A connection is looked at before a request is written to it, even where nothing has read its end yet.
func TestConn_LooksBeforeItWrites(t *testing.T) {
	for name, tt := range map[string]struct {
		far    func(far *net.TCPConn) error // what the server does after the first exchange
		secure bool
		unused bool
		ended  bool
		linux  bool // only Linux sees it
	}{
		"kept":        {far: func(*net.TCPConn) error { return nil }},
		"closed":      {far: func(far *net.TCPConn) error { return far.Close() }, ended: true},
		"half closed": {far: func(far *net.TCPConn) error { return far.CloseWrite() }, ended: true},
		"reset": {far: func(far *net.TCPConn) error {
			return errors.Join(far.SetLinger(0),
				far.Close())
		}, ended: true},
		"says what was not asked": {far: say, ended: true},
		"kept, TLS":               {far: func(*net.TCPConn) error { return nil }, secure: true},
		"closed, TLS": {far: func(far *net.TCPConn) error { return far.Close() }, secure: true, ended: true,
			linux: true},
		"closed after a record, TLS": {far: func(far *net.TCPConn) error { return errors.Join(say(far), far.Close()) },
			secure: true, ended: true, linux: true},
		"a record, TLS":               {far: say, secure: true},
		"closed before its first use": {far: func(far *net.TCPConn) error { return far.Close() }, unused: true},
	} {
		t.Run(name, func(t *testing.T) {
			if tt.linux && runtime.GOOS != "linux" {
				t.Skip("this system does not tell a hang-up from something to read")
			}
			near, far := tcpPair(t)
			c := newConn(near, time.Now(), nil)
			c.secure.Store(tt.secure)
			if !tt.unused {
				c.acquire()
				if _, err := c.Write([]byte("first")); err != nil {
					t.Fatal(err)
				}
				if _, err := far.Read(make([]byte, 5)); err != nil {
					t.Fatal(err)
				}
			}
			if err := tt.far(far); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Millisecond) // on its way through the loopback
			s := c.acquire()
			n, err := c.Write([]byte("second"))
			if ended := errors.Is(err, errEnded); ended != tt.ended || ended != (n == 0) {
				t.Errorf("wrote %d bytes, %v", n, err)
			}
			if wrote := s.wrote.Load() != Unset; wrote == tt.ended {
				t.Errorf("a request was written: %t", wrote)
			}
		})
	}
}

func say(far *net.TCPConn) error {
	_, err := far.Write([]byte("HTTP/1.1 408 Request Timeout\r\n\r\n"))
	return err
}

// A server that ends a connection right after a reply does so because of it; one that ends it later has
// grown tired of waiting.
func TestPool_LearnsThatAServerCloses(t *testing.T) {
	for name, tt := range map[string]struct {
		idle   time.Duration
		unused bool
		closes bool
	}{
		"at once":           {closes: true},
		"while it was idle": {idle: afterReplyWithin + 50*time.Millisecond},
		"before any use":    {unused: true},
	} {
		t.Run(name, func(t *testing.T) {
			near, far := tcpPair(t)
			p := poolOf(t)
			c := newConn(near, p.base, p)
			p.open[c] = struct{}{}
			if !tt.unused {
				c.acquire()
			}
			deliver(t, far, "reply")
			if _, err := c.Read(make([]byte, 5)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(tt.idle)
			far.Close()
			if _, err := c.Read(make([]byte, 5)); err == nil {
				t.Fatal("it goes on")
			}
			if got := p.wantsNew(); got != tt.closes {
				t.Errorf("new connections are wanted: %t", got)
			}
		})
	}
}

// A request that wants a new connection writes nothing to one that carried another.
func TestConn_Refuses(t *testing.T) {
	near, _ := tcpPair(t)
	c := newConn(near, time.Now(), nil)
	c.acquire()
	c.refuse.Store(true)
	if n, err := c.Write([]byte("x")); n != 0 || !errors.Is(err, errNotNew) {
		t.Errorf("wrote %d bytes, %v", n, err)
	}
}
