package server

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// People paste addresses from manuals, with the path of an API.
func TestBaseURL(t *testing.T) {
	for address, want := range map[string]string{
		"http://h:1": "http://h:1", "h:1": "http://h:1", "http://h:1/": "http://h:1", "http://h:1/v1": "http://h:1",
		"http://h:1/v1/": "http://h:1", "http://h:1/v1/chat/completions": "http://h:1",
		"http://h:1/v1/chat/completions/": "http://h:1", "http://h:1/chat/completions": "http://h:1",
		"http://h:1/v1/completions": "http://h:1", "http://h:1/v1/models": "http://h:1",
		"http://h:1/v1/messages": "http://h:1",
		"http://h:1/api/chat":    "http://h:1", "http://h:1/api/generate": "http://h:1", "http://h:1/api/tags": "http://h:1",
		"https://h/proxy/v1/chat/completions": "https://h/proxy", "https://h/proxy": "https://h/proxy",
		"https://h/openai/v1": "https://h/openai", "http://h:1/health": "http://h:1", "http://h:1/V1": "http://h:1",
	} {
		if got, err := baseURL(address); got != want || err != nil {
			t.Errorf("%s: %s %v, want %s", address, got, err, want)
		}
	}
}

// What is at an address is called what it is.
func TestProbe_Strangers(t *testing.T) {
	say := func(status int, kind, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		}
	}
	secured := httptest.NewTLSServer(say(200, "text/plain", "hello"))
	t.Cleanup(secured.Close)
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		address string
		key     string
		state   State
		detail  string
	}{
		"it wants a key": {handler: say(401, "application/json", `{"error":"Unauthorized"}`), state: Locked,
			detail: "it wants an API key (/v1/models answers HTTP 401: Unauthorized)"},
		"in plain words": {handler: say(401, "text/plain", "no"), state: Locked,
			detail: "it wants an API key (/v1/models answers HTTP 401: no)"},
		"it does not take this one": {handler: say(401, "application/json", `{"error":"Unauthorized"}`), key: "wrong",
			state: Locked, detail: "it does not accept the API key (/v1/models answers HTTP 401: Unauthorized)"},
		"it forbids": {handler: say(403, "application/json", `{"error":{"message":"not you"}}`), key: "wrong", state: Locked,
			detail: "it forbids this API key to list its models (/v1/models answers HTTP 403: not you)"},
		"it forbids without a key": {handler: say(403, "application/json", `{"detail":"no"}`), state: Locked,
			detail: "it forbids that without an API key (/v1/models answers HTTP 403: no)"},
		"it fails": {handler: say(500, "application/json", `{"error":{"message":"out of memory"}}`), state: Failing,
			detail: "/v1/models answers HTTP 500: out of memory"},
		"a gateway": {handler: say(502, "text/html", "<html><title>502 Bad Gateway</title></html>"), state: Failing,
			detail: `/v1/models answers HTTP 502: a web page titled "502 Bad Gateway": the server behind a proxy is down`},
		"a web site that wants a password": {handler: say(401, "text/html", "<html><title>Log in</title></html>"),
			state: PortBusy, detail: "web page titled \"Log in\" (HTTP 401)"},
		"https, asked by http": {address: "http" + strings.TrimPrefix(secured.URL, "https"), state: PortBusy,
			detail: "it speaks HTTPS: write https:// before the address"},
		"http, asked by https": {handler: say(404, "text/plain", ""), address: "https", state: PortBusy,
			detail: "it does not speak TLS: write http:// before the address"},
		"a certificate of its own": {address: secured.URL, state: PortBusy, detail: "its certificate is not trusted"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.handler != nil {
				s := httptest.NewServer(c.handler)
				t.Cleanup(s.Close)
				if c.address == "https" {
					c.address = "https" + strings.TrimPrefix(s.URL, "http")
				} else {
					c.address = s.URL
				}
			}
			f, err := Probe(t.Context(), c.address, NewHTTPClient(c.key))
			if err != nil || f.State != c.state || !strings.Contains(f.Detail, c.detail) {
				t.Errorf("%s: %q %v, want %s: %q", f.State, f.Detail, err, c.state, c.detail)
			}
		})
	}
}

// A listener that closes every connection is no server.
func TestProbe_Closes(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go closeAll(l)
	f, err := Probe(t.Context(), l.Addr().String(), nil)
	if err != nil || f.State != NotRunning || !strings.Contains(f.Detail, "accepts connections and closes them") {
		t.Errorf("%s: %q %v", f.State, f.Detail, err)
	}
}

// A server that takes no request of HTTP/1 is called that.
func TestProbe_HTTP2Only(t *testing.T) {
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(s.Close)
	f, err := Probe(t.Context(), s.URL, nil)
	if err != nil || f.State != PortBusy || !strings.Contains(f.Detail, "speaks HTTP/2 only") {
		t.Errorf("%s: %q %v", f.State, f.Detail, err)
	}
}

// A name stands for two addresses: where the server is at one of them alone, and something else at the other, it is
// found all the same.
func TestProbe_Localhost(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/models" {
			http.NotFound(w, r)
			return
		}
		fmt.Fprint(w, `{"object":"list","data":[{"id":"m","object":"model"}]}`)
	})
	for serving, closing := range map[string]string{"127.0.0.1": "::1", "::1": "127.0.0.1"} {
		t.Run(serving, func(t *testing.T) {
			l, err := net.Listen("tcp", net.JoinHostPort(serving, "0"))
			if err != nil {
				t.Skip("this machine has no such address: ", err)
			}
			_, port, err := net.SplitHostPort(l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			other, err := net.Listen("tcp", net.JoinHostPort(closing, port))
			if err != nil {
				t.Skip("the port cannot be had at both addresses: ", err)
			}
			t.Cleanup(func() { other.Close() })
			go closeAll(other)
			s := &httptest.Server{Listener: l, Config: &http.Server{Handler: handler}}
			s.Start()
			t.Cleanup(s.Close)
			f, err := Probe(t.Context(), "localhost:"+port, nil)
			if err != nil || f.State != Ready || len(f.Models) != 1 {
				t.Errorf("%+v %v", f, err)
			}
		})
	}
}

// closeAll closes every connection as soon as it is made.
func closeAll(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		conn.Close()
	}
}
