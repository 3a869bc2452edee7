//go:build e2e && unix

package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"homellm/engine/event"
	"homellm/engine/host"
)

// needs is a program that a suite installs.
func needs(t *testing.T, variable, suite string) string {
	t.Helper()
	path := os.Getenv(variable)
	if path == "" {
		t.Skip(suite + " runs this one")
	}
	return path
}

// start starts a program that answers HTTP at a path, and stops it when the test ends.
func start(t *testing.T, spec host.Spec, path string) *host.Proc {
	t.Helper()
	spec.Log = filepath.Join(t.ArtifactDir(), spec.Name+".log")
	spec.StateDir, spec.Interval, spec.Grace = filepath.Join(t.TempDir(), "state"), 100*time.Millisecond, 20*time.Second
	spec.Ready = func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+spec.Address+path, http.NoBody)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("HTTP %d", response.StatusCode)
		}
		return nil
	}
	began := time.Now()
	p, err := host.Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s is ready after %v", spec.Name, time.Since(began).Round(100*time.Millisecond))
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func freeAddress(t *testing.T) string {
	t.Helper()
	port, err := host.FreePort(t.Context(), "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", port)
}

// TestGateway_LiteLLM: LiteLLM's proxy drops the engine's times and keeps its counts.
func TestGateway_LiteLLM(t *testing.T) {
	litellm := needs(t, "HOMELLM_E2E_LITELLM", "e2e/engines/gateways.sh")
	r := record(t, startLlamaServer(t), nil)
	config := filepath.Join(t.TempDir(), "litellm.yaml")
	if err := os.WriteFile(config, fmt.Appendf(nil, "model_list:\n  - {model_name: smol, litellm_params: {model: openai/smol, "+
		"api_base: %q, api_key: none}}\n", r.address+"/v1"), 0o600); err != nil {
		t.Fatal(err)
	}
	address := freeAddress(t)
	_, port, _ := strings.Cut(address, ":")
	start(t, host.Spec{
		Name: "litellm", Argv: []string{litellm, "--config", config, "--host", "127.0.0.1", "--port", port},
		// without a key it takes requests from this machine alone
		Env:     []string{"LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY=true", "LITELLM_TELEMETRY=False"},
		Address: address, Timeout: 5 * time.Minute,
	}, "/health/liveliness")
	p := build(t)
	turns := p.turns(t, "--url", "http://"+address, "--model", "smol")
	agree(t, turns, r.last(t, len(turns)))
	p.saw(t, "litellm", seen{SetUp: "in front of llama-server"})
	for _, a := range r.accounts {
		if !a.stream {
			t.Errorf("a look at the server made it complete a prompt of %d tokens, as LiteLLM's /health does", a.prompt)
		}
	}
}

