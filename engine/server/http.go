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
	"sync"
	"syscall"
	"time"

	"homellm/engine/client/transport"
	"homellm/engine/crash"
	"homellm/engine/engines"
)

// maxBody bounds how much of a reply is read. The largest real reply is /metrics with every histogram of every rank,
// and is well below this.
const maxBody = 16 << 20

// NewHTTPClient returns a client for side channels. It follows no redirect (an API that redirects is not the one that
// was meant), uses no proxy whatever the environment says (the key and the prompts are for the named server only),
// and sends key as a bearer token unless it is empty. It has no time-out: every call is bounded by its context.
func NewHTTPClient(key string) *http.Client {
	own := &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		MaxIdleConnsPerHost: 4,
		IdleConnTimeout:     30 * time.Second,
	}
	client := &http.Client{
		Transport:     transport.Keep(own),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if key != "" {
		client.Transport = bearer{key, client.Transport}
	}
	return client
}

// bearer adds a key to every request.
type bearer struct {
	key  string
	next http.RoundTripper
}

// RoundTrip implements [http.RoundTripper].
func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.key)
	return b.next.RoundTrip(r)
}

// CloseIdleConnections is what [http.Client.CloseIdleConnections] calls on a transport; without it that call has no
// effect.
func (b bearer) CloseIdleConnections() {
	if next, ok := b.next.(interface{ CloseIdleConnections() }); ok {
		next.CloseIdleConnections()
	}
}

// endpoint is the address of a server's side channels.
type endpoint struct {
	base   string // without a slash at its end
	client *http.Client
}

// Ask requests several paths at the same time.
func (e endpoint) Ask(ctx context.Context, limit time.Duration, paths ...string) engines.Responses {
	responses := make([]engines.Response, len(paths))
	var group sync.WaitGroup
	for i, path := range paths {
		group.Go(crash.Guarded(func() { responses[i] = e.Call(ctx, http.MethodGet, path, nil, limit) }))
	}
	group.Wait()
	seen := make(engines.Responses, len(paths))
	for i, path := range paths {
		seen[path] = responses[i]
	}
	return seen
}

// Call makes one request and reads the whole response. A nil body sends none, any other is sent as JSON. It takes at
// most limit.
func (e endpoint) Call(ctx context.Context, method, path string, body any, limit time.Duration) engines.Response {
	client := e.client
	parent := ctx
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var payload io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return engines.Response{Err: fmt.Errorf("encoding the request: %w", err)}
		}
		payload = bytes.NewReader(raw)
	}
	request, err := http.NewRequestWithContext(ctx, method, e.base+path, payload)
	if err != nil {
		return engines.Response{Err: err}
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := client.Do(request)
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) && parent.Err() == nil {
			err = fmt.Errorf("no answer within %v: %w", limit, err)
		}
		return engines.Response{Err: err}
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(response.Body, maxBody+1))
	if err == nil && len(raw) > maxBody {
		err = fmt.Errorf("the reply is longer than %d MiB", maxBody>>20)
	}
	kind, _, parseErr := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if parseErr != nil {
		kind = "" // a broken header counts as none: the body is examined
	}
	return engines.Response{Status: response.StatusCode, Kind: kind, Header: response.Header, Body: raw, Err: err}
}

// connectionReset reports that the other end reset the connection.
func connectionReset(err error) bool {
	const wsaReset = syscall.Errno(10054)
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, wsaReset) || errors.Is(err, syscall.EPIPE)
}

// refused reports that nothing listens at the other end.
func refused(err error) bool {
	// Windows has its own error number (WSAECONNREFUSED), which package syscall does not map.
	const wsaRefused = syscall.Errno(10061)
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, wsaRefused)
}

// dialing reports that no connection was made, for whatever reason.
func dialing(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

// baseURL reduces an address to scheme://host:port without the path of an API, because people paste examples such as
// http://127.0.0.1:8000/v1/chat/completions.
func baseURL(address string) (string, error) {
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	u, err := url.Parse(address)
	if e, ok := errors.AsType[*url.Error](err); ok {
		return "", fmt.Errorf("reading the server's address: %w", e.Err) // without the address, which may contain a key
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return "", fmt.Errorf("reading the server's address %q: only http and https are possible", address)
	}
	if u.Host == "" {
		return "", fmt.Errorf("reading the server's address %q: it names no host", address)
	}
	if u.User != nil {
		return "", fmt.Errorf("reading the server's address: a password in a URL ends up in logs; %s", whereKeys)
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return "", fmt.Errorf("reading the server's address: leave out what follows ? or #; a key there ends up in logs; %s",
			whereKeys)
	}
	return u.Scheme + "://" + u.Host + withoutAPI(u.Path), nil
}

// whereKeys says where a key belongs.
const whereKeys = "name where the key is with --api-key-env or --api-key-file, or as the profile's api_key"

// apiPaths are the endings of addresses in manuals.
var apiPaths = []string{"/chat/completions", "/completions", "/responses", "/messages", "/embeddings", "/models",
	"/health", "/api/chat", "/api/generate", "/api/tags", "/api/version"}

// withoutAPI removes the path of an API from the end of a path.
func withoutAPI(path string) string {
	path = strings.TrimRight(path, "/")
	for _, end := range apiPaths {
		if rest, ok := cutSuffixFold(path, end); ok {
			path = rest
			break
		}
	}
	path, _ = cutSuffixFold(strings.TrimRight(path, "/"), "/v1")
	return path
}

func cutSuffixFold(s, end string) (before string, found bool) {
	if len(s) >= len(end) && strings.EqualFold(s[len(s)-len(end):], end) {
		return s[:len(s)-len(end)], true
	}
	return s, false
}

// literals are the two addresses of localhost; none for another host.
func literals(base string) []string {
	u, err := url.Parse(base)
	if err != nil || !strings.EqualFold(u.Hostname(), "localhost") {
		return nil
	}
	var out []string
	for _, host := range []string{"127.0.0.1", "[::1]"} {
		one := *u
		if one.Host = host; u.Port() != "" {
			one.Host += ":" + u.Port()
		}
		out = append(out, one.String())
	}
	return out
}
