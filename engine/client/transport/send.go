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

// resendWithin is how soon after a request was written its connection must end for the end to have been on its way
// already. A server that ends it later may have read the prompt, and crashed because of it. The check is whether the
// connection was still open when that time was up, because a busy machine may notice the end long after it came.
const resendWithin = 50 * time.Millisecond

// Sending is one request in progress: its connection and its instants. If it used several connections, the last one
// counts.
type Sending struct {
	Connected func() // called when a connection is ready, before the request is written; may be nil

	fresh  bool // it needs a connection that has carried no request
	resent bool
	conn   *conn
	reused bool // the connection had carried an earlier request
	stamps *Stamps
	start  time.Time
	timer  *time.Timer // runs while an end of the reused connection may have been on its way
	poller *poller     // polls the kernel until the reply has begun
	late   atomic.Bool // the connection was still open when that time was up

	beganH2 atomic.Int64 // request headers are about to be written, for HTTP/2
	headers atomic.Int64 // first byte of the response
}

// send makes a round trip. The end of an idle connection is not an answer of the server: if it shows before anything
// was written, or soon after and before any reply, the request is sent once more on a new connection.
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
	case s.conn.endedAt() == Unset:
		return false
	case s.sent() == Unset:
		return true
	}
	return s.reused && !s.late.Load()
}

// startTimer checks a reused connection after resendWithin.
func (s *Sending) startTimer(c *conn) {
	s.stopTimer()
	s.timer = time.AfterFunc(resendWithin, crash.Guarded(func() { s.late.Store(c.serverOpen()) }))
}

func (s *Sending) stopTimer() {
	if s.timer != nil {
		s.timer.Stop()
	}
}

// trace records which connection the request gets and when the first byte of the response arrived.
func (s *Sending) trace() *httptrace.ClientTrace {
	s.beganH2.Store(Unset)
	s.headers.Store(Unset)
	return &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			s.Release(false)
			s.conn, s.reused = stamped(info.Conn), info.Reused
			s.conn.busy.Add(1)
			if _, secure := info.Conn.(*tls.Conn); secure {
				s.conn.secure.Store(true)
			}
			if s.fresh && s.reused && !s.conn.shared.Load() {
				s.conn.refuse.Store(true)
			}
			s.beganH2.Store(Unset)
			s.stamps = s.conn.acquire()
			if s.reused {
				s.startTimer(s.conn)
			}
			s.poller.stop()
			if s.conn.pool != nil { // else the request is not measured, and is never released
				s.poller = startPoller(s.conn)
			}
			if s.Connected != nil {
				s.Connected()
			}
		},
		// HTTP/2 calls this while it builds the frame that it writes next. WroteHeaders may come after the response.
		WroteHeaderField: func(string, []string) {
			s.beganH2.CompareAndSwap(Unset, int64(time.Since(s.start)))
		},
		GotFirstResponseByte: func() { s.headers.Store(s.stamps.read.Load()) },
	}
}

// sent is when the first byte of the request was written, or Unset.
func (s *Sending) sent() int64 {
	switch {
	case s.conn == nil:
		return Unset
	case s.conn.shared.Load(): // its writes may be those of another exchange
		return s.beganH2.Load()
	}
	return s.stamps.wrote.Load()
}

// TokenRead says that the first token has been read.
func (s *Sending) TokenRead() { s.poller.stop() }

// Release frees the connection, and says whether the reply was whole.
func (s *Sending) Release(whole bool) {
	s.poller.stop()
	if s.conn != nil {
		s.conn.release(whole)
	}
}

// Stamps are the instants of the connection in use.
func (s *Sending) Stamps() *Stamps { return s.stamps }

// Account is what a request's connection recorded. Instants are nanoseconds since the start of the transport, or
// Unset.
type Account struct {
	Sent    int64          // first write of the request
	Headers int64          // first byte of the response
	Connect *time.Duration // time to make the connection; nil if it had carried an earlier request
	Warmed  bool           // the connection was made before the request was due
	Resent  bool           // an earlier attempt was on a connection that ended
	By      string         // who stamped the arrivals: kernel or reader
}

// Account returns the record of the connection; false if there was no connection.
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
