package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"homellm/engine/engines"
)

// router answers like a llama-server that was started without a model (b11434): a model is loaded by a request for it,
// unless that says otherwise.
type router struct {
	mu     sync.Mutex
	loaded map[string]bool
	none   bool // a load ends without a model
	broken bool
}

// hasA reports whether model a is loaded.
func (x *router) hasA() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.loaded["a"]
}

func (x *router) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x.mu.Lock()
	defer x.mu.Unlock()
	w.Header().Set("Server", "llama.cpp")
	w.Header().Set("Content-Type", "application/json")
	model := r.URL.Query().Get("model")
	if r.Method == http.MethodPost {
		var body struct{ Model string }
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		model = body.Model
	}
	if model != "" && !x.loaded[model] && !strings.HasPrefix(r.URL.Path, "/models/") {
		if r.URL.Query().Get("autoload") == "false" {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"error":{"code":400,"message":"model is not loaded","type":"invalid_request_error"}}`)
			return
		}
		x.loaded[model] = true
	}
	switch path := r.URL.Path; {
	case path == "/v1/models":
		state := func(id string) string {
			switch {
			case x.loaded[id]:
				return `{"value":"loaded"},"meta":{"n_ctx":8192,"n_ctx_train":8192}`
			case x.broken:
				return `{"value":"unloaded","failed":true}`
			}
			return `{"value":"unloaded"}`
		}
		fmt.Fprintf(w, `{"object":"list","data":[{"id":"a","owned_by":"llamacpp","status":%s},`+
			`{"id":"b","owned_by":"llamacpp","status":%s}]}`, state("a"), state("b"))
	case path == "/props" && model == "":
		fmt.Fprint(w, `{"role":"router","default_generation_settings":{"params":null,"n_ctx":0},"build_info":"b11434"}`)
	case path == "/props":
		fmt.Fprint(w, `{"default_generation_settings":{"n_ctx":4096},"total_slots":2}`)
	case path == "/metrics" && model == "":
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"error":{"code":400,"message":"model name is missing from the request"}}`)
	case path == "/metrics":
		fmt.Fprint(w, "# TYPE llamacpp:prompt_tokens_total counter\nllamacpp:prompt_tokens_total 7\n")
	case path == "/models/load":
		x.broken = x.none
		x.loaded[model] = !x.none
		fmt.Fprint(w, `{"success":true}`)
	case path == "/models/unload":
		delete(x.loaded, model)
		fmt.Fprint(w, `{"success":true}`)
	case path == "/apply-template":
		fmt.Fprint(w, `{"prompt":"<user>x"}`)
	case path == "/tokenize":
		fmt.Fprint(w, `{"tokens":[1,2,3]}`)
	default:
		http.NotFound(w, r)
	}
}

// Looking at a router loads nothing and takes no context of 0 for one; a model is asked of by its name.
func TestRouter(t *testing.T) {
	x := &router{loaded: map[string]bool{"b": true}}
	web := httptest.NewServer(x)
	t.Cleanup(web.Close)
	found, err := Probe(t.Context(), web.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []engines.Model{
		{ID: "a", OwnedBy: "llamacpp", Loaded: new(false)},
		{ID: "b", OwnedBy: "llamacpp", Loaded: new(true), ContextTokens: new(4096), TrainedTokens: new(8192)},
	}
	if diff := cmp.Diff(want, found.Models); diff != "" {
		t.Errorf("models (-want +got):\n%s", diff)
	}
	if found.Engine != "llamacpp-router" || found.Version != "b11434" || found.State != Ready || !found.Can("metrics") ||
		found.Can("cache_reset") || x.hasA() {
		t.Errorf("found %+v, loaded %v", found, x.loaded)
	}
	if n, ok := found.Context("a"); ok {
		t.Errorf("a model that is not loaded has a context of %d", n)
	}
	side, err := NewSide(Config{BaseURL: web.URL, Engine: found.Engine, Model: "a"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := side.Metrics(t.Context()); err == nil || !strings.Contains(err.Error(), "model is not loaded") {
		t.Errorf("metrics of a model that is not loaded: %v", err)
	}
	was, err := side.InMemory(t.Context())
	if err != nil || was != nil {
		t.Errorf("in memory: %+v, %v", was, err)
	}
	if err := side.Preload(t.Context()); err != nil || !x.hasA() {
		t.Errorf("loading: %v", err)
	}
	is, err := side.InMemory(t.Context())
	if err != nil || is == nil || is.ContextTokens == nil || *is.ContextTokens != 4096 {
		t.Errorf("in memory: %+v, %v", is, err)
	}
	if _, err := side.Metrics(t.Context()); err != nil {
		t.Errorf("metrics: %v", err)
	}
	if ids, err := side.Tokenize(t.Context(), []engines.Message{{Role: "user", Content: "x"}}); err != nil ||
		len(ids) != 3 {
		t.Errorf("tokens %v, %v", ids, err)
	}
	if err := side.Restore(t.Context(), is); err != nil || !x.hasA() {
		t.Errorf("a model that was loaded is unloaded: %v", err)
	}
	if err := side.Restore(t.Context(), nil); err != nil || x.hasA() {
		t.Errorf("a model that was not loaded stays: %v", err)
	}
	x.none = true
	if err := side.Preload(t.Context()); err == nil || !strings.Contains(err.Error(), "its server ended") {
		t.Errorf("a model that cannot be loaded: %v", err)
	}
}
