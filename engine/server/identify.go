package server

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// listed is the shape of /v1/models, with what the engines add to it.
type listed struct {
	Data []struct {
		ID          string `json:"id"`
		OwnedBy     string `json:"owned_by"`
		MaxModelLen *int   `json:"max_model_len"` // vLLM, SGLang
		Meta        *struct {
			Trained *int `json:"n_ctx_train"`
		} `json:"meta"` // llama.cpp
	} `json:"data"`
}

// models reads /v1/models into f and reports whether it was such a list.
func models(seen answers, f *Found) bool {
	var list listed
	if !seen["/v1/models"].into(&list) || list.Data == nil {
		return false
	}
	for _, m := range list.Data {
		found := Model{ID: m.ID, OwnedBy: m.OwnedBy, ContextTokens: m.MaxModelLen}
		if m.Meta != nil {
			found.TrainedTokens = m.Meta.Trained
		}
		f.Models = append(f.Models, found)
	}
	return true
}

// ownedBy reports whether /v1/models names an owner.
func ownedBy(seen answers, owners ...string) bool {
	var list listed
	return seen["/v1/models"].into(&list) && len(list.Data) > 0 &&
		slices.ContainsFunc(owners, func(o string) bool { return strings.EqualFold(list.Data[0].OwnedBy, o) })
}

// locked notes that the list of models wants a key.
func locked(seen answers, f *Found) bool {
	status := seen["/v1/models"].status
	if status != http.StatusUnauthorized && status != http.StatusForbidden {
		return false
	}
	f.Notes = append(f.Notes, fmt.Sprintf("/v1/models wants an API key (HTTP %d): set api_key in the profile", status))
	return true
}

// version reads the version of a {"version": "…"} reply.
func version(r reply) (string, bool) {
	var body struct {
		Version string `json:"version"`
	}
	return body.Version, r.into(&body) && body.Version != ""
}

func identifyKobold(seen answers, f *Found) bool {
	var body struct {
		Result  string `json:"result"`
		Version string `json:"version"`
	}
	if !seen["/api/extra/version"].into(&body) || !strings.HasPrefix(strings.ToLower(body.Result), "koboldcpp") {
		return false
	}
	f.Version = body.Version
	models(seen, f)
	return true
}

func detailsKobold(ctx context.Context, client *http.Client, f *Found) {
	var context struct {
		Value int `json:"value"`
	}
	if call(ctx, client, http.MethodGet, f.URL+"/api/extra/true_max_context_length", nil, probeLimit).into(&context) && context.Value > 0 {
		for i := range f.Models {
			f.Models[i].ContextTokens = &context.Value
		}
	}
}

func identifyTabby(seen answers, f *Found) bool {
	var loaded struct {
		ID         string `json:"id"`
		Parameters *struct {
			MaxSeqLen    *int `json:"max_seq_len"`
			MaxBatchSize *int `json:"max_batch_size"`
		} `json:"parameters"`
	}
	current := seen["/v1/model"].into(&loaded) && loaded.Parameters != nil
	if !current && !ownedBy(seen, "tabbyAPI") {
		return false
	}
	models(seen, f)
	yes, no := true, false
	for i := range f.Models {
		f.Models[i].Loaded = &no
		if current && f.Models[i].ID == loaded.ID {
			f.Models[i].Loaded, f.Models[i].ContextTokens = &yes, loaded.Parameters.MaxSeqLen
		}
	}
	if !current {
		f.Notes = append(f.Notes, "no model is loaded")
		return true
	}
	if _, ok := f.Model(loaded.ID); !ok {
		f.Models = append(f.Models, Model{ID: loaded.ID, OwnedBy: "tabbyAPI", Loaded: &yes, ContextTokens: loaded.Parameters.MaxSeqLen})
	}
	f.Slots = loaded.Parameters.MaxBatchSize
	block := 256 // ExLlama's cache pages
	f.BlockTokens = &block
	return true
}

func identifyLMStudio(seen answers, f *Found) bool {
	var list struct {
		Data []struct {
			ID      string `json:"id"`
			State   string `json:"state"`
			Trained *int   `json:"max_context_length"`
			Context *int   `json:"loaded_context_length"`
		} `json:"data"`
	}
	// LM Studio answers 200 with an error text on paths it does not know, so only the shape counts.
	native := seen["/api/v0/models"].into(&list) && len(list.Data) > 0 && list.Data[0].State != ""
	if !native && !ownedBy(seen, "organization_owner") {
		return false
	}
	if !native {
		models(seen, f)
		return true
	}
	for _, m := range list.Data {
		loaded := m.State == "loaded"
		f.Models = append(f.Models, Model{ID: m.ID, OwnedBy: "organization_owner", TrainedTokens: m.Trained, ContextTokens: m.Context, Loaded: &loaded})
	}
	if !slices.ContainsFunc(f.Models, func(m Model) bool { return *m.Loaded }) {
		f.Notes = append(f.Notes, "no model is loaded: the first request would load one, and its time would count as TTFT; run: lms load")
	}
	return true
}

