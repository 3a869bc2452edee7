//go:build e2e && unix

package e2e

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

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
func start(t *testing.T, spec host.Spec, path string) {
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
}

func freeAddress(t *testing.T) string {
	t.Helper()
	port, err := host.FreePort(t.Context(), "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", port)
}

// TestGateway_Nothing is the same without a gateway: every turn is what llama-server says of it.
func TestGateway_Nothing(t *testing.T) {
	r := record(t, startLlamaServer(t), nil)
	turns := build(t).turns(t, "--url", r.address)
	agree(t, turns, r.last(t, len(turns)))
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
	for _, a := range r.accounts {
		if !a.stream {
			t.Errorf("a look at the server made it complete a prompt of %d tokens, as LiteLLM's /health does", a.prompt)
		}
	}
}

// TestGateway_Nginx: nginx with buffering and compression on keeps no piece of a reply back.
func TestGateway_Nginx(t *testing.T) {
	nginx := needs(t, "HOMELLM_E2E_NGINX", "e2e/engines/gateways.sh")
	r := record(t, startLlamaServer(t), nil)
	dir, address := t.TempDir(), freeAddress(t)
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
		location / {
			proxy_pass %[3]s;
			proxy_http_version 1.1;
			proxy_buffering on;
		}
	}
}
`, dir, address, r.address), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, host.Spec{Name: "nginx", Argv: []string{nginx, "-c", config, "-e", "stderr", "-p", dir}, Address: address,
		Timeout: time.Minute}, "/health")
	p := build(t)
	turns := p.turns(t, "--url", "http://"+address)
	agree(t, turns, r.last(t, len(turns)))
	for _, q := range turns {
		if q.Wire.Reads < len(q.Chunks)/2 {
			t.Errorf("%s: %d pieces in %d reads", q.Step, len(q.Chunks), q.Wire.Reads)
		}
		checkAccount(t, q.Step, q, 96)
	}
	if held := notes(p.events(t, "out"), "buffered"); len(held) > 0 {
		t.Errorf("held back: %v", held)
	}
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
