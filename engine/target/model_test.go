package target_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"homellm/dsl"
	"homellm/engine/target"
)

// library is what the tests know of models.
func library() *dsl.Library {
	return &dsl.Library{Models: []*dsl.Model{
		{Name: "qwen2.5-3b", Patterns: []string{"*qwen2.5-3b*"},
			Engines: map[string]dsl.EngineModel{"vllm": {Ref: "Qwen/Qwen2.5-3B-Instruct"}, "llamacpp": {File: "q3b.gguf"}}},
		{Name: "qwen2.5-3b-gptq", Patterns: []string{"*qwen2.5-3b*gptq*"}},
		{Name: "smollm2-135m", Aliases: []string{"smol"}, Patterns: []string{"*smollm2-135m*"}},
	}}
}

// listing is a server of an engine that lists these models.
func listing(t *testing.T, engine string, ids ...string) string {
	t.Helper()
	mux := http.NewServeMux()
	var entries []string
	for _, id := range ids {
		entries = append(entries, fmt.Sprintf(`{"id":%q,"owned_by":%q,"root":"/weights"}`, id, engine))
	}
	mux.HandleFunc("/v1/models", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"object":"list","data":[%s]}`, strings.Join(entries, ","))
	})
	if engine == "llamacpp" {
		mux.HandleFunc("/props", func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"build_info":"b1","default_generation_settings":{"n_ctx":4096}}`)
		})
	} else {
		mux.HandleFunc("/version", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"version":"0.9.1"}`) })
	}
	web := httptest.NewServer(mux)
	t.Cleanup(web.Close)
	return web.URL
}

func openModel(t *testing.T, address, engine string, asked *dsl.Model) (*target.Target, *dsl.Cell, error) {
	t.Helper()
	cell := &dsl.Cell{ID: "x", Model: asked, Scenario: &dsl.Scenario{}, Server: &dsl.Server{Name: "s", Engine: engine,
		Address: dsl.Address{Attach: address}, Wire: dsl.Wire{API: "chat"}}}
	opener := target.Opener{Key: func(dsl.Secret) (string, error) { return "", nil },
		Naming: target.Naming{Library: library()}}
	ready, err := opener.Open(t.Context(), cell)
	if err == nil {
		t.Cleanup(ready.Shut)
	}
	return ready, cell, err
}

// What was asked for and is not served is an error, even where the server takes any name.
func TestOpen_TakesNoOtherModel(t *testing.T) {
	unknown := func(name string) *dsl.Model { return &dsl.Model{Name: name} }
	lib := library()
	const smol = "/models/SmolLM2-135M-Instruct.Q4_1.gguf"
	tests := []struct {
		engine string
		serves []string
		asked  *dsl.Model
		want   string // what requests name; empty: an error
	}{
		{"llamacpp", []string{smol}, nil, "SmolLM2-135M-Instruct.Q4_1.gguf"},
		{"llamacpp", []string{smol}, lib.Model("smol"), "SmolLM2-135M-Instruct.Q4_1.gguf"},
		{"llamacpp", []string{smol}, unknown("smollm2-135m-instruct"), "SmolLM2-135M-Instruct.Q4_1.gguf"},
		{"llamacpp", []string{smol}, lib.Model("qwen2.5-3b"), ""},
		{"llamacpp", []string{smol}, unknown("gpt-5"), ""},
		{"llamacpp", []string{"/x/Own-7B.Q8_0.gguf"}, unknown("own-7b-q4_k_m"), ""},
		{"llamacpp", []string{"/x/q3b.gguf"}, lib.Model("qwen2.5-3b"), "q3b.gguf"},
		{"llamacpp", []string{"/x/qwen2.5-3b-instruct-gptq.gguf"}, lib.Model("qwen2.5-3b"), ""},
		{"llamacpp", []string{"/x/qwen2.5-3b/SmolLM2-135M-Instruct.gguf"}, lib.Model("qwen2.5-3b"), ""},
		{"vllm", []string{"/weights/Qwen2.5-3B-Instruct"}, lib.Model("qwen2.5-3b"), "/weights/Qwen2.5-3B-Instruct"},
		{"vllm", []string{"Qwen/Qwen2.5-3B-Instruct"}, lib.Model("qwen2.5-3b"), "Qwen/Qwen2.5-3B-Instruct"},
		{"vllm", []string{"HuggingFaceTB/SmolLM2-135M-Instruct"}, lib.Model("qwen2.5-3b"), ""},
		{"vllm", []string{"a", "b"}, unknown("b"), "b"},
	}
	for _, tt := range tests {
		name := "none"
		if tt.asked != nil {
			name = tt.asked.Name
		}
		ready, _, err := openModel(t, listing(t, tt.engine, tt.serves...), tt.engine, tt.asked)
		switch {
		case tt.want == "" && (err == nil || !strings.Contains(err.Error(), "has no model")):
			t.Errorf("%s %v asked for %s: got %v", tt.engine, tt.serves, name, err)
		case tt.want != "" && err != nil:
			t.Errorf("%s %v asked for %s: %v", tt.engine, tt.serves, name, err)
		case tt.want != "" && (ready.Client.Model != tt.want || ready.Facts.Model != tt.want):
			t.Errorf("%s %v asked for %s: %q, %q, want %q", tt.engine, tt.serves, name, ready.Client.Model,
				ready.Facts.Model, tt.want)
		}
	}
}

// What a reply names is the model of the result, whatever the server lists.
func TestTarget_Answered(t *testing.T) {
	unknown := func(name string) *dsl.Model { return &dsl.Model{Name: name} }
	lib := library()
	tests := []struct {
		serves  []string
		asked   *dsl.Model
		replied string
		label   string // another one than was asked for
		fails   bool
	}{
		{[]string{"Qwen/Qwen2.5-3B-Instruct"}, lib.Model("qwen2.5-3b"), "qwen2.5-3b", "", false},
		{[]string{"Qwen/Qwen2.5-3B-Instruct"}, lib.Model("qwen2.5-3b"), "Qwen/Qwen2.5-3B-Instruct", "", false},
		{[]string{"Qwen/Qwen2.5-3B-Instruct"}, lib.Model("qwen2.5-3b"), "", "", false},
		{[]string{"Qwen/Qwen2.5-3B-Instruct"}, lib.Model("qwen2.5-3b"), "SmolLM2-135M-Instruct", "", true},
		{[]string{"one", "two"}, unknown("two"), "one", "", false}, // two names of the same weights
		{[]string{"fast"}, unknown("fast"), "phi-9", "phi-9", false},
		{[]string{"gpt-4o"}, unknown("gpt-4o"), "gpt-4o-2024-08-06", "", false},
		{[]string{"qwen2.5-3b"}, lib.Model("qwen2.5-3b"), "qwen2.5-3b-gptq", "", true},
	}
	for _, tt := range tests {
		ready, cell, err := openModel(t, listing(t, "vllm", tt.serves...), "vllm", tt.asked)
		if err != nil {
			t.Fatal(err)
		}
		err = ready.Answered(cell, tt.replied)
		if (err != nil) != tt.fails || ready.Facts.Answered != tt.label {
			t.Errorf("%v replied %q: %q, %v", tt.serves, tt.replied, ready.Facts.Answered, err)
		}
		if err == nil && ready.Still(cell, tt.replied) != nil {
			t.Errorf("%v replied %q twice: %v", tt.serves, tt.replied, ready.Still(cell, tt.replied))
		}
		if ready.Still(cell, "something-else-13b") == nil {
			t.Errorf("%v: another model took over, and nothing was said", tt.serves)
		}
	}
}