func detailsLMStudio(ctx context.Context, client *http.Client, f *Found) {
	var list struct {
		Models []struct {
			Key       string `json:"key"`
			Instances []struct {
				ID     string `json:"id"`
				Config struct {
					Context *int `json:"context_length"`
				} `json:"config"`
			} `json:"loaded_instances"`
		} `json:"models"`
	}
	if !call(ctx, client, http.MethodGet, f.URL+"/api/v1/models", nil, probeLimit).into(&list) {
		return
	}
	for _, m := range list.Models {
		for _, instance := range m.Instances {
			for i := range f.Models {
				if f.Models[i].ID == instance.ID || f.Models[i].ID == m.Key {
					f.Models[i].ContextTokens = instance.Config.Context
				}
			}
		}
	}
}

func identifyOllama(seen answers, f *Found) bool {
	v, ok := version(seen["/api/version"])
	root := seen["/"]
	if !ok || !strings.Contains(string(root.body), "Ollama is running") && !ownedBy(seen, "library") {
		return false
	}
	f.Version = v
	models(seen, f)
	if len(f.Models) == 0 {
		f.Notes = append(f.Notes, "it has no model: run: ollama pull NAME")
	}
	return true
}

func detailsOllama(ctx context.Context, client *http.Client, f *Found) {
	running, err := ollamaRunning(ctx, client, f.URL)
	if err != nil {
		f.Notes = append(f.Notes, "which models are loaded is unknown: "+err.Error())
		return
	}
	for i := range f.Models {
		m := &f.Models[i]
		loaded := false
		for _, r := range running {
			if r.Name != m.ID {
				continue
			}
			loaded = true
			m.ContextTokens = r.ContextTokens
			if share, ok := r.GPUShare(); ok {
				m.GPUShare = &share
				if share < 1 {
					f.Notes = append(f.Notes, fmt.Sprintf("%.0f %% of %s is in GPU memory; the rest runs on the CPU", 100*share, m.ID))
				}
			}
		}
		m.Loaded = &loaded
	}
}

func identifySim(seen answers, f *Found) bool {
	var body struct {
		Version    string `json:"version"`
		Simulation string `json:"simulation"`
	}
	// The simulator plays vLLM in everything but this header, which all its replies carry.
	marked := false
	for _, r := range seen {
		marked = marked || r.header.Get("Server") == "homellm-sim"
	}
	if !marked {
		return false
	}
	f.Simulated = true
	if seen["/version"].into(&body) {
		f.Version, f.Simulation = body.Version, body.Simulation
	}
	if r := seen["/health"]; r.status == http.StatusServiceUnavailable {
		f.State, f.Detail = StartingUp, "/health answers HTTP 503"
		return true
	}
	models(seen, f)
	locked(seen, f)
	return true
}

func identifySGLang(seen answers, f *Found) bool {
	var info struct {
		ModelPath string `json:"model_path"`
	}
	native := seen["/get_model_info"].into(&info) && info.ModelPath != ""
	if !native && !ownedBy(seen, "sglang") {
		return false
	}
	models(seen, f)
	if r := seen["/health"]; r.status == http.StatusServiceUnavailable {
		f.State, f.Detail = StartingUp, "/health answers HTTP 503"
	}
	return true
}

func detailsSGLang(ctx context.Context, client *http.Client, f *Found) {
	seen := ask(ctx, client, f.URL, patience, "/server_info", "/get_server_info", "/metrics")
	info := seen["/server_info"]
	if !info.ok() {
		info = seen["/get_server_info"] // the name until 2025
	}
	var body struct {
		Version      string `json:"version"`
		PageSize     *int   `json:"page_size"`
		MaxRunning   *int   `json:"max_running_requests"`
		CacheReport  *bool  `json:"enable_cache_report"`
		DisableRadix *bool  `json:"disable_radix_cache"`
	}
	if info.into(&body) {
		f.Version, f.BlockTokens, f.Slots = body.Version, body.PageSize, body.MaxRunning
		if body.CacheReport != nil && !*body.CacheReport {
			f.Notes = append(f.Notes, "cached tokens are not in its replies: start SGLang with --enable-cache-report")
		}
		if body.DisableRadix != nil && *body.DisableRadix {
			f.Notes = append(f.Notes, "its prefix cache is switched off (--disable-radix-cache)")
		}
	}
	if err := exposition(seen["/metrics"]); err != nil {
		f.Capabilities = append(f.Capabilities, Capability{"metrics", false, "start SGLang with --enable-metrics (" + err.Error() + ")"},
			Capability{"server_timings", false, "they come from /metrics, which is not there"})
	}
}

