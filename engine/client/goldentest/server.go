// Package goldentest is an LLM server whose timing is known: it notes when it really wrote each token, so that what a
// client measured can be compared with it.
//
// It writes HTTP by hand onto the connection, because what breaks clients lies below what an
// HTTP library lets a handler do: a token split between two segments, a connection reset in the
// middle of a chunk, headers that come with the first token. It shares no code with the client;
// two ends that share a mistake would agree on it.
//
// A request names what it wants played in its path: /SHAPE/ID/v1/chat/completions. ID is any text;
// [Server.Truth] gives back what was played for it.
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

// Pace is how fast a shape is played.
type Pace struct {
	First  time.Duration // from the request to the first token
	Gap    time.Duration // between tokens
	Tokens int           // how many events carry text
}

// Server plays shapes. Its zero value is not useful; see New.
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

// Conns returns how many connections are open, and how many there ever were.
func (s *Server) Conns() (open, total int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns), s.total
}

// CloseIdle closes every connection, as servers do with those that idle for too long.
func (s *Server) CloseIdle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.Close()
	}
}

// Truth waits for the end of what was last played for id and returns it. It is false if nothing
// was.
func (s *Server) Truth(id string) (Truth, bool) {
	all := s.truthsOf(id)
	if len(all) == 0 {
		return Truth{}, false
	}
	return all[len(all)-1], true
}

// truthsOf waits for the end of all that was played for id and returns it in order.
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

// enter counts a connection in.
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

// tell answers with the truth of earlier requests, for a client in another process: their clocks
// do not compare, so instants are counted from when a request was there.
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

// Truth is what really happened.
type Truth struct {
	Received time.Time // the whole request was there
	Tokens   []Token
	Ended    time.Time
	Each     time.Duration // what a token took, where events did not leave as tokens were made; else 0

	Finish                              string
	Prompt, Completion, Cached, Thought int // as put on the wire; -1 if not
	Class                               string
	Whole                               string // the text, if it came in one body and not token by token
}

// Token is one event that carried text.
type Token struct {
	// when the write that completed the event left: the kernel's stamp on TCP in Linux, elsewhere when it began
	At      time.Time
	Channel string // answer, reasoning, tool, refusal
	Text    string
	N       int // tokens in it
	Told    int // tokens in it as the wire told; -1 if it did not
}

// offsets returns when each token was written, since the request was there.
func (t Truth) offsets() []time.Duration {
	var d []time.Duration
	for _, k := range t.Tokens {
		d = append(d, k.At.Sub(t.Received))
	}
	return d
}

// Text returns all text of the channels named.
func (t Truth) Text(channels ...string) string {
	var b strings.Builder
	if slices.Contains(channels, "answer") {
		b.WriteString(t.Whole)
	}
	for _, k := range t.Tokens {
		if slices.Contains(channels, k.Channel) {
			b.WriteString(k.Text)
		}
	}
	return b.String()
}

// TTFT is the time to the first token, of any channel; false if there was none.
func (t Truth) TTFT() (time.Duration, bool) {
	if len(t.Tokens) == 0 {
		return 0, false
	}
	return t.Tokens[0].At.Sub(t.Received), true
}

// TPOT is the time that a token took after the first event, by what the server had made until each event left; false if
// nothing came after the first. What the wire says of the tokens is no part of it.
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

// Told says whether the wire tells enough for the time per token to be a number: how many tokens each event holds, or
// that each holds one.
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

// Pace is how fast shapes are played.
func (s *Server) Pace() Pace { return s.pace }
