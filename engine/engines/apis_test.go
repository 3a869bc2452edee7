package engines

import (
	"strings"
	"testing"

	"homellm/engine/wire"
)

// TestServing checks what is known about the optional APIs of an engine and its version.
func TestServing(t *testing.T) {
	for _, tt := range []struct{ engine, version, want string }{
		{"ollama", "0.13.2", "no responses, no messages"},
		{"ollama", "0.13.3", "responses, no messages"},
		{"ollama", "0.14.0-rc2", "responses, messages"},
		{"ollama", "0.0.0", "responses, messages"}, // a build without a version
		{"ollama", "", "responses, messages"},
		{"vllm", "0.11.0", "responses, no messages"},
		{"llamacpp", "b1-7e4c0a9", "responses, messages"},
		{"koboldcpp", "1.114", "no messages"},
		{"tabby", "", "no responses, no messages"},
		{"openai", "1.0", ""},
	} {
		var got []string
		for _, c := range Of(tt.engine).Serving(tt.version) {
			name := c.Name
			if !c.OK {
				name = "no " + name
			}
			if got = append(got, name); c.How == "" {
				t.Errorf("%s %s: nothing says why", tt.engine, c.Name)
			}
		}
		if have := strings.Join(got, ", "); have != tt.want {
			t.Errorf("%s %s: %s, want %s", tt.engine, tt.version, have, tt.want)
		}
	}
}

func TestRefuses(t *testing.T) {
	for _, tt := range []struct {
		engine string
		api    wire.API
		want   string
	}{
		{"mlx-lm", wire.Messages, "MLX-LM does not have it (ml-explore/mlx-lm#1068)"},
		{"vllm", wire.Messages, ""},
		{"vllm", wire.LMStudio, "that is LM Studio's own, which vLLM does not have"},
		{"lmstudio", wire.LMStudio, ""},
		{"sim", wire.Ollama, "the simulator does not have it (docs/servers.md)"},
		{"openai", wire.LMStudio, ""},
		{"openai", wire.Responses, ""},
	} {
		if got := Of(tt.engine).Refuses(tt.api); got != tt.want {
			t.Errorf("%s on %s: %q, want %q", tt.api, tt.engine, got, tt.want)
		}
	}
}

// TestAPIs_HaveSources checks that every entry names its source.
func TestAPIs_HaveSources(t *testing.T) {
	for _, e := range All {
		for api, s := range e.APIs {
			if s.Source == "" || s.Never != "" && (s.Since != "" || s.Counts) {
				t.Errorf("%s on %s: %+v", api, e.Name, s)
			}
		}
	}
}
