package prompt

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"homellm/dsl"
	"homellm/engine/engines"
	"homellm/engine/wire"
)

// TestTurn_Keys holds that keys of a request go where the engine reads them on the API at hand, that nothing else is
// sent, and that the rest is told.
func TestTurn_Keys(t *testing.T) {
	asked := dsl.Sampling{Model: "my-lora", Numbers: map[string]float64{"top_k": 40, "min_p": 0.05,
		"repeat_penalty": 1.1, "presence_penalty": 0.5, "frequency_penalty": -0.5, "thinking_budget": 64}}
	penalties := map[string]any{"presence_penalty": 0.5, "frequency_penalty": -0.5}
	with := func(more map[string]any) map[string]any {
		maps.Copy(more, penalties)
		return more
	}
	for _, tt := range []struct {
		engine string
		api    wire.API
		want   map[string]any
		unkept []string
	}{
		{"vllm", "", with(map[string]any{"model": "my-lora", "top_k": 40.0, "min_p": 0.05, "repetition_penalty": 1.1,
			"thinking_token_budget": 64.0}), nil},
		{"sim", wire.Chat, with(map[string]any{"model": "my-lora", "top_k": 40.0, "min_p": 0.05, "repetition_penalty": 1.1,
			"thinking_token_budget": 64.0}), nil},
		{"llamacpp", "", with(map[string]any{"top_k": 40.0, "min_p": 0.05, "repeat_penalty": 1.1,
			"thinking_budget_tokens": 64.0}), []string{"model"}},
		{"llamacpp-router", "", with(map[string]any{"model": "my-lora", "top_k": 40.0, "min_p": 0.05, "repeat_penalty": 1.1,
			"thinking_budget_tokens": 64.0}), nil},
		{"sglang", "", with(map[string]any{"model": "my-lora", "top_k": 40.0, "min_p": 0.05, "repetition_penalty": 1.1}),
			[]string{"thinking_budget"}},
		{"ollama", wire.Ollama, map[string]any{"model": "my-lora", "options": map[string]any{"num_ctx": 8, "top_k": 40.0,
			"min_p": 0.05, "repeat_penalty": 1.1, "presence_penalty": 0.5, "frequency_penalty": -0.5}},
			[]string{"thinking_budget"}},
		{"ollama", wire.Chat, with(map[string]any{"model": "my-lora"}),
			[]string{"thinking_budget", "top_k", "min_p", "repeat_penalty"}},
		{"koboldcpp", "", with(map[string]any{"top_k": 40.0, "min_p": 0.05, "rep_pen": 1.1}),
			[]string{"thinking_budget", "model"}},
		{"no such engine", "", map[string]any{}, []string{"thinking_budget", "top_k", "min_p", "repeat_penalty",
			"presence_penalty", "frequency_penalty", "model"}},
	} {
		t.Run(tt.engine+" "+string(tt.api), func(t *testing.T) {
			body := map[string]any{}
			if tt.api == wire.Ollama {
				body["options"] = map[string]any{"num_ctx": 8}
			}
			profile := &dsl.Server{Engine: tt.engine, Wire: dsl.Wire{API: tt.api}}
			m := New(&dsl.Cell{Server: profile}, NewTemplates(nil, nil), nil, Server{API: tt.api, Body: body})
			got := m.Turn(&dsl.Step{Request: asked}, dsl.Turn{Messages: []dsl.Message{{Role: "user", Content: "Hi."}}})
			if got.Err != nil {
				t.Fatal(got.Err)
			}
			if diff := cmp.Diff(tt.want, got.Extra); diff != "" {
				t.Errorf("body (-want +got):\n%s", diff)
			}
			if !slices.Equal(got.Unkept, tt.unkept) {
				t.Errorf("without effect: %v, want %v", got.Unkept, tt.unkept)
			}
			if options, ok := body["options"].(map[string]any); ok && len(options) != 1 {
				t.Errorf("the profile's own body was changed: %v", body)
			}
		})
	}
}

// Every word of an engine is one for a key that scenarios have.
func TestKeys_AreInTheTable(t *testing.T) {
	known := []string{engines.OtherModel}
	for _, key := range engines.Keys {
		known = append(known, key.Name)
	}
	for _, e := range engines.All {
		for api, words := range e.Keys {
			for key, path := range words {
				if !slices.Contains(known, key) || path == "" {
					t.Errorf("%s on %s: key %q at %q", e.Name, api, key, path)
				}
			}
		}
	}
}
