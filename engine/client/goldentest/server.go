// Package goldentest is an LLM server whose timing is known: it records when it really wrote each token, so that a
// client's measurements can be compared with the truth.
//
// It writes HTTP by hand, because what breaks clients is below what an HTTP library exposes: a token split between
// two segments, a connection reset in the middle of a chunk, headers that arrive with the first token. It shares no
// code with the client, because two ends with the same mistake would agree.
//
// A request names the shape of its reply in its path: /SHAPE/ID/v1/chat/completions. ID is any text; [Server.Truth]
// returns what was played for it.
package goldentest

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"homellm/engine/crash"
)

// Shapes lists every shape, in the order of reports.
func Shapes() []Shape {
	return slices.Concat(streams(), bundles(), framings(), typedShapes(), failures())
}

// Server plays shapes. Create it with New.
type Server struct {
	pace   Pace
	shapes map[string]Shape

	mu     sync.Mutex
	truths map[string][]*entry // by id, in the order of requests
	conns  map[net.Conn]struct{}
	total  int
}

type entry struct {
	truth Truth
	done  chan struct{}
}

// New returns a server that plays every shape at one pace.
func New(pace Pace) *Server {
	s := &Server{pace: pace, shapes: map[string]Shape{}, truths: map[string][]*entry{}, conns: map[net.Conn]struct{}{}}
	for _, shape := range append(Shapes(), flood) {
		s.shapes[shape.Name] = shape
	}
	return s
}

// Serve accepts connections until the listener is closed.
func (s *Server) Serve(l net.Listener) error {
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("accepting a connection: %w", err)
		}
		conn = stampable(conn)
		s.enter(conn)
		crash.Go(func() { s.serve(conn) })
	}
}

// Pipe returns the client's end of a connection in memory.
func (s *Server) Pipe() net.Conn {
	ours, theirs := net.Pipe()
	s.enter(ours)
	crash.Go(func() { s.serve(ours) })
	return theirs
}

// Conns returns how many connections are open, and how many there have been.
func (s *Server) Conns() (open, total int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns), s.total
}

// CloseIdle closes every connection, as servers do with idle ones.
func (s *Server) CloseIdle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.Close()
	}
}

// Truth waits for the end of the last reply for id and returns its truth; false if there was none.
func (s *Server) Truth(id string) (Truth, bool) {
	all := s.truthsOf(id)
	if len(all) == 0 {
		return Truth{}, false
	}
	return all[len(all)-1], true
}

// truthsOf waits for the end of all replies for id and returns their truths in order.
func (s *Server) truthsOf(id string) []Truth {
	s.mu.Lock()
	entries := slices.Clone(s.truths[id])
	s.mu.Unlock()
	var all []Truth
	for _, e := range entries {
		<-e.done
		all = append(all, e.truth)
	}
	return all
}

// enter registers a connection.
func (s *Server) enter(conn net.Conn) {
	s.mu.Lock()
	s.conns[conn] = struct{}{}
	s.total++
	s.mu.Unlock()
}

// serve answers the requests of one connection and closes it.
func (s *Server) serve(conn net.Conn) {
	defer func() {
		conn.Close()
		s.mu.Lock()
		delete(s.conns, conn)
		s.mu.Unlock()
	}()
	in := bufio.NewReaderSize(conn, 64<<10)
	for {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		if _, err := io.Copy(io.Discard, r.Body); err != nil || !s.play(conn, in, r) {
			return
		}
	}
}

// play answers one request and reports whether the connection can take another.
func (s *Server) play(conn net.Conn, in *bufio.Reader, r *http.Request) bool {
	parts := strings.SplitN(strings.TrimPrefix(r.URL.Path, "/"), "/", 3)
	if len(parts) < 2 {
		return false
	}
	name, id := parts[0], parts[1]
	if name == "truth" {
		return s.tell(conn, id)
	}
	shape, ok := s.shapes[name]
	if !ok {
		fmt.Fprintf(conn, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
		return true
	}
	e := &entry{done: make(chan struct{})}
	s.mu.Lock()
	s.truths[id] = append(s.truths[id], e)
	s.mu.Unlock()
	defer close(e.done)
	st := newStage(conn, in, s.pace, apiOf(r.URL.Path), shape.Want)
	st.request = r
	shape.play(st)
	st.truth.Ended = time.Now()
	e.truth = st.truth
	return st.reusable
}

// tell answers with the truths of earlier requests, for a client in another process. The two clocks cannot be
// compared, so instants count from the arrival of the request.
func (s *Server) tell(conn net.Conn, id string) bool {
	offsets := [][]time.Duration{}
	for _, t := range s.truthsOf(id) {
		offsets = append(offsets, t.offsets())
	}
	b, err := json.Marshal(offsets)
	if err != nil {
		return false
	}
	fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(b), b)
	return true
}

// offsets returns when each token was written, counted from the arrival of the request.
func (t Truth) offsets() []time.Duration {
	var d []time.Duration
	for _, k := range t.Tokens {
		d = append(d, k.At.Sub(t.Received))
	}
	return d
}

// TTFT is the time to the first token on any channel; false if there was no token.
func (t Truth) TTFT() (time.Duration, bool) {
	if len(t.Tokens) == 0 {
		return 0, false
	}
	return t.Tokens[0].At.Sub(t.Received), true
}

// TPOT is the time per token after the first event, from the tokens that were made when each event left, not from the
// counts on the wire; false if nothing came after the first event.
func (t Truth) TPOT() (time.Duration, bool) {
	if t.Each > 0 {
		return t.Each, true
	}
	if len(t.Tokens) < 2 {
		return 0, false
	}
	window, tokens := t.Tokens[len(t.Tokens)-1].At.Sub(t.Tokens[0].At), 0
	for _, k := range t.Tokens[1:] {
		tokens += k.N
	}
	if window <= 0 {
		return 0, false
	}
	return window / time.Duration(tokens), true
}

// Told reports whether the wire determines the time per token: it says how many tokens each event holds, or that each
// holds one.
func (t Truth) Told() bool {
	if t.Completion < 0 || t.Each > 0 {
		return false
	}
	told, tokens := true, 0
	for _, k := range t.Tokens {
		told = told && k.Told >= 0
		tokens += max(k.Told, 1)
	}
	return told || t.Completion == tokens || t.Completion == tokens+1 && t.Finish == "stop"
}

// Pace returns the pace of the shapes.
func (s *Server) Pace() Pace { return s.pace }
