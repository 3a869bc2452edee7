package hub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"homellm/engine/crash"
)

// ready returns the hub with a client that speaks HTTP/1.1, whose bodies Go reads in larger pieces than those of
// HTTP/2, and that sends the token to the endpoint alone.
func (h Hub) ready() *Hub {
	var client http.Client
	if h.Client != nil {
		client = *h.Client
	} else {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.Protocols = new(http.Protocols)
		t.Protocols.SetHTTP1(true)
		t.DisableCompression = true // lengths and hashes are those of the plain bytes
		t.ReadBufferSize = 64 << 10
		t.ResponseHeaderTimeout = 60 * time.Second
		client.Transport = t
	}
	client.CheckRedirect = func(next *http.Request, via []*http.Request) error {
		const redirects = 10
		if via[len(via)-1].URL.Scheme == "https" && next.URL.Scheme != "https" {
			return &Error{Why: fmt.Sprintf("refusing a redirect from https to %s://%s", next.URL.Scheme, next.URL.Host)}
		}
		if len(via) >= redirects {
			return &Error{Why: "the hub redirects in a circle"}
		}
		next.Header.Del("Referer") // it may hold a signature
		h.authorize(next)
		return nil
	}
	h.Client = &client
	return &h
}

// authorize gives a request the token if it goes to the endpoint: not even to its subdomains, nor from https to http.
func (h *Hub) authorize(r *http.Request) {
	r.Header.Del("Authorization")
	if h.Token != "" && h.owns(r.URL) {
		r.Header.Set("Authorization", "Bearer "+h.Token)
	}
}

// owns says whether an address is the hub's, and not of a host that keeps files for it.
func (h *Hub) owns(u *url.URL) bool {
	own, err := url.Parse(h.endpoint())
	return err == nil && u.Scheme == own.Scheme && strings.EqualFold(u.Host, own.Host)
}

// get sends a GET. The request is cancelled when it brings nothing for too long, and lasts until its body is closed.
func (h *Hub) get(ctx context.Context, address, byteRange string) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		cancel(nil)
		return nil, fmt.Errorf("building a request: %w", err)
	}
	if h.Agent != "" {
		r.Header.Set("User-Agent", h.Agent)
	}
	if byteRange != "" {
		r.Header.Set("Range", byteRange)
	}
	h.authorize(r)
	idle := cmp.Or(h.Idle, 30*time.Second)
	timer := time.AfterFunc(idle, crash.Guarded(func() { cancel(errors.New("no data arrived for too long")) }))
	response, err := h.Client.Do(r)
	if err == nil {
		response.Body = body{response.Body, func() { timer.Reset(idle) }, func() { timer.Stop(); cancel(nil) }}
		return response, nil
	}
	timer.Stop()
	cancel(nil)
	if e, ok := errors.AsType[*Error](err); ok { // of a redirect
		return nil, e
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		u.URL, _, _ = strings.Cut(u.URL, "?") // without the signature
	}
	return nil, &transient{err: err}
}

// body is an answer's body that says of every piece that it came.
type body struct {
	io.ReadCloser
	touch, end func()
}

func (b body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.touch()
	return n, err
}

func (b body) Close() error {
	b.end()
	return b.ReadCloser.Close()
}

// transient is an error that may go away with another try.
type transient struct {
	err      error
	after    time.Duration // the server asked for this pause
	progress bool          // something came before it: tries count from 0 again, without a pause
}

func (t *transient) Error() string { return t.err.Error() }
func (t *transient) Unwrap() error { return t.err }

// retry repeats f while it fails in a way that may pass.
func (h *Hub) retry(ctx context.Context, f func() error) error {
	for try := 0; ; {
		err := f()
		t, ok := errors.AsType[*transient](err)
		try++
		switch {
		case !ok:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case t.progress:
			try = 0
			continue
		case try >= cmp.Or(h.Attempts, 5):
			return fmt.Errorf("giving up after %d tries: %w", try, t.err)
		}
		pause := cmp.Or(h.Backoff, time.Second) << min(try-1, 3)
		if err := sleep(ctx, max(pause, t.after)); err != nil {
			return err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// hints say what to do about an error code, or a status without one. {repo} and {endpoint} are filled in.
var hints = map[string]string{
	"GatedRepo": "{repo} is gated: open {endpoint}/{repo}, accept its licence, " +
		"then set HF_TOKEN to a token of that account",
	"RepoNotFound": "there is no such repository, or it is private; check the name, " +
		"or set HF_TOKEN to a token that may read it",
	"RevisionNotFound": "the repository has no such revision: its history was rewritten, or the revision is mistyped",
	"EntryNotFound":    "the revision has no such file",
	"DisabledRepo":     "the repository was disabled by the hub",
	"401":              "the repository does not exist, or it is private or gated and HF_TOKEN is missing or invalid",
	"403":              "this account may not read it; if {repo} is gated, accept its licence at {endpoint}/{repo}",
	"404":              "there is no such repository, revision or file",
	"429":              "too many requests: wait some minutes, or set HF_TOKEN for a higher limit",
}

// longestPause is how long a server that asks for a pause is waited for.
const longestPause = 2 * time.Minute

// refusal is the error of an answer that says no to a repository, or to a file of it; transient where that may pass.
func (h *Hub) refusal(r *http.Response, repo, file string) error {
	e := &Error{Why: fmt.Sprintf("%s: the hub answered %d", path.Join(repo, file), r.StatusCode)}
	if message := r.Header.Get("X-Error-Message"); message != "" {
		e.Why += " (" + message + ")"
	}
	hint, ok := hints[r.Header.Get("X-Error-Code")]
	if !ok {
		hint = hints[strconv.Itoa(r.StatusCode)]
	}
	e.Hint = strings.NewReplacer("{repo}", repo, "{endpoint}", h.endpoint()).Replace(hint)
	switch r.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusGone:
		if h.owns(r.Request.URL) {
			return e
		} // else an address that the hub gave may have expired, and another request gets a new one
	default:
		return e
	}
	seconds, _ := strconv.ParseUint(r.Header.Get("Retry-After"), 10, 31) // without a number the usual pause has to do
	pause := time.Duration(seconds) * time.Second
	if pause > longestPause {
		e.Why += fmt.Sprintf("; it asks to retry in %v", pause.Round(time.Second))
		return e
	}
	return &transient{err: e, after: pause}
}