// behindNginx starts nginx with buffering and compression on in front of a server, with further lines of its block.
func behindNginx(t *testing.T, to, listen string, lines ...string) {
	t.Helper()
	program := needs(t, "HOMELLM_E2E_NGINX", "e2e/engines/gateways.sh")
	dir := t.TempDir()
	config := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, `daemon off;
pid %[1]s/pid;
error_log stderr;
events {}
http {
	access_log off;
	gzip on;
	gzip_types *;
	client_body_buffer_size 4m; # nothing goes to files, whoever it runs as
	proxy_max_temp_file_size 0;
	client_body_temp_path %[1]s/body;
	proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi;
	scgi_temp_path %[1]s/scgi;
	server {
		listen %[2]s;
		%[4]s
		location / {
			proxy_pass %[3]s;
			proxy_http_version 1.1;
			proxy_buffering on;
			proxy_read_timeout 600s;
		}
	}
}
`, dir, listen, to, strings.Join(lines, "\n\t\t")), 0o600); err != nil {
		t.Fatal(err)
	}
	address, _, _ := strings.Cut(listen, " ")
	proc, err := host.Start(t.Context(), host.Spec{
		Name: "nginx", Argv: []string{program, "-c", config, "-e", "stderr", "-p", dir}, Address: address,
		Timeout: time.Minute, Log: filepath.Join(t.ArtifactDir(), "nginx.log"), StateDir: filepath.Join(dir, "state"),
		Interval: 50 * time.Millisecond, Grace: 10 * time.Second,
		Ready: func(ctx context.Context) error {
			conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
			if err != nil {
				return err
			}
			return conn.Close()
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := proc.Stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestGateway_Nginx: nginx with buffering and compression on keeps no piece of a reply back.
func TestGateway_Nginx(t *testing.T) {
	r := record(t, startLlamaServer(t), nil)
	address := freeAddress(t)
	behindNginx(t, r.address, address)
	p := build(t)
	turns := p.turns(t, "--url", "http://"+address)
	agree(t, turns, r.last(t, len(turns)))
	passedThrough(t, p, turns)
	p.saw(t, "llamacpp", seen{SetUp: "one slot", Through: "nginx with `proxy_buffering` and gzip"})
}

// passedThrough makes sure that nothing on the way held replies back: that holds every reply back. On a busy machine the
// reader of one reply or the other comes late and finds several pieces at once.
func passedThrough(t *testing.T, p program, turns []*event.Request) {
	t.Helper()
	var merged []string
	for _, q := range turns {
		if q.Wire.Reads < len(q.Chunks)/2 {
			merged = append(merged, fmt.Sprintf("%s: %d pieces in %d reads", q.Step, len(q.Chunks), q.Wire.Reads))
		}
		checkAccount(t, q.Step, q, 96)
	}
	if 4*len(merged) > len(turns) {
		t.Errorf("%d of %d replies came in few reads: %s", len(merged), len(turns), strings.Join(merged, "; "))
	}
	if held := notes(p.events(t, "out"), "buffered"); 4*len(held) > len(turns) {
		t.Errorf("%d of %d replies were held back: %v", len(held), len(turns), held)
	}
}

// TestGateway_HTTP2: over TLS nginx speaks HTTP/2, and every turn is measured as without.
func TestGateway_HTTP2(t *testing.T) {
	further(t)
	certificate, key := selfSigned(t)
	t.Setenv("SSL_CERT_FILE", certificate)
	r := record(t, startLlamaServer(t), nil)
	address := freeAddress(t)
	behindNginx(t, r.address, address+" ssl http2", "ssl_certificate "+certificate+";", "ssl_certificate_key "+key+";")
	p := build(t)
	turns := p.once(t, "--url", "https://"+address)
	agree(t, turns, r.last(t, len(turns)))
	passedThrough(t, p, turns)
	for _, q := range turns {
		if q.Wire.Protocol != "HTTP/2.0" {
			t.Errorf("%s: %s", q.Step, q.Wire.Protocol)
		}
	}
	p.saw(t, "llamacpp", seen{SetUp: "one slot", Through: "nginx with TLS and HTTP/2", Nightly: true})
}

// selfSigned are the files of a certificate for this machine that signs itself, and of its key.
func selfSigned(t *testing.T) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	made, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}, &x509.Certificate{SerialNumber: big.NewInt(1)}, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certificate, key = filepath.Join(dir, "certificate.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{
		certificate: {Type: "CERTIFICATE", Bytes: made}, key: {Type: "PRIVATE KEY", Bytes: secret},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certificate, key
}

// TestGateway_HoldsBack: a proxy that keeps each reply until it is whole is noticed before anything is measured, and a
// scenario that requires streaming does not run.
func TestGateway_HoldsBack(t *testing.T) {
	r := record(t, startLlamaServer(t), nil)
	to, err := url.Parse(r.address)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		whole := httptest.NewRecorder()
		httputil.NewSingleHostReverseProxy(to).ServeHTTP(whole, q)
		maps.Copy(w.Header(), whole.Header())
		w.WriteHeader(whole.Code)
		if _, err := w.Write(whole.Body.Bytes()); err != nil {
			t.Log(err)
		}
	}))
	defer proxy.Close()
	p := build(t)
	code, printed := p.run(t, "apply", "rag-small", "--out", "out", "--url", proxy.URL)
	if code != 5 || !strings.Contains(printed, "the scenario requires streaming") {
		t.Errorf("exit code %d\n%s", code, printed)
	}
	if held := notes(p.events(t, "out"), "buffered"); len(held) == 0 {
		t.Error("the run does not say that replies were held back")
	}
}
