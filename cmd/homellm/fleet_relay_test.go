//go:build fleet && unix

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// frame is what NATS sends at a time: a line and, of messages, what comes after it.
type frame struct {
	line string // without its end
	body []byte // headers and payload
	head int    // bytes of headers
}

// readFrame reads a frame in either direction.
func readFrame(r *bufio.Reader) (f frame, err error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return f, err
	}
	f.line = strings.TrimRight(line, "\r\n")
	words := strings.Fields(f.line)
	if len(words) == 0 {
		return f, nil
	}
	sizes := 0
	switch strings.ToUpper(words[0]) {
	case "PUB", "MSG":
		sizes = 1
	case "HPUB", "HMSG":
		sizes = 2
	default:
		return f, nil
	}
	size, err := strconv.Atoi(words[len(words)-1])
	if err == nil && sizes == 2 {
		f.head, err = strconv.Atoi(words[len(words)-2])
	}
	if err != nil {
		return f, err
	}
	f.line = strings.Join(words[:len(words)-sizes], " ")
	f.body = make([]byte, size)
	if _, err := io.ReadFull(r, f.body); err != nil {
		return f, err
	}
	_, err = r.Discard(len("\r\n"))
	return f, err
}

// bytes is the frame as it is sent.
func (f frame) bytes() []byte {
	if f.body == nil {
		return []byte(f.line + "\r\n")
	}
	sizes := fmt.Sprint(len(f.body))
	if strings.HasPrefix(f.line, "H") {
		sizes = fmt.Sprint(f.head, " ", sizes)
	}
	return []byte(f.line + " " + sizes + "\r\n" + string(f.body) + "\r\n")
}

// relay stands between a process and the broker. It cuts them off from each other without ending a connection, as a
// network does, and sees what they say.
type relay struct {
	address string
	see     func(up bool, f *frame) bool // false: it gets lost; nil: everything is passed on

	mu   sync.Mutex
	open chan struct{} // closed while there is a network
}

// relayTo starts a relay to an address.
func relayTo(t *testing.T, to string, see func(up bool, f *frame) bool) *relay {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{address: l.Addr().String(), see: see, open: make(chan struct{})}
	close(r.open)
	var pumps sync.WaitGroup
	pumps.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			pumps.Go(func() { r.connect(t, c, to) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close() // nothing was written
		r.restore()
		pumps.Wait()
	})
	return r
}

func (r *relay) connect(t *testing.T, c net.Conn, to string) {
	defer c.Close()
	<-r.through()
	var d net.Dialer
	b, err := d.DialContext(t.Context(), "tcp", to)
	if err != nil {
		return // the broker is being started again
	}
	defer b.Close()
	end := sync.OnceFunc(func() {
		_ = c.Close() // the other pump ends too
		_ = b.Close()
	})
	var both sync.WaitGroup
	both.Go(func() { defer end(); r.pump(c, b, true) })
	both.Go(func() { defer end(); r.pump(b, c, false) })
	both.Wait()
}

// pump passes on what one side says until it ends.
func (r *relay) pump(from, to net.Conn, up bool) {
	in := bufio.NewReaderSize(from, 1<<16)
	for {
		f, err := readFrame(in)
		<-r.through()
		if err != nil {
			return
		}
		if r.see != nil && !r.see(up, &f) {
			continue
		}
		if _, err := to.Write(f.bytes()); err != nil {
			return
		}
	}
}

func (r *relay) through() chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.open
}

// cut loses the network.
func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open = make(chan struct{})
}

// restore brings it back. What was sent meanwhile arrives now.
func (r *relay) restore() {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-r.open:
	default:
		close(r.open)
	}
}

// says reports whether a frame is a message whose payload or headers contain a text.
func (f frame) says(text string) bool { return bytes.Contains(f.body, []byte(text)) }
