package engines

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"homellm/engine/wire"
)

// Server is a server whose side channels can be used.
type Server interface {
	// Ask requests several paths at the same time.
	Ask(ctx context.Context, limit time.Duration, paths ...string) Responses
	// Call makes one request. A nil body sends none, any other is sent as JSON.
	Call(ctx context.Context, method, path string, body any, limit time.Duration) Response
	// Exposition reads a response as Prometheus text.
	Exposition(Response) (Exposition, error)
}

// Rounds are the paths that tell the engines apart, in the order in which an address is asked for them: the first
// conclusive round is the last. Each is free on every engine of the table: it reads a list or a version, and neither
// runs nor loads a model. /health is not among them, because LiteLLM answers it with a completion of every configured
// model, and SGLang with a token. Engines that answer it for free are asked for it once they are recognised (see
// [API.Paths]).
var Rounds = [][]string{
	{"/v1/models"},
	{"/props", "/version", "/model_info", "/get_model_info", "/v1/model", "/api/v0/models", "/api/extra/version"},
	{"/", "/api/version", "/health/liveliness", "/system", "/engines/v1/models"},
}

const (
	// ProbeLimit bounds each request to an unknown address.
	ProbeLimit = time.Second
	// Patience bounds each request to a server that has answered before: a busy server may take seconds for a list.
	Patience = 5 * time.Second
	// SideLimit bounds one request on a side channel. Tokenising a prompt of 100,000 tokens takes a Python server a few
	// hundred milliseconds.
	SideLimit = 30 * time.Second
)

// ErrUnsupported is wrapped by a side channel's error if the engine has no such channel, as opposed to one that
// failed.
var ErrUnsupported = errors.New("not offered by this engine")

// Responses are the responses of one server by path.
type Responses map[string]Response

// Response is one complete HTTP response, or the reason why there is none.
type Response struct {
	Status int
	Kind   string // media type without parameters, lower case
	Header http.Header
	Body   []byte
	Err    error
}

// header reports whether one of the responses has a header whose value a test accepts.
func (all Responses) header(is func(name, value string) bool) bool {
	for _, r := range all {
		for name, values := range r.Header {
			if slices.ContainsFunc(values, func(v string) bool { return is(name, v) }) {
				return true
			}
		}
	}
	return false
}

// serverHeader reports whether a response names a program as the server.
func (all Responses) serverHeader(program string) bool {
	return all.header(func(name, value string) bool { return name == "Server" && value == program })
}

// OK reports a 2xx response.
func (r Response) OK() bool { return r.Err == nil && r.Status/100 == 2 }

// HTML reports that the response is a web page and not an API's answer.
func (r Response) HTML() bool {
	const doctype = "<!doctype html"
	start := bytes.TrimSpace(r.Body)
	return r.Kind == "text/html" || strings.EqualFold(string(start[:min(len(doctype), len(start))]), doctype)
}

// into decodes a 2xx JSON response and reports whether it was one.
func (r Response) into(v any) bool {
	return r.OK() && !r.HTML() && json.Unmarshal(r.Body, v) == nil
}

// Count returns a number of a JSON object by its key; false if there is none.
func (r Response) Count(key string) (int, bool) {
	var body map[string]json.RawMessage
	var n int
	ok := r.into(&body) && json.Unmarshal(body[key], &n) == nil
	return n, ok
}

// unavailable reports HTTP 503.
func (r Response) unavailable() bool {
	return r.Err == nil && r.Status == http.StatusServiceUnavailable
}

// Message is the text of an error response, in any of the servers' formats, or names the web page that it is.
func (r Response) Message() string {
	if r.HTML() {
		return wire.ReadPage(string(r.Body)).Message
	}
	return wire.ReadFault(r.Body).Message
}

// Failure turns an unsuccessful response, or a web page, into an error; nil for any other.
func (r Response) Failure() error {
	switch {
	case r.Err != nil:
		return r.Err
	case !r.OK():
		return &StatusError{r.Status, r.Message()}
	case r.HTML():
		return fmt.Errorf("got %s instead of the API's answer", r.Message())
	}
	return nil
}

// WebServer names a web server from its headers and page.
func (r Response) WebServer() string {
	what := "a web server"
	if name := r.Header.Get("Server"); name != "" {
		what += fmt.Sprintf(" that calls itself %q", shorten(name, 60))
	}
	switch {
	case r.HTML():
		what += " and shows " + r.Message()
	case r.Status/100 == 3:
		what += " and redirects to " + shorten(r.Header.Get("Location"), 80)
	}
	return what
}

// StatusError is a response with a status that is not a success.
type StatusError struct {
	Status  int
	Message string // the server's message; may be empty
}

// Error implements error.
func (e *StatusError) Error() string {
	if e.Message == "" {
		return fmt.Sprintf("HTTP %d", e.Status)
	}
	return fmt.Sprintf("HTTP %d: %s", e.Status, e.Message)
}

// Refused says that the server rejected the request itself, as opposed to failing. A llama-server whose template
// raises an error answers 500.
func (e *StatusError) Refused() bool {
	text := strings.ToLower(e.Message)
	return e.Status == http.StatusBadRequest || e.Status == http.StatusUnprocessableEntity ||
		e.Status == http.StatusInternalServerError && (strings.Contains(text, "jinja") || strings.Contains(text, "template"))
}

// shorten cuts s to at most n bytes, between characters.
func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

// get and post make one request on a side channel. An unsuccessful response, or a web page, gives an error.
func get(ctx context.Context, s Server, path string) (Response, error) {
	r := s.Call(ctx, http.MethodGet, path, nil, SideLimit)
	return r, r.Failure()
}

func post(ctx context.Context, s Server, path string, body any) (Response, error) {
	r := s.Call(ctx, http.MethodPost, path, body, SideLimit)
	return r, r.Failure()
}

// errorType returns the type of an error in the form of OpenAI's API; empty if it has another form.
func (r Response) errorType() string {
	var body struct {
		Error struct {
			Type string `json:"type"`
		} `json:"error"`
	}
	if json.Unmarshal(r.Body, &body) != nil {
		return ""
	}
	return body.Error.Type
}
