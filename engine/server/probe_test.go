package server

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"homellm/engine/engines"
)

// answer is one canned reply of a server. The bodies follow what each project documents or what
// was captured from it; the versions are in the names of the cases.
type answer struct {
	status int
	kind   string
	body   string
}

func js(body string) answer { return answer{200, "application/json", body} }

// play serves canned answers; anything else is what the project says of an unknown path.
func play(t *testing.T, routes map[string]answer, unknown answer) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.URL.Path != "/api/show" {
			t.Errorf("a probe sent %s %s: it must only ask", r.Method, r.URL)
		}
		a, ok := routes[r.URL.Path]
		if !ok {
			a = unknown
		}
		w.Header().Set("Content-Type", a.kind)
		w.WriteHeader(a.status)
		fmt.Fprint(w, a.body)
	}))
	t.Cleanup(s.Close)
	return s
}

var fastAPI404 = answer{404, "application/json", `{"detail":"Not Found"}`}

// what a list of routes says about an API
const (
	hasRoute = "its list of routes has it"
	noRoute  = "its list of routes does not have it"
)

const vllmModels = `{"object":"list","data":[{"id":"Qwen/Qwen2.5-7B-Instruct","object":"model","created":1779866853,"owned_by":"vllm","root":"Qwen/Qwen2.5-7B-Instruct","parent":null,"max_model_len":8192,"permission":[]}]}`

const smallMetrics = "# TYPE vllm:prompt_tokens_total counter\nvllm:prompt_tokens_total{model_name=\"m\"} 0.0\n# " +
	"TYPE vllm:cache_config_info gauge\nvllm:cache_config_info{block_size=\"1600\",enable_prefix_caching=\"True\"} 1.0\n"

