package rendering_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"homellm/engine/files"
	"homellm/engine/model"
	"homellm/engine/prompt"
	"homellm/engine/rendering"
)

// vllm plays a vLLM that renders with a template, and whose tokens are bytes; it lists these models.
func vllm(t *testing.T, template *model.Template, models ...string) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"version": "0.11.0"}`))
	})
	mux.HandleFunc("GET /v1/models", func(w http.ResponseWriter, _ *http.Request) {
		var data []map[string]any
		for _, id := range models {
			data = append(data, map[string]any{"id": id, "owned_by": "vllm", "max_model_len": 4096})
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"data": data})
	})
	mux.HandleFunc("POST /tokenize", func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Messages []model.Message
			Prompt   string
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		if body.Messages != nil {
			p, err := template.Render(body.Messages, model.Options{})
			if err != nil {
				http.Error(w, `{"message": "`+err.Error()+`"}`, http.StatusBadRequest)
				return
			}
			body.Prompt = p.String()
		}
		ids := []int{}
		for _, b := range []byte(body.Prompt) {
			ids = append(ids, int(b))
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"tokens": ids, "count": len(ids)})
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

// A template is held against what a server renders, with the server's name of the model, which need not be the first.
func TestReach(t *testing.T) {
	lib, err := files.Sources{}.Library()
	if err != nil {
		t.Fatal(err)
	}
	all := prompt.NewTemplates(lib, nil)
	for _, tc := range []struct {
		name, template, models string // of the server
		asked, want            string
	}{
		{"the same", "qwen2.5", "qwen2.5-3b", "qwen2.5-3b", "qwen2.5-3b true true true true"},
		{"another template", "chatml", "qwen2.5-3b", "qwen2.5-3b", "qwen2.5-3b false true true true"},
		{"both refuse", "gemma-2", "other gemma-2-9b", "gemma-2-9b", "gemma-2-9b true true true true"},
		{"it refuses", "gemma-2", "qwen2.5-3b", "qwen2.5-3b", "qwen2.5-3b false false false false"},
		{"by what it lists", "qwen2.5", "Qwen/Qwen2.5-3B-Instruct", "", "Qwen/Qwen2.5-3B-Instruct true true true true"},
		{"no LLM server", "qwen2.5", "", "", "no server is ready"},
		{"no such model", "qwen2.5", "qwen2.5-3b", "qwen-2.5-3b", `no model and no template "qwen-2.5-3b"`},
	} {
		at := vllm(t, all.Named(tc.template), strings.Fields(tc.models)...)
		s, err := rendering.Reach(t.Context(), all, lib, tc.asked, rendering.Address{URL: at.URL})
		if err != nil {
			if !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s: %v, want %s", tc.name, err, tc.want)
			}
			continue
		}
		got := s.Name
		for _, c := range rendering.Conversations() {
			same, _, err := s.Compare(t.Context(), c.Messages)
			if err != nil {
				t.Errorf("%s: %v", tc.name, err)
			}
			got += map[bool]string{true: " true", false: " false"}[same]
		}
		if got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
		s.Close()
	}
}

// Of a scenario the last prompt of every conversation is shown, or that of a step; of a list of messages all.
func TestPrompts(t *testing.T) {
	lib, err := files.Sources{}.Library()
	if err != nil {
		t.Fatal(err)
	}
	all := prompt.NewTemplates(lib, nil)
	list := strings.NewReader(` [{"role": "user", "content": "Hello"}]`)
	for _, tc := range []struct {
		file string
		part rendering.Part
		want string
	}{
		{"-", rendering.Part{}, "-, 1 message"},
		{"rag-long", rendering.Part{Step: "after_removal"}, "step after_removal"},
		{"rag-long", rendering.Part{Conversation: "none"}, "no such conversation or step"},
	} {
		got, err := rendering.Prompts(tc.file, list, all, lib, tc.part)
		said := ""
		if err != nil {
			said = err.Error()
		} else {
			said = got[0].Title
		}
		if !strings.Contains(said, tc.want) {
			t.Errorf("%s, %+v: %s, want %s", tc.file, tc.part, said, tc.want)
		}
	}
}
