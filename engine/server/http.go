package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// maxBody bounds what is read of any reply. The largest real one is an exposition of /metrics
// with every histogram of every rank, well below this.
const maxBody = 16 << 20

// reply is one HTTP reply, read to its end, or the reason why there is none.
type reply struct {
	status int
	kind   string // media type without parameters, lower case
	header http.Header
	body   []byte
	err    error
}

// ok reports a 2xx reply.
func (r reply) ok() bool { return r.err == nil && r.status/100 == 2 }

// html reports that a web page came instead of an API's answer.
func (r reply) html() bool {
	return r.kind == "text/html" || bytes.HasPrefix(bytes.ToLower(bytes.TrimSpace(r.body)), []byte("<!doctype html"))
}

// into decodes a 2xx JSON reply and reports whether it was one.
func (r reply) into(v any) bool {
	return r.ok() && !r.html() && json.Unmarshal(r.body, v) == nil
}

// message is what an error reply says, in any of the shapes that servers use: a string, an
// object with a message, a flat object, FastAPI's detail, or plain text.
func (r reply) message() string {
	var shape struct {
		Error   json.RawMessage `json:"error"`
		Message string          `json:"message"`
		Detail  json.RawMessage `json:"detail"`
	}
	if json.Unmarshal(r.body, &shape) == nil {
		for _, raw := range []json.RawMessage{shape.Error, shape.Detail} {
			var text string
			if json.Unmarshal(raw, &text) == nil && text != "" {
				return text
			}
			var object struct {
				Message string `json:"message"`
			}
			if json.Unmarshal(raw, &object) == nil && object.Message != "" {
				return object.Message
			}
			if len(raw) > 0 && string(raw) != "null" {
				return shorten(string(raw), 300)
			}
		}
		if shape.Message != "" {
			return shape.Message
		}
	}
	if r.html() {
		return "a web page" + titleOf(r.body)
	}
	return shorten(strings.TrimSpace(string(r.body)), 300)
}

// failure turns a reply that is no success into an error; nil for a 2xx reply that is no web page.
func (r reply) failure() error {
	switch {
	case r.err != nil:
		return r.err
	case !r.ok():
		return &StatusError{r.status, r.message()}
	case r.html():
		return fmt.Errorf("got %s instead of the API's answer", r.message())
	}
	return nil
}

// StatusError is a reply whose status is no success.
type StatusError struct {
	Status  int
	Message string // the server's own; may be empty
}

func (e *StatusError) Error() string {
	if e.Message == "" {
		return fmt.Sprintf("HTTP %d", e.Status)
	}
	return fmt.Sprintf("HTTP %d: %s", e.Status, e.Message)
}

// Refused says that the server did not like what it was asked, and not that it cannot answer. An
// llama-server whose template raises answers 500.
func (e *StatusError) Refused() bool {
	text := strings.ToLower(e.Message)
	return e.Status == http.StatusBadRequest || e.Status == http.StatusUnprocessableEntity ||
		e.Status == http.StatusInternalServerError && (strings.Contains(text, "jinja") || strings.Contains(text, "template"))
}

// shorten cuts s to at most n bytes, at a rune's border.
func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

// titleOf finds the title of a web page, ready to be appended to "a web page".
func titleOf(page []byte) string {
	lower := bytes.ToLower(page)
	from := bytes.Index(lower, []byte("<title>"))
	if from < 0 {
		return ""
	}
	from += len("<title>")
	length := bytes.Index(lower[from:], []byte("</title>"))
	if length < 0 || from+length > len(page) {
		return ""
	}
	return fmt.Sprintf(" titled %q", shorten(strings.TrimSpace(string(page[from:from+length])), 80))
}

// NewHTTPClient returns a client fit for side channels: it follows no redirect (an API that
// redirects is not the API that was meant), uses no proxy whatever the environment says (the key
// and the prompts are for the server that was named), and sends key as a bearer token unless it is
// empty. It sets no time-out: every call here is bounded by its context.
func NewHTTPClient(key string) *http.Client {
	transport := &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		MaxIdleConnsPerHost: 4,
		IdleConnTimeout:     30 * time.Second,
	}
	client := &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if key != "" {
		client.Transport = bearer{key, transport}
	}
	return client
}

// realKey is the length from which a key is one, and not a word that some program wants to see.
const realKey = 12

// bearer adds a key to every request.
type bearer struct {
	key  string
	next *http.Transport
}

// RoundTrip implements [http.RoundTripper].
func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.key)
	return b.next.RoundTrip(r)
}

// CloseIdleConnections is what [http.Client.CloseIdleConnections] asks a transport for: without
// it, it would do nothing and say nothing.
func (b bearer) CloseIdleConnections() { b.next.CloseIdleConnections() }

// call makes one request and reads the reply to its end. A nil body sends none, any other is
// sent as JSON. It takes at most limit.
func call(ctx context.Context, client *http.Client, method, address string, body any, limit time.Duration) reply {
	parent := ctx
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var payload io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return reply{err: fmt.Errorf("encoding the request: %w", err)}
		}
		payload = bytes.NewReader(raw)
	}
	request, err := http.NewRequestWithContext(ctx, method, address, payload)
	if err != nil {
		return reply{err: err}
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := client.Do(request)
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) && parent.Err() == nil {
			err = fmt.Errorf("no answer within %v: %w", limit, err)
		}
		return reply{err: err}
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(response.Body, maxBody+1))
	if err == nil && len(raw) > maxBody {
		err = fmt.Errorf("the reply is longer than %d MiB", maxBody>>20)
	}
	if b, ok := client.Transport.(bearer); ok && len(b.key) >= realKey {
		raw = bytes.ReplaceAll(raw, []byte(b.key), []byte("[key]")) // what a server says goes into files that others read
	}
	kind, _, parseErr := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if parseErr != nil {
		kind = "" // a broken header is as good as none: the body is looked at instead
	}
	return reply{status: response.StatusCode, kind: kind, header: response.Header, body: raw, err: err}
}

// refused reports that nothing listens at the other end.
func refused(err error) bool {
	// Windows has its own number for it (WSAECONNREFUSED), which package syscall does not map.
	const wsaRefused = syscall.Errno(10061)
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, wsaRefused)
}

// dialing reports that no connection came about, for whatever reason.
func dialing(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

// baseURL brings an address to scheme://host:port without path. People paste addresses with the
// path of an API on them, so one that ends in /v1 is accepted.
func baseURL(address string) (string, error) {
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	u, err := url.Parse(address)
	if e, ok := errors.AsType[*url.Error](err); ok {
		return "", fmt.Errorf("reading the server's address: %w", e.Err) // without the address, which may hold a key
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return "", fmt.Errorf("reading the server's address %q: only http and https are possible", address)
	}
	if u.Host == "" {
		return "", fmt.Errorf("reading the server's address %q: it names no host", address)
	}
	if u.User != nil {
		return "", fmt.Errorf("reading the server's address: a password in a URL ends up in logs; use the profile's api_key")
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return "", fmt.Errorf("reading the server's address: leave out what follows ? or #; a key there ends up in logs: use the profile's api_key")
	}
	path := strings.TrimSuffix(strings.TrimRight(u.Path, "/"), "/v1")
	return u.Scheme + "://" + u.Host + path, nil
}