var probeTests = []struct {
	name    string
	routes  map[string]answer
	unknown answer
	want    Found
	can     string // the capabilities that are there, sorted
	note    string
}{
	{
		name: "vLLM 0.27, dev mode",
		routes: map[string]answer{
			"/health": {200, "", ""}, "/version": js(`{"version":"0.27.1"}`), "/v1/models": js(vllmModels),
			"/metrics":      {200, "text/plain; version=0.0.4; charset=utf-8", smallMetrics},
			"/openapi.json": js(`{"openapi":"3.1.0","paths":{"/health":{},"/reset_prefix_cache":{"post":{}},"/v1/messages":{"post":{}}}}`),
			"/server_info":  js(`{"config":"..."}`), // dev mode has it as SGLang does
		},
		unknown: fastAPI404,
		want: Found{State: Ready, Engine: "vllm", Version: "0.27.1", BlockTokens: new(1600), ContextTokens: new(8192),
			Models: []engines.Model{{ID: "Qwen/Qwen2.5-7B-Instruct", Root: "Qwen/Qwen2.5-7B-Instruct",
				OwnedBy: "vllm", ContextTokens: new(8192)}}},
		can: "cache_report cache_reset cache_salt ignore_eos metrics server_timings tokenize usage",
	},
	{
		name: "vLLM 0.11 with --disable-log-stats",
		routes: map[string]answer{
			"/health": {200, "", ""}, "/version": js(`{"version":"0.11.0"}`), "/v1/models": js(vllmModels),
			"/metrics": {200, "text/plain", "# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds 1.0\n"},
		},
		unknown: fastAPI404,
		want: Found{State: Ready, Engine: "vllm", Version: "0.11.0", ContextTokens: new(8192),
			Models: []engines.Model{{ID: "Qwen/Qwen2.5-7B-Instruct", Root: "Qwen/Qwen2.5-7B-Instruct",
				OwnedBy: "vllm", ContextTokens: new(8192)}}},
		can: "cache_report cache_salt ignore_eos metrics tokenize usage",
	},
	{
		name: "vLLM behind a key",
		routes: map[string]answer{
			"/health": {200, "", ""}, "/version": js(`{"version":"0.17.0"}`), "/v1/models": {401, "application/json",
				`{"error":"Unauthorized"}`},
			"/metrics": {200, "text/plain", smallMetrics},
		},
		unknown: fastAPI404,
		want: Found{State: Locked, Engine: "vllm", Version: "0.17.0",
			Detail: "it wants an API key (/v1/models answers HTTP 401: Unauthorized)"},
		can: "cache_report cache_salt ignore_eos metrics server_timings tokenize usage",
	},
	{
		name: "vLLM whose engine died",
		routes: map[string]answer{
			"/health": {503, "", ""}, "/version": js(`{"version":"0.27.1"}`), "/v1/models": js(vllmModels),
		},
		unknown: fastAPI404,
		want: Found{State: Failing, Engine: "vllm", Version: "0.27.1", ContextTokens: new(8192),
			Detail: "/health answers HTTP 503: its engine has died; restart it and read its log",
			Models: []engines.Model{{ID: "Qwen/Qwen2.5-7B-Instruct", Root: "Qwen/Qwen2.5-7B-Instruct",
				OwnedBy: "vllm", ContextTokens: new(8192)}}},
		can: "cache_report cache_salt ignore_eos metrics server_timings tokenize usage",
	},
	{
		name: "llama.cpp b10488",
		routes: map[string]answer{
			"/":       {200, "text/html", "<!doctype html><title>llama.cpp</title>"},
			"/health": js(`{"status":"ok"}`),
			"/props": js(
				`{"default_generation_settings":{"n_ctx":8192,"params":{}},"total_slots":1,"model_path":"m.gguf","chat_template":"{{x}}","build_info":"b10488-abcdef"}`,
			),
			"/v1/models": js(
				`{"object":"list","data":[{"id":"qwen","object":"model","owned_by":"llamacpp","meta":{"n_ctx_train":32768,"n_params":7615616512}}]}`,
			),
			"/metrics": {
				501,
				"application/json",
				`{"error":{"code":501,"message":"This server does not support metrics endpoint. Start it with ` + "`--metrics`" + `","type":"not_supported_error"}}`,
			},
		},
		unknown: answer{
			404,
			"application/json",
			`{"error":{"code":404,"message":"File Not Found","type":"not_found_error"}}`,
		},
		want: Found{State: Ready, Engine: "llamacpp", Version: "b10488-abcdef", Slots: new(1), ContextTokens: new(8192),
			Models: []engines.Model{{ID: "qwen", File: "m.gguf", OwnedBy: "llamacpp", ContextTokens: new(8192),
				TrainedTokens: new(32768), Thoughts: new(false)}}},
		can: "cache_report cache_reset cache_salt ignore_eos server_timings tokenize usage",
	},
	{
		name: "llama.cpp b10434 behind a key, which lists its models to anyone",
		routes: map[string]answer{
			"/health": js(`{"status":"ok"}`),
			"/v1/models": js(
				`{"object":"list","data":[{"id":"qwen","object":"model","owned_by":"llamacpp","meta":{"n_ctx_train":32768}}]}`,
			),
		},
		unknown: answer{
			401,
			"application/json",
			`{"error":{"message":"Invalid API Key","type":"authentication_error","code":401}}`,
		},
		want: Found{State: Locked, Engine: "llamacpp", Detail: "it wants an API key (/props answers HTTP 401: Invalid API Key)",
			Models: []engines.Model{{ID: "qwen", OwnedBy: "llamacpp", TrainedTokens: new(32768)}}},
		can: "cache_report cache_reset cache_salt ignore_eos metrics server_timings tokenize usage",
	},
	{
		name: "llama.cpp behind a proxy that wants a key for what is not OpenAI's",
		routes: map[string]answer{
			"/health": js(`{"status":"ok"}`),
			"/v1/models": js(
				`{"object":"list","data":[{"id":"qwen","object":"model","owned_by":"llamacpp","meta":{"n_ctx_train":32768}}]}`,
			),
		},
		unknown: answer{401, "text/html", "<html><h1>401 Authorization Required</h1></html>"},
		want: Found{State: Ready, Engine: "llamacpp",
			Models: []engines.Model{{ID: "qwen", OwnedBy: "llamacpp", TrainedTokens: new(32768)}}},
		can: "cache_report cache_reset cache_salt ignore_eos server_timings tokenize usage",
	},
	{
		name: "LiteLLM 1.108 with a master key and without a database, asked without a key",
		routes: map[string]answer{
			"/v1/models":         {500, "text/plain", "Internal Server Error"},
			"/health/liveliness": js(`"I'm alive!"`),
		},
		unknown: fastAPI404,
		want: Found{State: Locked, Engine: "litellm",
			Detail: "it wants an API key (/v1/models answers HTTP 500: Internal Server Error)"},
		can:  "cache_salt usage",
		note: "it passes requests on",
	},
	{
		name: "LiteLLM 1.108 with a master key, asked with another one",
		routes: map[string]answer{
			"/v1/models": {400, "application/json",
				`{"error":{"message":"No connected db.","type":"no_db_connection","param":null,"code":"400"}}`},
			"/health/liveliness": js(`"I'm alive!"`),
		},
		unknown: fastAPI404,
		want: Found{State: Locked, Engine: "litellm",
			Detail: "it wants an API key (/v1/models answers HTTP 400: No connected db.)"},
		can:  "cache_salt usage",
		note: "it passes requests on",
	},
	{
		name: "Ollama that cannot read its models",
		routes: map[string]answer{
			"/": {200, "text/plain; charset=utf-8", "Ollama is running"}, "/api/version": js(`{"version":"0.33.0"}`),
			"/v1/models": {500, "application/json", `{"error":{"message":"open manifests: permission denied"}}`},
		},
		unknown: answer{404, "text/plain", "404 page not found"},
		want: Found{State: Failing, Engine: "ollama", Version: "0.33.0",
			Detail: "/v1/models answers HTTP 500: open manifests: permission denied"},
		can: "cache_reset cache_salt server_timings usage",
	},
	{
		name: "llama.cpp loading its model",
		unknown: answer{
			503,
			"application/json",
			`{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}`,
		},
		want: Found{State: StartingUp, Engine: "llamacpp", Detail: "it is loading its model"},
		can:  "cache_report cache_reset cache_salt ignore_eos metrics server_timings tokenize usage",
	},
	{
		name: "Ollama 0.33, half on the GPU",
		routes: map[string]answer{
			"/": {200, "text/plain; charset=utf-8", "Ollama is running"}, "/api/version": js(`{"version":"0.33.0"}`),
			"/v1/models": js(
				`{"object":"list","data":[{"id":"qwen2.5:7b","object":"model","created":1,"owned_by":"library"},{"id":"phi3:latest","object":"model","owned_by":"library"}]}`,
			),
			"/api/ps": js(
				`{"models":[{"name":"qwen2.5:7b","model":"qwen2.5:7b","size":8000,"size_vram":6000,"context_length":8192}]}`,
			),
			"/api/show": js(`{"parameters":"stop \"<|im_end|>\"\nnum_ctx                        300\ntemperature 0.7",` +
				`"model_info":{"general.architecture":"qwen2","qwen2.context_length":32768}}`),
		},
		unknown: answer{404, "text/plain", "404 page not found"},
		want: Found{State: Ready, Engine: "ollama", Version: "0.33.0", Models: []engines.Model{
			{ID: "qwen2.5:7b", OwnedBy: "library", ContextTokens: new(8192), DefaultTokens: new(300),
				TrainedTokens: new(32768), Loaded: new(true), GPUShare: new(0.75)},
			{ID: "phi3:latest", OwnedBy: "library", DefaultTokens: new(300), TrainedTokens: new(32768), Loaded: new(false)}}},
		can:  "cache_reset cache_salt server_timings usage",
		note: "75 % of qwen2.5:7b is in GPU memory",
	},
	{
		name: "Ollama 0.6.5 without a model",
		routes: map[string]answer{
			"/": {200, "text/plain", "Ollama is running"}, "/api/version": js(`{"version":"0.6.5"}`),
			"/v1/models": js(`{"object":"list","data":null}`), "/api/ps": js(`{"models":[]}`),
		},
		unknown: answer{404, "text/plain", "404 page not found"},
		want:    Found{State: Ready, Engine: "ollama", Version: "0.6.5"},
		can:     "cache_reset cache_salt server_timings usage",
		note:    "ollama pull",
	},
	{
		name: "SGLang 2026",
		routes: map[string]answer{
			"/health": {
				200,
				"",
				"",
			}, "/get_model_info": js(`{"model_path":"meta-llama/Llama-3.1-8B-Instruct","tokenizer_path":"x","is_generation":true}`),
			"/server_info": js(
				`{"version":"0.5.9","page_size":1,"max_running_requests":8,"enable_cache_report":false,"disable_radix_cache":false,"internal_states":[]}`,
			),
			"/v1/models": js(
				`{"object":"list","data":[{"id":"llama","object":"model","owned_by":"sglang","root":"llama","max_model_len":8192}]}`,
			),
		},
		unknown: fastAPI404,
		want: Found{State: Ready, Engine: "sglang", Version: "0.5.9", BlockTokens: new(1), Slots: new(8),
			ContextTokens: new(8192),
			Models:        []engines.Model{{ID: "llama", Root: "llama", OwnedBy: "sglang", ContextTokens: new(8192)}}},
		can:  "cache_report cache_reset cache_salt ignore_eos tokenize usage",
		note: "--enable-cache-report",
	},
	{
		name: "LM Studio, Apr 2026: 200 with an error text on unknown paths",
		routes: map[string]answer{
			"/v1/models": js(`{"object":"list","data":[{"id":"granite","object":"model","owned_by":"organization_owner"}]}`),
			"/api/v0/models": js(
				`{"object":"list","data":[{"id":"granite","object":"model","type":"llm","arch":"granite","state":"loaded","max_context_length":131072}]}`,
			),
			"/api/v1/models": js(
				`{"models":[{"key":"granite","loaded_instances":[{"id":"granite","config":{"context_length":4096}}]}]}`,
			),
		},
		unknown: answer{
			200,
			"application/json",
			`{"error":"Unexpected endpoint or method. (GET /version). Returning 200 anyway"}`,
		},
		want: Found{State: Ready, Engine: "lmstudio", ContextTokens: new(4096),
			Models: []engines.Model{{ID: "granite", OwnedBy: "organization_owner", ContextTokens: new(4096),
				TrainedTokens: new(131072), Loaded: new(true)}}},
		can: "cache_salt usage",
	},
	{
		name: "TabbyAPI, Aug 2026, which has a /props too",
		routes: map[string]answer{
			"/health": js(`{"status":"healthy"}`), "/props": js(`{"default_generation_settings":{"n_ctx":1},"total_slots":1}`),
			"/v1/models": js(
				`{"object":"list","data":[{"id":"other","object":"model","owned_by":"tabbyAPI"},{"id":"exl3","object":"model","owned_by":"tabbyAPI"}]}`,
			),
			"/v1/model": js(
				`{"id":"exl3","object":"model","owned_by":"tabbyAPI","parameters":{"max_seq_len":16384,"cache_size":16384,"max_batch_size":4}}`,
			),
		},
		unknown: fastAPI404,
		want: Found{State: Ready, Engine: "tabby", Slots: new(4), BlockTokens: new(256), Models: []engines.Model{
			{ID: "other", OwnedBy: "tabbyAPI", Loaded: new(false)},
			{ID: "exl3", OwnedBy: "tabbyAPI", Loaded: new(true), ContextTokens: new(16384)}}},
		can: "cache_salt ignore_eos server_timings tokenize usage",
	},
	{
		name: "KoboldCpp 1.76, which imitates Ollama",
		routes: map[string]answer{
			"/":                  {200, "text/html", "<html><title>KoboldAI Lite</title></html>"},
			"/api/extra/version": js(`{"result":"KoboldCpp","version":"1.76","protected":false}`),
			"/api/version": js(
				`{"version":"0.0.0"}`,
			), "/v1/models": js(`{"object":"list","data":[{"id":"koboldcpp/phi3","object":"model","owned_by":"koboldcpp"}]}`),
			"/api/extra/true_max_context_length": js(`{"value":8192}`),
		},
		unknown: answer{404, "text/html", "Error: HTTP Server is running, but this endpoint does not exist."},
		want: Found{State: Ready, Engine: "koboldcpp", Version: "1.76", ContextTokens: new(8192),
			Models: []engines.Model{{ID: "koboldcpp/phi3", OwnedBy: "koboldcpp", ContextTokens: new(8192)}}},
		can: "cache_salt ignore_eos tokenize",
	},
	{
		name: "anything OpenAI-compatible, with a /version of its own",
		routes: map[string]answer{
			"/version": js(
				`{"version":"9"}`,
			), "/v1/models": js(`{"object":"list","data":[{"id":"x","object":"model","owned_by":"me"}]}`),
		},
		unknown: fastAPI404,
		want:    Found{State: Ready, Engine: "openai", Models: []engines.Model{{ID: "x", OwnedBy: "me"}}},
		can:     "cache_salt usage",
	},
	{
		name:    "a web server",
		unknown: answer{200, "text/html", "<!DOCTYPE html><html><head><title>My router</title></head></html>"},
		want: Found{
			State:  PortBusy,
			Detail: `it is taken by a web server and shows a web page titled "My router"; it is not an LLM server that homellm knows`,
		},
	},
	{
		name:    "a JSON API with a version and no models",
		routes:  map[string]answer{"/version": js(`{"version":"1"}`)},
		unknown: fastAPI404,
		want:    Found{State: PortBusy, Detail: "it is taken by a web server; it is not an LLM server that homellm knows"},
	},
}

