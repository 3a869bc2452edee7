package otlp

import (
	"bytes"
	"compress/gzip"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"homellm/engine/metrics"
)

// rejecting is the reply of a collector that takes a request but not all that is in it.
func rejecting(n uint64, why string) []byte {
	var partial, out message
	partial.whole(partialRejected, n)
	partial.text(partialMessage, why)
	out.bytes(responsePartial, partial)
	return out
}

// answers is a collector that gives one answer after another, and the last one from then on.
type answers struct {
	all  []http.Response
	seen int
}

func (a *answers) RoundTrip(r *http.Request) (*http.Response, error) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return nil, err
	}
	if a.seen++; a.seen > 100 {
		return nil, errors.New("it does not end")
	}
	answer := a.all[min(a.seen, len(a.all))-1]
	answer.Status = fmt.Sprintf("%d %s", answer.StatusCode, http.StatusText(answer.StatusCode))
	if answer.Header == nil {
		answer.Header = http.Header{}
	}
	if answer.Body == nil {
		answer.Body = http.NoBody
	}
	return &answer, nil
}

func answer(status int, header ...string) http.Response {
	h := http.Header{}
	for pair := range slices.Chunk(header, 2) {
		h.Set(pair[0], pair[1])
	}
	return http.Response{StatusCode: status, Header: h}
}

// A request is sent again for the four statuses that ask for it, when the collector says, and within ten seconds.
func TestPost_TriesAgain(t *testing.T) {
	ok := answer(200)
	for _, tt := range []struct {
		name        string
		all         []http.Response
		seen        int
		least, most time.Duration
		err         string
	}{
		{"at once", []http.Response{ok}, 1, 0, 0, ""},
		{"429 and seconds", []http.Response{answer(429, "Retry-After", "3"), ok}, 2, 3 * time.Second, 3 * time.Second, ""},
		{"503 and a date", []http.Response{answer(503, "Retry-After", "Sat, 01 Jan 2000 00:00:04 GMT"), ok}, 2,
			4 * time.Second, 4 * time.Second, ""},
		{"a date that is over", []http.Response{answer(503, "Retry-After", "Fri, 31 Dec 1999 00:00:00 GMT"), ok}, 2, 0, 0,
			""},
		{"no date", []http.Response{answer(502, "Retry-After", "soon"), ok}, 2, firstTry / 2, 3 * firstTry / 2, ""},
		{"longer each time", []http.Response{answer(502), answer(504), answer(503), ok}, 4, 7 * firstTry / 2,
			21 * firstTry / 2, ""},
		{"too late", []http.Response{answer(503, "Retry-After", "60"), ok}, 1, 0, 0, "to be tried again in 1m0s"},
		{"always", []http.Response{answer(503)}, 0, time.Second, 10 * time.Second, "503 Service Unavailable"},
		{"400", []http.Response{answer(400), ok}, 1, 0, 0, "400 Bad Request"},
		{"500", []http.Response{answer(500), ok}, 1, 0, 0, "500 Internal Server Error"},
	} {
		synctest.Test(t, func(t *testing.T) {
			to, err := NewCollector("http://collector", "", unset)
			if err != nil {
				t.Fatal(err)
			}
			spans, figures := &answers{all: tt.all}, &answers{all: []http.Response{ok}}
			to.spans.client.Transport, to.figures.client.Transport = spans, figures
			run := played(t, "passing")
			begun := time.Now()
			err = to.Send(t.Context(), run)
			took := time.Since(begun)
			switch {
			case (err == nil) != (tt.err == ""), err != nil && !strings.Contains(err.Error(), tt.err):
				t.Errorf("%s: it says %v", tt.name, err)
			case tt.seen != 0 && spans.seen != tt.seen || tt.seen == 0 && spans.seen < 3:
				t.Errorf("%s: it was tried %d times", tt.name, spans.seen)
			case took < tt.least || took > tt.most:
				t.Errorf("%s: it took %s", tt.name, took)
			case figures.seen != 1:
				t.Errorf("%s: the figures were sent %d times", tt.name, figures.seen)
			}
		})
	}
}

// What a collector did not take of a request that it took is told, and so is what it says of one that it refuses.
func TestSend_TellsWhatTheCollectorSays(t *testing.T) {
	var status message
	status.whole(1, 3)
	status.text(failureMessage, "no such\n tenant")
	said := func(code int, kind string, body []byte) http.Response {
		r := answer(code, "Content-Type", kind)
		r.Body = io.NopCloser(bytes.NewReader(body))
		return r
	}
	for want, r := range map[string]http.Response{
		"spans: 3 were rejected: too old":                           said(200, protobuf, rejecting(3, "too old")),
		"spans: 3 were rejected":                                    said(200, protobuf, rejecting(3, "")),
		"spans: accepted with a warning: soon full":                 said(200, protobuf, rejecting(0, "soon full")),
		"spans: 400 Bad Request: no such tenant":                    said(400, protobuf, status),
		"spans: 401 Unauthorized: no key":                           said(401, "text/plain;charset=utf-8", []byte("no key")),
		"spans: 404 Not Found":                                      said(404, "text/html", []byte("<html>")),
		"spans: 400 Bad Request: " + strings.Repeat("ä", 200) + "…": said(400, "text/plain", bytes.Repeat([]byte("ä"), 9000)),
		"": said(200, "application/json", []byte(`{"partialSuccess":{}}`)),
	} {
		to, err := NewCollector("http://collector", "", unset)
		if err != nil {
			t.Fatal(err)
		}
		to.spans.client.Transport = &answers{all: []http.Response{r}}
		to.figures.client.Transport = &answers{all: []http.Response{answer(200)}}
		err = to.Send(t.Context(), played(t, "passing"))
		if got := fmt.Sprint(err); want == "" && err != nil || want != "" && got != want {
			t.Errorf("it says %q and not %q", got, want)
		}
	}
}

