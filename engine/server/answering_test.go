package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"homellm/engine/engines"
)

func TestProbe_Nothing(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	got, err := Probe(t.Context(), address, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got.State != NotRunning || got.URL != "http://"+address || got.Detail != "nothing listens there" {
		t.Errorf("got %+v", got)
	}
}

func TestProbe_NotHTTP(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			fmt.Fprintf(conn, "SSH-2.0-OpenSSH_9.9\r\n")
			conn.Close()
		}
	}()
	got, err := Probe(t.Context(), listener.Addr().String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got.State != PortBusy || !strings.Contains(got.Detail, "does not speak HTTP") {
		t.Errorf("got %+v", got)
	}
}

func TestProbe_Silent(t *testing.T) {
	t.Parallel() // it waits for seconds, as others here do
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	start := time.Now()
	got, err := Probe(t.Context(), listener.Addr().String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got.State != PortBusy || !strings.Contains(got.Detail, "did not answer HTTP within 5s") {
		t.Errorf("got %+v", got)
	}
	// One path is asked twice, and none of the others after that.
	if took := time.Since(start); took > 2*(engines.ProbeLimit+engines.Patience) {
		t.Errorf("took %v", took)
	}
}

// A server at work that answers one path late is not taken for one that has no models.
func TestProbe_Slow(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/version":
			fmt.Fprint(w, `{"version":"0.27.1"}`)
		case "/health":
		case "/v1/models":
			time.Sleep(engines.ProbeLimit + 200*time.Millisecond)
			fmt.Fprint(w, vllmModels)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(s.Close)
	got, err := Probe(t.Context(), s.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got.State != Ready || got.Engine != "vllm" || len(got.Models) != 1 {
		t.Errorf("got %+v", got)
	}
}

func TestProbe_BadAddress(t *testing.T) {
	for _, address := range []string{"ftp://x", "http://user:secret@127.0.0.1:8000", "http://", "http://a b"} {
		if _, err := Probe(t.Context(), address, nil); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", address, err)
		}
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("interrupted")
	cancel(why)
	if _, err := Probe(ctx, "http://127.0.0.1:1", nil); !errors.Is(err, why) {
		t.Errorf("a probe that was interrupted says %v", err)
	}
}

func TestScan(t *testing.T) {
	ollama := play(t, map[string]answer{
		"/": {200, "text/plain", "Ollama is running"}, "/api/version": js(`{"version":"0.6.5"}`),
		"/v1/models": js(`{"data":[{"id":"tiny:latest","owned_by":"library"}]}`), "/api/ps": js(`{"models":[]}`),
	}, answer{404, "text/plain", ""})
	busy := ollama.Listener.Addr().(*net.TCPAddr).Port
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free := listener.Addr().(*net.TCPAddr).Port
	listener.Close()

	found, err := Scan(t.Context(), free, busy)
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != 2 || found[0].State != NotRunning || found[1].Engine != "ollama" || found[1].Version != "0.6.5" {
		t.Errorf("got %+v", found)
	}
	if found, err = Scan(t.Context(), free); err != nil || found[0].State != NotRunning {
		t.Errorf("got %+v, %v", found, err)
	}
}

func TestCheckModel(t *testing.T) {
	f := Found{URL: "http://127.0.0.1:11434", State: Ready, Engine: "ollama",
		Models: []engines.Model{{ID: "phi3:latest"}, {ID: "qwen2.5:7b"}}}
	for _, name := range []string{"phi3", "phi3:latest", "qwen2.5:7b"} {
		if err := f.CheckModel(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	missing, ok := errors.AsType[*ModelNotFound](f.CheckModel("llama3"))
	if !ok || !strings.Contains(missing.Error(), `no model "llama3"; it has phi3:latest, qwen2.5:7b`) ||
		missing.Hint() != "run: ollama pull llama3" {
		t.Errorf("got %v", missing)
	}
	if err := (Found{State: Ready, Engine: "llamacpp", Models: []engines.Model{{ID: "a"}}}).CheckModel("b"); err != nil {
		t.Errorf("llama.cpp serves its model under any name: %v", err)
	}
	if err := (Found{State: Ready, Engine: "llamacpp", Models: []engines.Model{{ID: "a"},
		{ID: "c"}}}).CheckModel("b"); err == nil {
		t.Error("llama.cpp as a router does not")
	}
	if err := (Found{State: Ready, Engine: "vllm", URL: "http://x"}).CheckModel("b"); err == nil ||
		!strings.Contains(err.Error(), "lists none") {
		t.Errorf("got %v", err)
	}
}
