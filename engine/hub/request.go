package hub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"homellm/engine/crash"
)

// get sends a GET and follows redirects by hand: the token goes to the endpoint alone, not even to
// its subdomains, and never from https to http.
func (h *Hub) get(ctx context.Context, address, byteRange string) (*http.Response, error) {
	const redirects = 10
	for range redirects {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return nil, fmt.Errorf("building a request: %w", err)
		}
		if h.Agent != "" {
			r.Header.Set("User-Agent", h.Agent)
		}
		if byteRange != "" {
			r.Header.Set("Range", byteRange)
		}
		if h.Token != "" && sameOrigin(address, h.endpoint()) {
			r.Header.Set("Authorization", "Bearer "+h.Token)
		}
		response, err := h.Client.Do(r)
		if err != nil {
			if cause := context.Cause(ctx); errors.Is(cause, context.Canceled) || errors.Is(cause, context.DeadlineExceeded) {
				return nil, ctx.Err()
			}
			return nil, &transient{err: withoutQuery(err)}
		}
		location := response.Header.Get("Location")
		if response.StatusCode < 300 || response.StatusCode > 399 || location == "" {
			return response, nil
		}
		drain(response.Body)
		next, err := response.Request.URL.Parse(location)
		if err != nil {
			return nil, fmt.Errorf("following a redirect: %w", err)
		}
		if response.Request.URL.Scheme == "https" && next.Scheme != "https" {
			return nil, fmt.Errorf("refusing a redirect from https to %s://%s", next.Scheme, next.Host)
		}
		address = next.String()
	}
	return nil, errors.New("the hub redirects in a circle")
}

// withoutQuery takes the signature of a download address out of an error.
func withoutQuery(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		if i := strings.IndexByte(u.URL, '?'); i >= 0 {
			u.URL = u.URL[:i]
		}
	}
	return err
}

func sameOrigin(a, b string) bool {
	x, errX := url.Parse(a)
	y, errY := url.Parse(b)
	return errX == nil && errY == nil && x.Scheme == y.Scheme && strings.EqualFold(x.Host, y.Host)
}

// transient is an error that may go away with another try.
type transient struct {
	err   error
	after time.Duration // the server asked for this pause
}

func (t *transient) Error() string { return t.err.Error() }
func (t *transient) Unwrap() error { return t.err }

// again makes an error transient where the status says that it may pass.
func again(r *http.Response, err error) error {
	switch r.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
	default:
		return err
	}
	t := &transient{err: err}
	if s, e := strconv.ParseUint(r.Header.Get("Retry-After"), 10, 31); e == nil {
		t.after = time.Duration(s) * time.Second
	} else if when, e := http.ParseTime(r.Header.Get("Retry-After")); e == nil {
		t.after = max(0, time.Until(when))
	}
	if t.after > longestPause {
		return fmt.Errorf("%w; it asks to retry in %v", err, t.after.Round(time.Second))
	}
	return t
}

// longestPause is how long a server that asks for a pause is waited for.
const longestPause = 2 * time.Minute

// errIdle is why a request that was silent for too long is cancelled.
var errIdle = errors.New("no data arrived for too long")

// watch cancels a request that brings nothing for too long: touch says that something came.
func (h *Hub) watch(ctx context.Context) (watched context.Context, touch, done func()) {
	watched, cancel := context.WithCancelCause(ctx)
	idle := cmp.Or(h.Idle, 30*time.Second)
	timer := time.AfterFunc(idle, crash.Guarded(func() { cancel(errIdle) }))
	return watched, func() { timer.Reset(idle) }, func() { timer.Stop(); cancel(nil) }
}

// stalled tells our own cancellation of a silent request from the user's.
func stalled(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), errIdle) {
		return &transient{err: errIdle}
	}
	return err
}

// watched says of every piece that it came.
type watched struct {
	io.Reader
	touch func()
}

func (w watched) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	w.touch()
	return n, err
}

// retry repeats f while it fails in a way that may pass.
func (h *Hub) retry(ctx context.Context, f func() error) error {
	pause := cmp.Or(h.Backoff, time.Second)
	for try := 1; ; try++ {
		err := f()
		t, ok := errors.AsType[*transient](err)
		if !ok || ctx.Err() != nil {
			return err
		}
		if try >= cmp.Or(h.Attempts, 5) {
			return fmt.Errorf("giving up after %d tries: %w", try, t.err)
		}
		if err := sleep(ctx, max(pause, t.after)); err != nil {
			return err
		}
		const longest = 8 // backoffs
		pause = min(2*pause, longest*cmp.Or(h.Backoff, time.Second))
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// drain reads a little of what is left, so that the connection can be used again.
func drain(body io.ReadCloser) {
	const little = 64 << 10
	_, _ = io.CopyN(io.Discard, body, little)
	_ = body.Close()
}

// largeFileClient speaks HTTP/1.1, whose bodies Go reads in larger pieces than those of HTTP/2.
func largeFileClient() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.ForceAttemptHTTP2 = false
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
	t.DisableCompression = true // lengths and hashes are those of the plain bytes
	t.ReadBufferSize = 64 << 10
	t.ResponseHeaderTimeout = 60 * time.Second
	return &http.Client{Transport: t}
}

// ready returns the hub with a client that does not follow redirects.
func (h Hub) ready() *Hub {
	client := h.Client
	if client == nil {
		client = largeFileClient()
	}
	own := *client
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	h.Client = &own
	return &h
}
