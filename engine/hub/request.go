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
	"slices"
	"strconv"
	"strings"
	"time"

	"homellm/engine/crash"
	"homellm/engine/exit"
)

// ready returns the hub with a transport. The default one speaks HTTP/1.1, because Go limits how many bytes of a body
// may be in flight in HTTP/2.
func (h Hub) ready() *Hub {
	if h.Transport == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.Protocols = new(http.Protocols)
		t.Protocols.SetHTTP1(true)
		h.Transport = t
	}
	return &h
}

// redirect follows a redirect, with the token if it leads to the endpoint.
func (h *Hub) redirect(next *http.Request, via []*http.Request) error {
	const redirects = 10
	if via[len(via)-1].URL.Scheme == "https" && next.URL.Scheme != "https" {
		return exit.Errorf(exit.Environment, "", "refusing a redirect from https to %s://%s", next.URL.Scheme, next.URL.Host)
	}
	if len(via) >= redirects {
		return exit.Errorf(exit.Environment, "", "the hub redirects in a circle")
	}
	next.Header.Del("Referer") // it may contain a signature
	h.authorize(next)
	return nil
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

// get sends a GET and calls read with the response. The request is cancelled if no data arrives for too long.
func (h *Hub) get(ctx context.Context, address, byteRange string, read func(*http.Response) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return fmt.Errorf("building a request: %w", err)
	}
	r.Header.Set("User-Agent", h.Agent)
	if byteRange != "" {
		r.Header.Set("Range", byteRange)
	}
	h.authorize(r)
	idle := cmp.Or(h.Idle, 30*time.Second)
	timer := time.AfterFunc(idle, crash.Guarded(func() { cancel(errors.New("no data arrived for too long")) }))
	defer timer.Stop()
	client := http.Client{Transport: h.Transport, CheckRedirect: h.redirect}
	response, err := client.Do(r)
	if err == nil {
		defer response.Body.Close()
		response.Body = body{response.Body, func() { timer.Reset(idle) }}
		return read(response)
	}
	if e, ok := errors.AsType[*exit.Failure](err); ok { // redirect returned it
		return e
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		u.URL, _, _ = strings.Cut(u.URL, "?") // without the signature
	}
	return &transient{err: err}
}

// body is an answer's body that says of every piece that it came.
type body struct {
	io.ReadCloser
	touch func()
}

func (b body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.touch()
	return n, err
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

var (
	// passing lists the status codes that may go away with another try.
	passing = []int{408, 429, 500, 502, 503, 504}
	// expired lists the status codes with which a host that stores files for the hub rejects an expired address. The hub
	// gives out a new one.
	expired = []int{400, 401, 403, 404, 410}
)

// longestPause is the longest requested pause that is waited for.
const longestPause = 2 * time.Minute

// refusal is the error of an answer that says no to a repository, or to a file of it; transient where that may pass.
func (h *Hub) refusal(r *http.Response, repo, file string) error {
	why := fmt.Sprintf("%s: the hub answered %d", path.Join(repo, file), r.StatusCode)
	if message := r.Header.Get("X-Error-Message"); message != "" {
		why += " (" + message + ")"
	}
	seconds, _ := strconv.ParseUint(r.Header.Get("Retry-After"), 10, 31) // 0 if there is no number: the usual pause
	pause := time.Duration(seconds) * time.Second
	passes := slices.Contains(passing, r.StatusCode) || slices.Contains(expired, r.StatusCode) && !h.owns(r.Request.URL)
	if passes && pause > longestPause {
		why += fmt.Sprintf("; it asks to retry in %v", pause.Round(time.Second))
	}
	hint, ok := hints[r.Header.Get("X-Error-Code")]
	if !ok {
		hint = hints[strconv.Itoa(r.StatusCode)]
	}
	hint = strings.NewReplacer("{repo}", repo, "{endpoint}", h.endpoint()).Replace(hint)
	err := exit.Errorf(exit.Environment, hint, "%s", why)
	if passes && pause <= longestPause {
		return &transient{err: err, after: pause}
	}
	return err
}