func identifyLlama(seen answers, f *Found) bool {
	props := seen["/props"]
	var body Props
	if props.into(&body) && (body.Defaults != nil || body.BuildInfo != "") {
		f.Version, f.Slots = body.BuildInfo, body.TotalSlots
		models(seen, f)
		locked(seen, f)
		if body.Defaults != nil {
			for i := range f.Models {
				f.Models[i].ContextTokens = body.Defaults.ContextTokens
			}
		}
		return true
	}
	// While it loads the model it listens and answers 503 to everything.
	for _, path := range []string{"/health", "/props", "/v1/models"} {
		if r := seen[path]; r.err == nil && r.status == http.StatusServiceUnavailable && strings.EqualFold(r.message(), "Loading model") {
			f.State, f.Detail = StartingUp, "it is loading its model"
			return true
		}
	}
	if ownedBy(seen, "llamacpp") {
		models(seen, f)
		return true
	}
	return false
}

func detailsLlama(ctx context.Context, client *http.Client, f *Found) {
	seen := ask(ctx, client, f.URL, patience, "/metrics")
	if err := exposition(seen["/metrics"]); err != nil {
		f.Capabilities = append(f.Capabilities, Capability{"metrics", false, "start llama-server with --metrics (" + err.Error() + ")"})
	}
	for _, m := range f.Models {
		if m.ContextTokens != nil && m.TrainedTokens != nil && *m.ContextTokens > *m.TrainedTokens {
			f.Notes = append(f.Notes, fmt.Sprintf("%s is served with %d tokens of context and was trained for %d", m.ID, *m.ContextTokens, *m.TrainedTokens))
		}
	}
}

func identifyVLLM(seen answers, f *Found) bool {
	v, ok := version(seen["/version"])
	if !ok {
		return false
	}
	// Others have a /version as well: the list of models must be vLLM's, empty, or locked.
	if !ownedBy(seen, "vllm") {
		var list listed
		empty := seen["/v1/models"].into(&list) && list.Data != nil && len(list.Data) == 0
		if !empty && !locked(seen, f) {
			return false
		}
	}
	f.Version = v
	models(seen, f)
	if r := seen["/health"]; r.err == nil && r.status == http.StatusServiceUnavailable {
		f.State, f.Detail = Failing, "/health answers HTTP 503: its engine has died; restart it and read its log"
	}
	return true
}

func detailsVLLM(ctx context.Context, client *http.Client, f *Found) {
	seen := ask(ctx, client, f.URL, patience, "/metrics", "/openapi.json")
	var routes struct {
		Paths map[string]json.RawMessage `json:"paths"`
	}
	if seen["/openapi.json"].into(&routes) && slices.Contains(slices.Collect(maps.Keys(routes.Paths)), "/reset_prefix_cache") {
		f.Capabilities = append(f.Capabilities, Capability{"cache_reset", true, "/reset_prefix_cache, whose effect the run verifies"})
	}
	shot, err := parse(seen["/metrics"])
	if err != nil {
		f.Capabilities = append(f.Capabilities, Capability{"metrics", false, "/metrics is not there: " + err.Error()},
			Capability{"server_timings", false, "they come from /metrics, which is not there"})
		return
	}
	if block, ok := shot.BlockTokens(); ok {
		f.BlockTokens = &block
	}
	if shot.CacheOff() {
		f.Notes = append(f.Notes, "its prefix cache is switched off (--no-enable-prefix-caching)")
	}
	if !shot.has("vllm:prompt_tokens") {
		f.Capabilities = append(f.Capabilities,
			Capability{"server_timings", false, "its /metrics has no engine counters: it was started with --disable-log-stats; start it without"})
	}
}

func identifyOpenAI(seen answers, f *Found) bool {
	if models(seen, f) {
		return true
	}
	// An API that wants a key before it says anything: JSON, and a refusal where the list would be.
	r := seen["/v1/models"]
	return r.err == nil && !r.html() && json.Valid(r.body) && len(r.body) > 0 && locked(seen, f)
}
