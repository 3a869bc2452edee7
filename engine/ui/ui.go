// Package ui shows the runs of a folder as pages to a browser of this machine.
//
// In comes the folder; out comes a handler of HTTP that only reads: the runs, one of them, two side by side, a scenario
// over all its runs, a run while it is being played. It renders nothing that engine/report does not render, and folds
// nothing that the other rooms do not fold. An address without the token of the program, or with another host, is
// answered with nothing.
package ui

import (
	"bytes"
	"context"
	"crypto/subtle"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"

	"homellm/engine/exit"
	"homellm/engine/history/index"
	"homellm/engine/results"
	"homellm/engine/secret"
)

// Server answers a browser.
type Server struct {
	runs  results.Runs
	base  string   // the path of its pages: the token between slashes
	hosts []string // by which it may be asked

	mu    sync.Mutex // folds and the index are for one goroutine
	index *index.Index
	folds folds
}

// New opens a folder. Hosts are the addresses, with their port, by which a browser may ask.
func New(ctx context.Context, runs results.Runs, token string, hosts []string) (*Server, error) {
	x, err := index.Open(ctx, runs)
	if err != nil {
		return nil, err
	}
	return &Server{runs: runs, base: "/" + token + "/", hosts: hosts, index: x, folds: folds{runs: runs}}, nil
}

// Close closes what is open.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.folds.close(), s.index.Close())
}

// pages are what can be asked for, by the path after the token.
var pages = map[string]func(*Server, *http.Request, io.Writer) error{
	"": (*Server).list, "run": (*Server).run, "diff": (*Server).diff, "history": (*Server).history,
}

// ServeHTTP answers with a page. A page that cannot be made is a text that says why.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	for name, value := range headers {
		h.Set(name, value)
	}
	answer := func(code int, text string) {
		h.Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(code)
		_, _ = io.WriteString(w, text+"\n") // a browser that is gone reads nothing
	}
	if !s.known(r.Host) {
		answer(http.StatusForbidden, "this address is not one of homellm ui")
		return
	}
	name, ok := s.path(r.URL.Path)
	page := pages[name]
	switch {
	case !ok || page == nil:
		answer(http.StatusNotFound, "open the address that homellm ui printed")
		return
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		h.Set("Allow", "GET, HEAD")
		answer(http.StatusMethodNotAllowed, "homellm ui only shows")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var b bytes.Buffer
	if err := page(s, r, &b); err != nil {
		code := http.StatusInternalServerError
		if known, ok := errors.AsType[*exit.Failure](err); ok && known.Code != exit.Environment {
			code = http.StatusNotFound
		}
		answer(code, string(secret.Stars([]byte(strings.ToValidUTF8(err.Error(), "\uFFFD")))))
		return
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(secret.Stars(b.Bytes())) // as above
}

// headers let no other page show, read or guess these.
var headers = map[string]string{
	"Cache-Control":                "no-store",
	"Content-Security-Policy":      "frame-ancestors 'none'",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Referrer-Policy":              "no-referrer",
	"X-Content-Type-Options":       "nosniff",
}

// known says whether a request names one of our addresses: a name of somebody's that leads to this machine does not.
func (s *Server) known(host string) bool {
	for _, h := range s.hosts {
		if strings.EqualFold(h, host) {
			return true
		}
	}
	return false
}

// path is the page that a path names; false: it does not begin with the token.
func (s *Server) path(path string) (page string, ok bool) {
	n := min(len(path), len(s.base))
	if subtle.ConstantTimeCompare([]byte(path[:n]), []byte(s.base)) != 1 {
		return "", false
	}
	return path[n:], true
}
