//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"homellm/engine/files"
	"homellm/engine/sim"
)

// TestOllamaNames checks what is sent to Ollama for a model that has the same name everywhere.
func TestOllamaNames(t *testing.T) {
	t.Parallel()
	lib := files.ShippedLibrary()
	for name, want := range map[string]string{
		"qwen2.5-3b": "qwen2.5:3b", "llama-3.1-8b": "llama3.1:8b", "phi-3.5-mini": "phi3.5:3.8b", "gemma-3-4b": "gemma3:4b",
		"mistral-7b-v0.3": "mistral:7b", "smollm2-1.7b": "smollm2:1.7b", "deepseek-r1-distill-qwen-7b": "deepseek-r1:7b",
		"qwen3-8b": "qwen3:8b",
	} {
		m := lib.Model(name)
		if m == nil || m.Engines["ollama"].ServedName != want || lib.Model(want) != m {
			t.Errorf("%s: Ollama is asked for %+v, want %s", name, m.Engines["ollama"], want)
		}
	}
	asked := make(chan string, 64)
	ollama := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/api/version":
			fmt.Fprint(w, `{"version":"0.33.0"}`)
		case "/api/tags":
			fmt.Fprint(w, `{"models":[{"name":"qwen2.5:3b","model":"qwen2.5:3b","details":{}}]}`)
		case "/v1/models":
			fmt.Fprint(w, `{"object":"list","data":[{"id":"qwen2.5:3b","object":"model","owned_by":"library"}]}`)
		case "/api/generate", "/api/chat":
			var body struct{ Model string }
			_ = json.NewDecoder(r.Body).Decode(&body) // an invalid body has no model
			asked <- body.Model
			http.Error(w, `{"error":"no more than the name was wanted"}`, http.StatusInternalServerError)
		default:
			fmt.Fprint(w, `{}`)
		}
	}))
	defer ollama.Close()
	p := newProgram(t, map[string]string{"config/homellm/servers.yaml": "schema: homellm.servers/v1\nservers:\n  " +
		"ollama:\n    extends: ollama\n    attach: {url: \"" + ollama.URL + "\"}\n"})
	_, stdout, stderr := p.run("apply", "quickstart", "--model", "qwen2.5-3b", "--server", "ollama", "--quiet")
	select {
	case name := <-asked:
		if name != "qwen2.5:3b" {
			t.Errorf("Ollama was asked for %q", name)
		}
	default:
		t.Errorf("Ollama was not asked:\n%s%s", stdout, stderr)
	}
}

// TestTemplateCheck_Server compares with a server that renders ChatML for every model, and does not
// open a conversation with the system message that Qwen's own template has.
func TestTemplateCheck_Server(t *testing.T) {
	t.Parallel()
	_, url := startSimulator(t, sim.Config{})
	p := newProgram(t, nil)
	p.want(t, 0, []string{"template chatml", "same       three turns"}, "template", "check", "chatml", "--url", url)
	p.want(t, 1, []string{"DIFFERENT  one question", "they differ from token 1 on", "same       three turns"}, "template",
		"check", "qwen2.5-3b", "--url", url)
	p.want(t, 1, []string{"DIFFERENT  a system message in the middle", "the template does not"}, "template", "check",
		"gemma-3-4b", "--url", url)
	p.want(t, 5, []string{"no server is ready"}, "template", "check", "--url", "http://127.0.0.1:1")
	for _, tokenises := range []bool{true, false} {
		broken := startSimulatorBehind(t, func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.Method == http.MethodPost && (tokenises || r.URL.Path == "/v1/chat/completions"):
					http.Error(w, `{"error": {"message": "CUDA out of memory"}}`, http.StatusInternalServerError)
				case !tokenises && r.URL.Path == "/v1/models": // of an engine that is not known: what a reply used is asked for
					fmt.Fprint(w, `{"object": "list", "data": [{"id": "gemma", "object": "model"}]}`)
				case !tokenises:
					http.NotFound(w, r)
				default:
					next.ServeHTTP(w, r)
				}
			})
		})
		out := p.want(t, 5, []string{"UNKNOWN", " HTTP 500: ", "CUDA out of memory", "could not be compared"}, "template",
			"check", "gemma-2-9b", "--url", broken)
		if strings.Contains(out, "same") || strings.Contains(out, "DIFFERENT") ||
			strings.Contains(out, "HTTP 500: HTTP 500") {
			t.Errorf("a server that is broken was compared:\n%s", out)
		}
	}
	p.want(t, 2, []string{"one model"}, "template", "check", "chatml", "qwen2.5", "--url", url)
}
