package engines

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// llamaRouter is llama-server started without a model: it starts a process for each model that a request names.
var llamaRouter = Engine{
	Name: "llamacpp-router", Title: "llama.cpp's router",
	Models: Models{OnDemand: true},
	API: API{
		Paths: []string{"/props"}, Identify: identifyLlamaRouter, Details: detailsLlamaRouter, Tokenize: tokenizeLlama,
		Load: loadLlamaRouter, Loaded: loadedLlamaRouter, Restore: restoreLlamaRouter,
	},
	APIs: llamaAPIs,
	Keys: asLlamaRouter(), Ignored: llamaIgnores,
	Capabilities: []Capability{
		usageInReply,
		{"cache_report", true, "timings.cache_n; proven by a self-test before a run"},
		{"cache_reset", false, "the router has none for a single model; restart it, or isolate with cache: salt"},
		saltInMessage,
		{"tokenize", true, "/apply-template and /tokenize of a loaded model"},
		{"metrics", true, "/metrics of a loaded model, with --metrics"},
		{"server_timings", true, "the timings block of every reply"},
		ignoreEOS,
	},
	Metrics: ofModel(llamaCPP.Metrics),
	Prompt:  llamaCPP.Prompt,
	Launch:  Launch{Memory: llamaCPP.Launch.Memory, Flags: llamaFlags},
	Hints:   Hints{Start: "llama-server --models-dir FOLDER --metrics", StartReporting: ""},
	Docs: []Row{{Tokens: "reply", Cached: "timings (`cache_n`)", Times: "timings: prefill, decode",
		Reusable: "exact, once the model is loaded", Reset: "–", Salt: "first message"}},
}

// withoutLoading is the path of one model's side channel that does not load the model.
func withoutLoading(path, model string) string {
	return path + "?" + url.Values{"model": {model}, "autoload": {"false"}}.Encode()
}

// ofModel are the metrics that each model has.
func ofModel(m *Metrics) *Metrics {
	own := *m
	own.Of = func(model string) string { return withoutLoading(m.Path, model) }
	return &own
}

func identifyLlamaRouter(seen Responses, f *Facts) bool {
	var props struct {
		Role      string `json:"role"`
		BuildInfo string `json:"build_info"`
	}
	if !seen["/props"].into(&props) || props.Role != "router" {
		return false
	}
	f.Version = props.BuildInfo
	models(seen, f)
	return true
}

// detailsLlamaRouter asks the loaded models for what only they report.
func detailsLlamaRouter(ctx context.Context, s Server, f *Facts) {
	scraped := false
	for i := range f.Models {
		m := &f.Models[i]
		if m.Loaded == nil || !*m.Loaded {
			continue
		}
		if n, ok := slotContext(ctx, s, m.ID); ok {
			m.ContextTokens = &n
		}
		if scraped {
			continue
		}
		r := s.Call(ctx, http.MethodGet, withoutLoading("/metrics", m.ID), nil, Patience)
		if _, err := s.Exposition(r); err != nil {
			f.can(Capability{"metrics", false, "start llama-server with --metrics (" + err.Error() + ")"})
		}
		scraped = true
	}
}

// slotContext is the context of a loaded model's slots; the list of models has it for all slots together.
func slotContext(ctx context.Context, s Server, model string) (int, bool) {
	var props llamaProps
	r := s.Call(ctx, http.MethodGet, withoutLoading("/props", model), nil, ProbeLimit)
	if !r.into(&props) || props.Defaults == nil || upTo(props.Defaults.ContextTokens, mostTokens) == nil {
		return 0, false
	}
	return *props.Defaults.ContextTokens, true
}

// routed asks for the state of every model.
func routed(ctx context.Context, s Server) (listed, error) {
	var list listed
	r, err := get(ctx, s, "/v1/models")
	if err == nil && !r.into(&list) {
		err = fmt.Errorf("the reply is no list of models: %s", shorten(string(r.Body), 200))
	}
	if err != nil {
		return listed{}, fmt.Errorf("reading /v1/models: %w", err)
	}
	return list, nil
}

func loadedLlamaRouter(ctx context.Context, s Server) ([]LoadedModel, error) {
	list, err := routed(ctx, s)
	if err != nil {
		return nil, err
	}
	var out []LoadedModel
	for _, m := range list.Data {
		if m.Status == nil || !m.Status.loaded() {
			continue
		}
		one := LoadedModel{Name: m.ID}
		if n, ok := slotContext(ctx, s, m.ID); ok {
			one.ContextTokens = &n
		}
		out = append(out, one)
	}
	return out, nil
}

// loadLlamaRouter loads a model and waits until it is loaded.
func loadLlamaRouter(ctx context.Context, s Server, t Target) error {
	ctx, cancel := context.WithTimeout(ctx, loadLimit)
	defer cancel()
	asked := false
	for {
		list, err := routed(ctx, s)
		if err != nil {
			return fmt.Errorf("loading %s: %w", t.Model, err)
		}
		state, failed := list.state(t.Model)
		switch {
		case state.loaded():
			return nil
		case failed && asked:
			return fmt.Errorf("loading %s: its server ended", t.Model)
		case !asked && state.unloaded():
			if _, err := post(ctx, s, "/models/load", map[string]any{"model": t.Model}); err != nil {
				return fmt.Errorf("loading %s: %w", t.Model, err)
			}
		}
		asked = true
		select {
		case <-ctx.Done():
			return fmt.Errorf("loading %s: %w", t.Model, context.Cause(ctx))
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// restoreLlamaRouter unloads a model that was not loaded before.
func restoreLlamaRouter(ctx context.Context, s Server, t Target, was *LoadedModel) error {
	if was != nil {
		return nil
	}
	_, err := post(ctx, s, "/models/unload", map[string]any{"model": t.Model})
	if status, ok := errors.AsType[*StatusError](err); ok && status.Status == http.StatusBadRequest {
		return nil // it was unloaded meanwhile
	}
	return err
}