func TestProbe(t *testing.T) {
	for _, tt := range probeTests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := play(t, tt.routes, tt.unknown)
			got, err := Probe(t.Context(), s.URL+"/v1/", nil)
			if err != nil {
				t.Fatal(err)
			}
			var can []string
			for _, c := range got.Capabilities {
				if c.How == "" {
					t.Errorf("capability %s says nothing of how", c.Name)
				}
				if c.OK {
					can = append(can, c.Name)
				}
			}
			slices.Sort(can)
			if diff := cmp.Diff(tt.can, strings.Join(can, " ")); diff != "" {
				t.Errorf("capabilities (-want +got):\n%s", diff)
			}
			notes := strings.Join(got.Notes, "\n")
			if !strings.Contains(notes, tt.note) || tt.note == "" && notes != "" {
				t.Errorf("notes = %q, want %q", notes, tt.note)
			}
			apis := engines.Of(got.Engine).Serving(got.Version)
			if _, told := tt.routes["/openapi.json"]; told { // it takes precedence over the table
				apis = []engines.Capability{{Name: "responses", How: noRoute}, {Name: "messages", OK: true, How: hasRoute}}
			}
			if diff := cmp.Diff(apis, got.APIs); diff != "" {
				t.Errorf("APIs (-want +got):\n%s", diff)
			}
			tt.want.URL = s.URL
			got.APIs, got.Capabilities, got.Notes, got.Status = nil, nil, nil, 0
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("found (-want +got):\n%s", diff)
			}
		})
	}
}
