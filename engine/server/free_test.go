package server

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

// asked records which paths a server is asked for.
type asked struct {
	mu    sync.Mutex
	paths []string
}

// seen is what has been asked so far: a request that was given up may still come in.
func (a *asked) seen() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.paths)
}

// recorded serves canned answers with extra headers, and records what it is asked for.
func recorded(t *testing.T, routes map[string]answer, unknown answer, header http.Header) (string, *asked) {
	t.Helper()
	var got asked
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got.mu.Lock()
		if r.Method == http.MethodGet {
			got.paths = append(got.paths, r.URL.RequestURI())
		}
		got.mu.Unlock()
		if r.Method != http.MethodGet && r.URL.Path != "/api/show" {
			t.Errorf("a probe sent %s %s: it must only ask", r.Method, r.URL)
		}
		a, ok := routes[r.URL.RequestURI()]
		if !ok {
			a = unknown
		}
		maps.Copy(w.Header(), header)
		w.Header().Set("Content-Type", a.kind)
		w.WriteHeader(a.status)
		fmt.Fprint(w, a.body)
	}))
	t.Cleanup(s.Close)
	return s.URL, &got
}

// LiteLLM answers /health with a completion of every model, and SGLang with a token: looking at a server makes none of
// them work, whatever it turns out to be.
func TestProbe_AsksForNothingThatGenerates(t *testing.T) {
	free := []string{"vllm", "llamacpp"} // whose /health costs nothing
	for _, tt := range probeTests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			address, got := recorded(t, tt.routes, tt.unknown, nil)
			if _, err := Probe(t.Context(), address, nil); err != nil {
				t.Fatal(err)
			}
			paths := got.seen()
			for _, path := range paths {
				if strings.Contains(path, "generate") || path == "/health" && !slices.Contains(free, tt.want.Engine) {
					t.Errorf("%q was asked for %s", tt.want.Engine, path)
				}
			}
			once := slices.Clone(paths)
			slices.Sort(once)
			if len(slices.Compact(once)) != len(paths) {
				t.Errorf("a path was asked for twice: %q", paths)
			}
		})
	}
}

// A sign that only one engine gives ends the questions.
func TestProbe_StopsAtASureSign(t *testing.T) {
	swagger := answer{200, "text/html", "<!DOCTYPE html><html><title>LiteLLM API - Swagger UI</title></html>"}
	openAI := js(`{"object":"list","data":[{"id":"smol","object":"model","owned_by":"openai"}]}`)
	for _, tt := range []struct {
		name   string
		routes map[string]answer
		header http.Header
		engine string
		asked  string
	}{
		{
			"llama.cpp says its name", map[string]answer{
				"/v1/models": js(`{"data":[{"id":"m","owned_by":"llamacpp","meta":{"n_ctx_train":8192}}]}`),
				"/props":     js(`{"default_generation_settings":{"n_ctx":4096},"total_slots":1,"build_info":"b1"}`),
			}, http.Header{"Server": {"llama.cpp"}}, "llamacpp", "/v1/models /metrics /props",
		},
		{
			"llama.cpp behind a key", map[string]answer{"/v1/models": {401, "application/json", `{"error":{"code":401}}`}},
			http.Header{"Server": {"llama.cpp"}}, "llamacpp", "/v1/models /props",
		},
		{
			"LiteLLM with its headers", map[string]answer{"/v1/models": openAI},
			http.Header{"X-Litellm-Version": {"1.70.0"}}, "litellm", "/v1/models",
		},
		{
			"LiteLLM 1.108, which has none", map[string]answer{"/v1/models": openAI, "/": swagger}, nil, "litellm",
			"/v1/models / /api/extra/version /api/v0/models /api/version /engines/v1/models /get_model_info " +
				"/health/liveliness /model_info /props /system /v1/model /version",
		},
		{
			"KoboldCpp is not taken for Ollama", map[string]answer{
				"/v1/models":         js(`{"data":[{"id":"k","owned_by":"koboldcpp"}]}`),
				"/api/extra/version": js(`{"result":"KoboldCpp","version":"1.99"}`),
				"/api/version":       js(`{"version":"0.0.0"}`), "/": {200, "text/plain", "Ollama is running"},
			}, nil, "koboldcpp", "/v1/models /api/extra/true_max_context_length /api/extra/version",
		},
		{
			"the simulator", map[string]answer{"/v1/models": js(`{"data":[{"id":"m","owned_by":"vllm"}]}`),
				"/version": js(`{"version":"1","simulation":"x"}`), "/health": {200, "", ""}},
			http.Header{"Server": {"homellm-sim"}}, "sim", "/v1/models /health /metrics /openapi.json /version",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			address, got := recorded(t, tt.routes, fastAPI404, tt.header)
			found, err := Probe(t.Context(), address, nil)
			if err != nil {
				t.Fatal(err)
			}
			paths := got.seen()
			slices.Sort(paths[1:]) // those of a round are asked for at the same time
			if have := strings.Join(paths, " "); found.Engine != tt.engine || have != tt.asked {
				t.Errorf("found %s and asked for %s\nwant %s and %s", found.Engine, have, tt.engine, tt.asked)
			}
		})
	}
}

