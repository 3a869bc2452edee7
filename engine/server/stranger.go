package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"homellm/engine/engines"
)

// stranger describes what is at an address that no engine's sign matches.
func (e endpoint) stranger(ctx context.Context, seen engines.Responses) (State, string) {
	if state, detail, ok := e.refusal(seen["/v1/models"]); ok {
		return state, detail
	}
	var last error
	timedOut := 0
	for _, path := range slices.Sorted(maps.Keys(seen)) { // / comes first: its page tells most
		r := seen[path]
		if r.Err == nil {
			return PortBusy, answering(r)
		}
		switch {
		case refused(r.Err):
			return NotRunning, "nothing listens there"
		case dialing(r.Err):
			return NotRunning, "no connection could be made: " + cause(r.Err)
		case strings.Contains(r.Err.Error(), "no answer within"):
			timedOut++
		}
		last = r.Err
	}
	if timedOut == len(seen) {
		return PortBusy, fmt.Sprintf("something accepts connections there and did not answer HTTP within %v",
			engines.Patience)
	}
	return e.unspoken(ctx, last)
}

// answering describes a web server that is not an LLM server.
func answering(r engines.Response) string {
	said := strings.ToLower(string(r.Body))
	if strings.Contains(said, "http request") && strings.Contains(said, "https") && r.Status == http.StatusBadRequest {
		return "it speaks HTTPS: write https:// before the address"
	}
	what := "it is taken by " + r.WebServer()
	if r.Status >= http.StatusBadRequest && r.Status != http.StatusNotFound {
		what += fmt.Sprintf(" (HTTP %d)", r.Status)
	}
	return what + "; it is not an LLM server that homellm knows"
}

// refusal is why the list of models is refused, if the server says so.
func (e endpoint) refusal(r engines.Response) (State, string, bool) {
	if r.Err != nil || r.Status < http.StatusBadRequest {
		return "", "", false
	}
	said := refusalOf("/v1/models", r)
	switch {
	case (r.Status == http.StatusUnauthorized || r.Status == http.StatusForbidden) && !r.HTML():
		state, detail := e.locked("/v1/models", r)
		return state, detail, true
	case r.Status == http.StatusBadGateway || r.Status == http.StatusGatewayTimeout:
		return Failing, said + ": the server behind a proxy is down", true
	case r.Status >= http.StatusInternalServerError:
		return Failing, said, true
	}
	return "", "", false
}

// locked describes a server that asks for a key at a path. A server that fails although it was given a key is failing
// for another reason.
func (e endpoint) locked(path string, r engines.Response) (State, string) {
	said := refusalOf(path, r)
	if _, keyed := e.client.Transport.(bearer); keyed && r.Status >= http.StatusInternalServerError {
		return Failing, said
	}
	return Locked, fmt.Sprintf("%s (%s)", e.wantsKey(r.Status), said)
}

// refusalOf describes an error that a server returned for a path.
func refusalOf(path string, r engines.Response) string {
	said := fmt.Sprintf("%s answers HTTP %d", path, r.Status)
	if text := r.Message(); text != "" {
		said += ": " + text
	}
	return said
}

// refusedWith is the status that refused the list of models; 0: it was not refused, or nothing answered.
func refusedWith(seen engines.Responses) int {
	if status := seen["/v1/models"].Status; status >= http.StatusBadRequest {
		return status
	}
	return 0
}

// wantsKey explains a status to a user who has sent a key, or none.
func (e endpoint) wantsKey(status int) string {
	_, keyed := e.client.Transport.(bearer)
	switch {
	case status == http.StatusForbidden && keyed:
		return "it forbids this API key to list its models"
	case status == http.StatusForbidden:
		return "it forbids that without an API key"
	case keyed:
		return "it does not accept the API key"
	}
	return "it wants an API key"
}

// unspoken describes a server that accepts connections and does not answer in HTTP/1.
func (e endpoint) unspoken(ctx context.Context, err error) (State, string) {
	var plain tls.RecordHeaderError
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	text := err.Error()
	switch {
	case errors.As(err, &plain), strings.Contains(text, "server gave HTTP response to HTTPS client"):
		return PortBusy, "it does not speak TLS: write http:// before the address"
	case errors.As(err, &unknown), errors.As(err, &name):
		return PortBusy, "its certificate is not trusted: " + cause(err)
	case strings.Contains(text, `malformed HTTP response "\x15\x03`):
		return PortBusy, "it speaks HTTPS: write https:// before the address"
	case e.speaksHTTP2(ctx):
		return PortBusy, "it speaks HTTP/2 only, and LLM servers are measured over HTTP/1 where there is no TLS: " +
			"have it accept HTTP/1.1"
	case errors.Is(err, io.EOF), connectionReset(err), strings.Contains(text, "server closed idle connection"):
		return NotRunning, "what listens there accepts connections and closes them: a proxy whose server is down does that"
	}
	return PortBusy, "it is taken by something that does not speak HTTP as expected: " + cause(err)
}

// speaksHTTP2 reports whether a server answers HTTP/2 without TLS: with a SETTINGS frame.
func (e endpoint) speaksHTTP2(ctx context.Context) bool {
	u, err := url.Parse(e.base)
	if err != nil || u.Scheme != "http" {
		return false
	}
	port := u.Port()
	if port == "" {
		port = "80"
	}
	dialer := net.Dialer{Timeout: engines.ProbeLimit}
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return false
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(engines.ProbeLimit)); err != nil {
		return false
	}
	const opening = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	settings := [9]byte{3: 4} // an empty SETTINGS frame
	if _, err := conn.Write(append([]byte(opening), settings[:]...)); err != nil {
		return false
	}
	var frame [9]byte
	_, err = io.ReadFull(conn, frame[:])
	return err == nil && frame[3] == settings[3] && frame[0] == 0
}
