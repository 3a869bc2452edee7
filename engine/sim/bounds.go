package sim

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// Limits of the memory that clients can make the simulator hold. A request beyond them is refused, as by an
// overloaded server; a single request is always accepted.
const (
	mostHeld  = 1 << 30 // bytes, of all requests at one time
	perByte   = 4       // memory per byte of a request: the text, its decoded form, its messages
	perToken  = 160     // memory per token of a prompt or reply: the token, its text, its instants
	patience  = 30 * time.Second
	mostReads = time.Minute // a request has to be here within it
)

// holding is the memory that one request holds.
type holding struct {
	all  *atomic.Int64
	own  int64
	most int64
}

// take reports whether there is room for a number of further bytes.
func (h *holding) take(n int64) bool {
	if all := h.all.Add(n); all > h.most && all > h.own+n {
		h.all.Add(-n)
		return false
	}
	h.own += n
	return true
}

func (h *holding) giveBack() { h.all.Add(-h.own) }

func (s *Server) hold() holding { return holding{all: &s.held, most: s.mostHeld} }

// readBody reads a request, which has to be here in time.
func readBody(w http.ResponseWriter, r *http.Request, hold *holding) ([]byte, *refusal) {
	c := http.NewResponseController(w)
	_ = c.SetReadDeadline(time.Now().Add(mostReads)) // a connection without deadlines has no slow clients
	body, err := io.ReadAll(room{http.MaxBytesReader(w, r.Body, maxBody), hold})
	if err == nil {
		_ = c.SetReadDeadline(time.Time{})
	} else {
		w.Header().Set("Connection", "close") // the rest of the body is not waited for
	}
	if busy, ok := errors.AsType[*refusal](err); ok {
		return nil, busy
	}
	if err != nil {
		return nil, badRequest("", "reading the request: %v", err)
	}
	return body, nil
}

// room reads a body as long as there is room for it.
type room struct {
	io.Reader
	hold *holding
}

func (r room) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if n > 0 && !r.hold.take(int64(n)*perByte) {
		return 0, errBusy
	}
	return n, err
}

// errBusy says that there is no room for the request.
var errBusy = &refusal{http.StatusServiceUnavailable, "ServiceUnavailableError",
	"the requests that are being answered hold as much memory as the simulator gives them", ""}

// Error makes a refusal an error of reading.
func (e *refusal) Error() string { return e.message }

// patient ends a reply whose client reads nothing of it for too long, where the connection knows deadlines.
type patient struct {
	http.ResponseWriter
	deadline func(time.Time) error
}

func newPatient(w http.ResponseWriter) patient {
	return patient{w, http.NewResponseController(w).SetWriteDeadline}
}

func (p patient) Write(b []byte) (int, error) {
	_ = p.deadline(time.Now().Add(patience)) // a writer without deadlines has no client that can stop reading
	return p.ResponseWriter.Write(b)
}

// Unwrap is for [http.ResponseController].
func (p patient) Unwrap() http.ResponseWriter { return p.ResponseWriter }
