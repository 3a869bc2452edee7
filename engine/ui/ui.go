// Package ui shows the runs in a folder as web pages to a browser on this machine.
//
// The input is the folder; the output is an HTTP handler that only reads. It shows the list of runs, one run, also
// while it is being played, two runs side by side, and all runs of a scenario. The rendering is engine/report's, and
// the folds are those of the other packages. A request without the program's token in its path, or for another host,
// gets no page.
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

// Server serves the pages.
type Server struct {
	runs  results.Runs
	base  string   // the path of its pages: the token between slashes
	hosts []string // the hosts that requests may name

	mu    sync.Mutex // folds and the index are not safe for concurrent use
	index *index.Index
	folds folds
}

// New opens a folder. Hosts are the addresses, with their ports, that a request may name.
func New(ctx context.Context, runs results.Runs, token string, hosts []string) (*Server, error) {
	x, err := index.Open(ctx, runs)
	if err != nil {
		return nil, err
	}
	return &Server{runs: runs, base: "/" + token + "/", hosts: hosts, index: x, folds: folds{runs: runs}}, nil
}

// Close closes the journals and the index.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.folds.close(), s.index.Close())
}

// pages maps the path after the token to a page.
var pages = map[string]func(*Server, *http.Request, io.Writer) error{
	"": (*Server).list, "run": (*Server).run, "diff": (*Server).diff, "history": (*Server).history,
}

// ServeHTTP answers with a page, or with a text that says why the page cannot be made.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	for name, value := range headers {
		h.Set(name, value)
	}
	answer := func(code int, text string) {
		h.Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(code)
		_, _ = io.WriteString(w, text+"\n") // an error means that the browser is gone
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

// headers keep other sites from embedding, reading or guessing these pages.
var headers = map[string]string{
	"Cache-Control":                "no-store",
	"Content-Security-Policy":      "frame-ancestors 'none'",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Referrer-Policy":              "no-referrer",
	"X-Content-Type-Options":       "nosniff",
}

// known reports whether a request names one of our addresses. Another name that resolves to this machine is refused,
// against DNS rebinding.
func (s *Server) known(host string) bool {
	for _, h := range s.hosts {
		if strings.EqualFold(h, host) {
			return true
		}
	}
	return false
}

// path returns the page that a path names; false if the path does not begin with the token.
func (s *Server) path(path string) (page string, ok bool) {
	n := min(len(path), len(s.base))
	if subtle.ConstantTimeCompare([]byte(path[:n]), []byte(s.base)) != 1 {
		return "", false
	}
	return path[n:], true
}
