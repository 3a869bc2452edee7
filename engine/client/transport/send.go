package transport

import (
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	"homellm/engine/crash"
)

// resendWithin is how soon after a request was written its connection has to end for the end to have been
// on its way already. A server that ends it later may have read the prompt, and died of it. What decides is whether the
// connection was still open when that time was up: on a busy machine its end may be noticed long after it came.
const resendWithin = 50 * time.Millisecond

// Sending is one request on its way: which connection it got, and its instants. The last connection
// counts, where it took more than one.
type Sending struct {
	Connected func() // called when a connection is ready, before the request is written; nil: nothing

	fresh  bool // it wants a connection that carried no request before
	resent bool
	conn   *conn
	reused bool // the connection had carried a request before
	stamps *Stamps
	start  time.Time
	timer  *time.Timer // runs while the end of a used connection may be one that was on its way
	asker  *asker      // asks the kernel whether the reply has begun, until it has
	late   atomic.Bool // the connection was still open when that time was up

	beganH2 atomic.Int64 // request headers are about to be written, for HTTP/2
	headers atomic.Int64 // first byte of the response
}

// send makes a round trip. A connection that ended while it was idle is not an answer of the server: if that shows
// before anything was written, or soon after and before anything came back, the request is sent once more on a new
// connection.
func send(t *http.Transport, req *http.Request, s *Sending) (*http.Response, error) {
	traced := req.WithContext(httptrace.WithClientTrace(req.Context(), s.trace()))
	defer s.stopTimer()
	resp, err := t.RoundTrip(traced)
	if err == nil || req.Context().Err() != nil || errors.As(err, new(ConnectError)) || !s.repeatable(err) {
		return resp, err
	}
	again := traced.Clone(traced.Context())
	if req.GetBody != nil {
		body, failed := req.GetBody()
		if failed != nil {
			return nil, err
		}
		again.Body = body
	}
	s.fresh = true
	s.resent = s.sent() != Unset
	return t.RoundTrip(again)
}

// repeatable reports whether a request that failed with err may be sent once more.
func (s *Sending) repeatable(err error) bool {
	if s.conn == nil || s.headers.Load() != Unset {
		return false
	}
	s.conn.failed(err)
	switch {
	case s.conn.over() == Unset:
		return false
	case s.sent() == Unset:
		return true
	}
	return s.reused && !s.late.Load()
}

// startTimer checks on a used connection when the time is up in which its end may have been on its way.
func (s *Sending) startTimer(c *conn) {
	s.stopTimer()
	s.timer = time.AfterFunc(resendWithin, crash.Guarded(func() { s.late.Store(c.open()) }))
}

func (s *Sending) stopTimer() {
	if s.timer != nil {
		s.timer.Stop()
	}
}

// trace notes which connection the request gets and when the first byte of the answer came.
func (s *Sending) trace() *httptrace.ClientTrace {
	s.beganH2.Store(Unset)
	s.headers.Store(Unset)
	return &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			s.Leave(false)
			s.conn, s.reused = stamped(info.Conn), info.Reused
			s.conn.busy.Add(1)
			if _, secure := info.Conn.(*tls.Conn); secure {
				s.conn.secure.Store(true)
			}
			if s.fresh && s.reused && !s.conn.shared.Load() {
				s.conn.refuse.Store(true)
			}
			s.beganH2.Store(Unset)
			s.stamps = s.conn.hand()
			if s.reused {
				s.startTimer(s.conn)
			}
			s.asker.stop()
			s.asker = askWhether(s.conn)
			if s.Connected != nil {
				s.Connected()
			}
		},
		// HTTP/2 calls this while it builds the frame that it writes next. Its WroteHeaders may come
		// after the answer.
		WroteHeaderField: func(string, []string) {
			s.beganH2.CompareAndSwap(Unset, int64(time.Since(s.start)))
		},
		GotFirstResponseByte: func() { s.headers.Store(s.stamps.read.Load()) },
	}
}

// sent is when the request began to be written, or Unset.
func (s *Sending) sent() int64 {
	switch {
	case s.conn == nil:
		return Unset
	case s.conn.shared.Load(): // its writes may be those of another exchange
		return s.beganH2.Load()
	}
	return s.stamps.wrote.Load()
}

// Begun says that the first token has been read.
func (s *Sending) Begun() { s.asker.stop() }

// Leave marks the connection as free, and says whether the reply was whole.
func (s *Sending) Leave(whole bool) {
	s.asker.stop()
	if s.conn != nil {
		s.conn.left(whole)
	}
}

// Stamps are those of the connection in use.
func (s *Sending) Stamps() *Stamps { return s.stamps }

// Account is what a request's connection tells once the exchange is over. Instants are nanoseconds since
// the start of the transport, or Unset.
type Account struct {
	Sent    int64          // first write of the request
	Headers int64          // first byte of the response
	Connect *time.Duration // how long the connection took to make; nil if it had carried a request before
	Warmed  bool           // the connection was made before the request was due
	Resent  bool           // the request was sent before, on a connection that ended under it
	By      string         // who told when bytes arrived: kernel or reader
}

// Account tells how the request went; false if there was no connection.
func (s *Sending) Account() (Account, bool) {
	if s.conn == nil {
		return Account{Sent: Unset, Headers: Unset}, false
	}
	a := Account{Sent: s.sent(), Headers: s.headers.Load(), Resent: s.resent, By: s.stamps.By()}
	if !s.reused {
		took := s.conn.took
		a.Connect, a.Warmed = &took, s.conn.warmed
	}
	return a, true
}