// Rejected spans of several requests are counted together, and the requests after them are sent.
func TestSend_CountsWhatIsRejected(t *testing.T) {
	run := played(t, "matrix")
	c := run.Cells[slices.IndexFunc(run.Cells, func(c *metrics.Cell) bool { return len(c.Requests) > 0 })]
	c.Requests = slices.Repeat(c.Requests, 1+2*together/len(c.Requests)) // more turns than one request carries
	to, err := NewCollector("http://collector", "", unset)
	if err != nil {
		t.Fatal(err)
	}
	r := func() http.Response {
		out := answer(200, "Content-Type", protobuf)
		out.Body = io.NopCloser(bytes.NewReader(rejecting(2, "too old")))
		return out
	}
	spans := &answers{all: []http.Response{r(), r(), answer(200)}}
	to.spans.client.Transport = spans
	to.figures.client.Transport = &answers{all: []http.Response{answer(200)}}
	if err := to.Send(t.Context(), run); err == nil || err.Error() != "spans: 4 were rejected: too old" || spans.seen < 3 {
		t.Errorf("after %d requests it says %v", spans.seen, err)
	}
}

// What the environment says is used, the variable of a signal before that of all.
func TestNewCollector_Environment(t *testing.T) {
	seen := map[string]*http.Request{}
	bodies := map[string][]byte{}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var err error
		seen[r.URL.Path] = r
		if bodies[r.URL.Path], err = io.ReadAll(r.Body); err != nil || r.URL.Path == "/moved" {
			t.Errorf("%s: %v", r.URL.Path, err)
		}
		if r.URL.Path == "/v1/metrics" {
			http.Redirect(w, r, "/moved", http.StatusTemporaryRedirect)
		}
	}))
	defer server.Close()
	trusted := filepath.Join(t.TempDir(), "ca.pem")
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(trusted, cert, 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{
		"OTEL_EXPORTER_OTLP_CERTIFICATE":        trusted,
		"OTEL_EXPORTER_OTLP_HEADERS":            "Authorization=Basic%20abc, x-scope = home ,",
		"OTEL_EXPORTER_OTLP_METRICS_HEADERS":    "x-scope=figures",
		"OTEL_EXPORTER_OTLP_TRACES_COMPRESSION": "gzip",
		"OTEL_RESOURCE_ATTRIBUTES":              "host.name=attic,service.name=other",
	}
	get := func(name string) string { return env[name] }
	to, err := NewCollector(server.URL, "1.2.3", get)
	if err != nil {
		t.Fatal(err)
	}
	if keys := to.Keys(); !slices.Contains(keys, "Basic abc") || !slices.Contains(keys, "figures") {
		t.Errorf("the keys are %q", keys)
	}
	if err := to.Send(t.Context(), played(t, "passing")); err == nil || err.Error() != "figures: 307 Temporary Redirect" {
		t.Errorf("it says %v", err)
	}
	traces, figures := seen["/v1/traces"], seen["/v1/metrics"]
	if traces == nil || figures == nil {
		t.Fatalf("only %q were asked", slices.Collect(maps.Keys(seen)))
	}
	for _, h := range []struct{ got, want string }{
		{traces.Header.Get("Authorization"), "Basic abc"}, {traces.Header.Get("X-Scope"), "home"},
		{figures.Header.Get("Authorization"), ""}, {figures.Header.Get("X-Scope"), "figures"},
		{traces.Header.Get("User-Agent"), "homellm/1.2.3"}, {traces.Header.Get("Content-Type"), protobuf},
		{traces.Header.Get("Content-Encoding"), "gzip"}, {figures.Header.Get("Content-Encoding"), ""},
	} {
		if h.got != h.want {
			t.Errorf("a header is %q and not %q", h.got, h.want)
		}
	}
	z, err := gzip.NewReader(bytes.NewReader(bodies["/v1/traces"]))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(z)
	if err != nil || !bytes.Contains(plain, []byte("attic")) || bytes.Contains(plain, []byte("other")) {
		t.Errorf("the attributes of the environment are not there, or come before what is known: %v", err)
	}
	for name, value := range map[string]string{
		"OTEL_EXPORTER_OTLP_HEADERS":            "sesame",
		"OTEL_EXPORTER_OTLP_TRACES_HEADERS":     "x=sesame%zz",
		"OTEL_EXPORTER_OTLP_METRICS_HEADERS":    "x=sesame%0Ay",
		"OTEL_EXPORTER_OTLP_COMPRESSION":        "sesame",
		"OTEL_EXPORTER_OTLP_CERTIFICATE":        filepath.Join(t.TempDir(), "sesame"),
		"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": trusted,
		"OTEL_RESOURCE_ATTRIBUTES":              "=sesame",
	} {
		env = map[string]string{name: value}
		if _, err := NewCollector(server.URL, "", get); err == nil || !strings.Contains(err.Error(), name) ||
			strings.Contains(err.Error(), "sesame") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