// The servers that load on demand, as their sources and pages describe them: which of them it is, and which of their
// models are in memory.
func TestProbe_OnDemand(t *testing.T) {
	html := func(title string) answer {
		return answer{200, "text/html", "<html><title>" + title + "</title></html>"}
	}
	for _, tt := range []struct {
		name   string
		routes map[string]answer
		header http.Header
		want   string // engine, version and models; ! marks those in memory, ? those of which it is not known
		suffix string // of the address
	}{
		{name: "llama-swap", routes: map[string]answer{
			"/v1/models":   js(`{"data":[{"id":"a","owned_by":"llama-swap"},{"id":"b","owned_by":"llama-swap"}]}`),
			"/running":     js(`{"running":[{"model":"b","state":"ready"}]}`),
			"/api/version": js(`{"version":"172","commit":"abc"}`),
		}, want: "llama-swap 172 a b!"},
		{name: "llama-swap that tells in its list", routes: map[string]answer{
			"/v1/models": js(`{"data":[{"id":"a","owned_by":"llama-swap","status":{"value":"unloaded"}},` +
				`{"id":"b","owned_by":"llama-swap","status":{"value":"ready"}}]}`),
		}, want: "llama-swap  a b!"},
		{name: "LocalAI, which imitates Ollama", routes: map[string]answer{
			"/v1/models":   js(`{"object":"list","data":[{"id":"a","object":"model"},{"id":"b","object":"model"}]}`),
			"/version":     js(`{"version":"v3.5.0"}`),
			"/system":      js(`{"backends":["llama-cpp"],"loaded_models":[{"id":"a"}]}`),
			"/api/version": js(`{"version":"0.9.0"}`), "/": {200, "text/plain", "Ollama is running"},
		}, want: "localai v3.5.0 a! b"},
		{name: "MLX-LM", routes: map[string]answer{
			"/v1/models": js(`{"object":"list","data":[{"id":"mlx-community/Qwen3-4B-4bit","object":"model","created":1}]}`),
		}, header: http.Header{"Server": {"BaseHTTP/0.6 Python/3.12.4"}}, want: "mlx-lm  mlx-community/Qwen3-4B-4bit?"},
		{name: "another server of Python's", routes: map[string]answer{
			"/v1/models": js(`{"object":"list","data":[{"id":"m","object":"model","created":1}]}`),
		}, header: http.Header{"Server": {"BaseHTTP/0.6 Python/3.12.4"}}, want: "openai  m?"},
		{name: "Docker Model Runner", routes: map[string]answer{
			"/v1/models": js(`{"object":"list","data":[{"id":"docker.io/ai/smollm2","owned_by":"docker"}]}`),
		}, want: "docker-model-runner  docker.io/ai/smollm2?"},
		{name: "Docker Model Runner, older", routes: map[string]answer{
			"/engines/v1/models": js(`{"object":"list","data":[{"id":"ai/smollm2","owned_by":"docker"}]}`),
		}, want: "docker-model-runner  ai/smollm2?", suffix: "/engines"},
		{name: "Lemonade", routes: map[string]answer{
			"/v1/models": js(`{"data":[{"id":"Qwen3-4B","owned_by":"lemonade"},{"id":"Phi-4","owned_by":"lemonade"}]}`),
			"/v1/health": js(`{"status":"ok","version":"9.1.0","all_models_loaded":[{"model_name":"Phi-4","recipe_options":` +
				`{"ctx_size":4096}}]}`),
		}, want: "lemonade 9.1.0 Qwen3-4B Phi-4!"},
		{name: "Jan", routes: map[string]answer{
			"/v1/models": js(`{"object":"list","data":[{"id":"jan-v3","object":"model"}]}`), "/": html("Jan API"),
		}, want: "jan  jan-v3?"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			address, got := recorded(t, tt.routes, fastAPI404, tt.header)
			found, err := Probe(t.Context(), address, nil)
			if err != nil {
				t.Fatal(err)
			}
			said := found.Engine + " " + found.Version
			for _, m := range found.Models {
				said += " " + m.ID
				switch {
				case m.Loaded == nil:
					said += "?"
				case *m.Loaded:
					said += "!"
				}
			}
			if said != tt.want || found.State != Ready || found.URL != address+tt.suffix {
				t.Errorf("%s at %s: %q, want %q", found.State, found.URL, said, tt.want)
			}
			for _, path := range got.seen() {
				if path == "/health" {
					t.Errorf("asked for %q", path)
				}
			}
		})
	}
}
