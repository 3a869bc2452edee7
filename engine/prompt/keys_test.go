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

// TestTurn_Keys checks that keys of a request go where the engine reads them on this API, that nothing else is sent,
// and that the rest is reported.
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
		{"vllm", wire.Responses, with(map[string]any{"model": "my-lora", "top_k": 40.0, "min_p": 0.05,
			"repetition_penalty": 1.1}), []string{"thinking_budget"}},
		{"vllm", wire.Messages, map[string]any{"model": "my-lora", "top_k": 40.0}, []string{"thinking_budget", "min_p",
			"repeat_penalty", "presence_penalty", "frequency_penalty"}}, // vLLM refuses such a small budget
		{"llamacpp", wire.Responses, with(map[string]any{"top_k": 40.0, "min_p": 0.05, "repeat_penalty": 1.1,
			"thinking_budget_tokens": 64.0}), []string{"model"}},
		{"llamacpp", wire.Messages, map[string]any{"top_k": 40.0}, []string{"min_p", "repeat_penalty", "presence_penalty",
			"frequency_penalty", "model"}},
		{"llamacpp-router", wire.Messages, map[string]any{"model": "my-lora", "top_k": 40.0}, []string{"min_p",
			"repeat_penalty", "presence_penalty", "frequency_penalty"}},
		{"ollama", wire.Messages, map[string]any{"model": "my-lora", "top_k": 40.0}, []string{"thinking_budget", "min_p",
			"repeat_penalty", "presence_penalty", "frequency_penalty"}},
		{"litellm", wire.Responses, map[string]any{"model": "my-lora"}, []string{"thinking_budget", "top_k", "min_p",
			"repeat_penalty", "presence_penalty", "frequency_penalty"}},
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
			if budget := got.Thinking.Budget; (budget != nil) != (tt.api == wire.Messages && !slices.Contains(tt.unkept,
				"thinking_budget")) || budget != nil && *budget != 64 {
				t.Errorf("a budget of %v for an API with a word of its own", budget)
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

// TestTurn_Words checks keys that most APIs have: if an engine reads another name, that is sent too, and if an API or
// an engine lacks the key, that is reported.
func TestTurn_Words(t *testing.T) {
	format := &wire.Format{Name: "part", Schema: []byte(`{}`)}
	thinks := &dsl.Model{Name: "m", Thinking: &dsl.Thinking{Kwarg: "reasoning_effort", Field: "reasoning_effort",
		Levels: []string{"low"}, Default: "low"}}
	warm, cold, most := 0.7, 0.0, int64(1)
	for _, tt := range []struct {
		name   string
		engine string
		api    wire.API
		asked  dsl.Sampling
		extra  map[string]any
		unkept []string
	}{
		{"a format as chat has it", "llamacpp", wire.Responses, dsl.Sampling{Format: format},
			map[string]any{"response_format": format.Chat()}, nil},
		{"no format", "llamacpp", wire.Messages, dsl.Sampling{Format: format}, nil, []string{"response_format"}},
		{"the API's own format", "vllm", wire.Messages, dsl.Sampling{Format: format}, nil, nil},
		{"no choice", "ollama", wire.Responses, dsl.Sampling{ToolChoice: "required"}, nil, []string{"tool_choice"}},
		{"no choice on its own API", "ollama", wire.Ollama, dsl.Sampling{ToolChoice: "f"}, nil, []string{"tool_choice"}},
		{"a choice without effect", "ollama", wire.Responses, dsl.Sampling{ToolChoice: "auto"}, nil, nil},
		{"no seed", "vllm", wire.Messages, dsl.Sampling{Seed: &most, Temperature: &warm}, nil, []string{"seed"}},
		{"a seed without effect", "vllm", wire.Messages, dsl.Sampling{Seed: &most, Temperature: &cold}, nil, nil},
		{"no stop", "ollama", wire.Responses, dsl.Sampling{Stop: []string{"x"}}, nil, []string{"stop"}},
		{"effort in a field", "llamacpp", wire.Chat, dsl.Sampling{Thinking: "low"},
			map[string]any{"reasoning_effort": "low", "timings_per_token": true}, nil},
		{"effort by the API", "vllm", wire.Messages, dsl.Sampling{Thinking: "low"}, nil, nil},
		{"effort by the template", "llamacpp", wire.Messages, dsl.Sampling{Thinking: "low"},
			map[string]any{"chat_template_kwargs": map[string]any{"reasoning_effort": "low"}}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			profile := &dsl.Server{Engine: tt.engine, Wire: dsl.Wire{API: tt.api},
				Capabilities: dsl.Capabilities{Streaming: true}}
			m := New(&dsl.Cell{Server: profile, Model: thinks}, NewTemplates(nil, nil), nil, Server{API: tt.api})
			got := m.Turn(&dsl.Step{Request: tt.asked}, dsl.Turn{Messages: []dsl.Message{{Role: "user", Content: "Hi."}}})
			if tt.extra == nil {
				tt.extra = map[string]any{}
			}
			if diff := cmp.Diff(tt.extra, got.Extra); diff != "" {
				t.Errorf("body (-want +got):\n%s", diff)
			}
			if !slices.Equal(got.Unkept, tt.unkept) || got.Thinking.Level != tt.asked.Thinking {
				t.Errorf("without effect: %v, want %v; thinking %q", got.Unkept, tt.unkept, got.Thinking.Level)
			}
		})
	}
}

// Every word of an engine belongs to a key of scenarios.
func TestKeys_AreInTheTable(t *testing.T) {
	known := []string{engines.OtherModel, engines.ResponseFormat, engines.ReasoningEffort}
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
