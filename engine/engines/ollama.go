package engines

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"homellm/engine/wire"
)

var ollama = Engine{
	Name: "ollama", Title: "Ollama", Ports: []int{11434},
	Models: Models{DefaultTag: defaultTag, OnRequest: true},
	API: API{
		Dialect: wire.Ollama, Mute: true, Paths: []string{"/api/version", "/"}, Identify: identifyOllama,
		Details: detailsOllama,
		Reset:   resetOllama, Load: loadOllama, Loaded: loadedOllama, Restore: restoreOllama,
	},
	APIs: newerAPIs(Served{Since: "0.13.3", Source: "docs.ollama.com/api/openai-compatibility"},
		Served{Since: "0.14.0", Source: "docs.ollama.com/api/anthropic-compatibility"}),
	Keys: ollamaKeys(),
	// Source: openai/responses.go and anthropic/anthropic.go of August 2026, and the lists in its documentation.
	Ignored: map[wire.API][]string{wire.Chat: {ToolChoice}, wire.Responses: {ToolChoice, seed, stop},
		wire.Messages: {ToolChoice, ResponseFormat}},
	Capabilities: []Capability{
		usageInReply,
		{
			"cache_report",
			false,
			"no version up to 0.33 reports cached tokens; the self-test before a run tells whether this one does",
		},
		{"cache_reset", true, "the model is unloaded and loaded again"},
		saltInMessage,
		{"tokenize", false, "Ollama has no tokenise endpoint; prompt ceilings are estimates"},
		noMetrics,
		{"server_timings", true, "durations in the last line of a native reply"},
		noIgnoreEOS,
	},
	Prompt: Prompt{
		Text:           TextRule{Never: "Ollama puts its own template around the prompts of /v1/completions"},
		OtherTemplates: true, SystemFallback: "merge", Thoughts: wire.FieldReasoning,
	},
	Launch: Launch{
		Programs: []Program{{Command: "ollama", Install: "install it from ollama.com/download",
			Version: Version{Argument: "--version", Pattern: `version is (\d[\w.+-]*)`}}},
		Memory: cardMemory(""),
		Log: Log{Symptoms: []Symptom{
			// The general pattern of an occupied port matches this one as well.
			sign(
				"port",
				`listen tcp \S+: bind: address already in use`,
				"Ollama runs already, perhaps as a service: attach to it instead",
			),
			sign("memory", `model requires more system memory \((.+?)\) than is available \((.+?)\)`,
				"the model needs ${1} and ${2} are free: take a smaller one"),
			sign("crash", `llama runner process has terminated: (.+)`, "Ollama's runner ended: ${1}"),
		}},
	},
	Hints: Hints{Start: "ollama serve", Pull: "ollama pull", SmallModel: "qwen2.5:0.5b-instruct"},
	Docs: []Row{
		{Engine: "Ollama, own API", Tokens: "reply", Cached: "–", Times: "timings: load, prefill, decode, total",
			Reusable: "estimated", Reset: "unload and load", Salt: "first message"},
		{Engine: "Ollama, OpenAI wire", Tokens: "reply", Cached: "–", Times: "–",
			Reusable: "estimated", Reset: "unload and load", Salt: "first message"},
	},
}

// ollamaKeys returns the words of Ollama's API and of OpenAI's, on which Ollama ignores the keys of its own API.
func ollamaKeys() map[wire.API]Words {
	words := onOpenAI(withModel(Words{}))
	own := withModel(Words{})
	for _, key := range []string{"top_k", "min_p", "repeat_penalty", "presence_penalty",
		"frequency_penalty"} {
		own[key] = "options." + key
	}
	words[wire.Ollama] = own
	words[wire.Messages]["top_k"] = "top_k"
	return words
}

// defaultTag is the tag that Ollama adds to a name without one.
const defaultTag = ":latest"

func identifyOllama(seen Responses, f *Facts) bool {
	v, ok := version(seen["/api/version"])
	root := seen["/"]
	if !ok || !strings.Contains(string(root.Body), "Ollama is running") && !ownedBy(seen, "library") {
		return false
	}
	f.Version = v
	models(seen, f)
	if len(f.Models) == 0 && seen["/v1/models"].Status < http.StatusBadRequest {
		f.note("it has no model: run: ollama pull NAME")
	}
	return true
}

func detailsOllama(ctx context.Context, s Server, f *Facts) {
	running, err := loadedOllama(ctx, s)
	if err != nil {
		f.note("which models are loaded is unknown: " + err.Error())
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
			m.ContextTokens = upTo(r.ContextTokens, mostTokens)
			if share, ok := r.GPUShare(); ok {
				m.GPUShare = &share
				if share < 1 {
					f.note(fmt.Sprintf("%.0f %% of %s is in GPU memory; the rest runs on the CPU", 100*share, m.ID))
				}
			}
		}
		m.Loaded = &loaded
	}
	// Reading a model's file takes some milliseconds per model.
	ctx, cancel := context.WithTimeout(ctx, ProbeLimit)
	defer cancel()
	for i := range f.Models {
		describeOllama(ctx, s, &f.Models[i])
	}
}

// describeOllama adds what Ollama reports of a model without loading it: the context size of its settings for
// requests, and the trained context.
func describeOllama(ctx context.Context, s Server, m *Model) {
	var shown struct {
		Parameters string                     `json:"parameters"` // lines with a name and a value
		Info       map[string]json.RawMessage `json:"model_info"`
		Template   string                     `json:"template"`
	}
	if !s.Call(ctx, http.MethodPost, "/api/show", map[string]any{"model": m.ID}, ProbeLimit).into(&shown) {
		return
	}
	// otherwise a built-in renderer may replace the template, and Ollama does not tell
	if wire.ReadsThoughts(shown.Template) {
		m.Thoughts = new(true)
	}
	for line := range strings.Lines(shown.Parameters) {
		words := strings.Fields(line)
		if len(words) != 2 || words[0] != "num_ctx" {
			continue
		}
		if n, err := strconv.Atoi(words[1]); err == nil {
			m.DefaultTokens = upTo(&n, mostTokens)
		}
	}
	for key, raw := range shown.Info {
		var n int
		if strings.HasSuffix(key, ".context_length") && json.Unmarshal(raw, &n) == nil {
			m.TrainedTokens = upTo(&n, mostTokens)
		}
	}
}

// loadedOllama asks which models are in memory, and with which context size.
func loadedOllama(ctx context.Context, s Server) ([]LoadedModel, error) {
	var list struct {
		Models []LoadedModel `json:"models"`
	}
	r, err := get(ctx, s, "/api/ps")
	if err == nil && !r.into(&list) {
		err = fmt.Errorf("the reply is not what Ollama sends: %s", shorten(string(r.Body), 200))
	}
	if err != nil {
		return nil, fmt.Errorf("reading /api/ps: %w", err)
	}
	return list.Models, nil
}

// isLoaded compares names, with the tag that Ollama adds to a name without one.
func isLoaded(loaded []LoadedModel, model string) bool {
	return slices.ContainsFunc(loaded, func(m LoadedModel) bool { return m.Name == model || m.Name == model+defaultTag })
}

// unloadLimit bounds how long Ollama may take to unload a model, loadLimit to load it.
const (
	unloadLimit = 30 * time.Second
	loadLimit   = 10 * time.Minute
)

// resetOllama unloads the model, the only way to drop Ollama's cache, waits until it is gone, and loads it again so
// that the next request does not pay for that.
func resetOllama(ctx context.Context, s Server, t Target) error {
	body := map[string]any{"model": t.Model, "keep_alive": 0}
	r := s.Call(ctx, http.MethodPost, "/api/generate", body, unloadLimit)
	if err := r.Failure(); err != nil {
		return fmt.Errorf("unloading the model: %w", err)
	}
	deadline := time.Now().Add(unloadLimit)
	for {
		loaded, err := loadedOllama(ctx, s)
		if err != nil {
			return fmt.Errorf("waiting for the model to be unloaded: %w", err)
		}
		if !isLoaded(loaded, t.Model) {
			break
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s is still loaded %v after it was told to unload", t.Model, unloadLimit)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(50 * time.Millisecond):
		}
	}
	return loadOllama(ctx, s, t)
}

// forever is the remaining time from which a model counts as kept for good: Ollama adds 290 years to the present.
const forever = 50 * 365 * 24 * time.Hour

// restoreOllama makes a model leave memory as it would have without the run: at once if it was not loaded, else after
// the time it had left, which each request starts again.
func restoreOllama(ctx context.Context, s Server, t Target, was *LoadedModel) error {
	body := map[string]any{"model": t.Model, "keep_alive": 0}
	if was != nil {
		left := time.Minute
		if at, err := time.Parse(time.RFC3339, was.Expires); err == nil {
			left = time.Until(at)
		}
		body["keep_alive"] = fmt.Sprintf("%ds", max(1, int(left.Seconds())))
		if left > forever {
			body["keep_alive"] = -1
		}
		if was.ContextTokens != nil {
			body["options"] = map[string]any{"num_ctx": *was.ContextTokens}
		}
	}
	r := s.Call(ctx, http.MethodPost, "/api/generate", body, loadLimit)
	return r.Failure()
}

// loadOllama makes the server load its model, which it otherwise does on the first request.
func loadOllama(ctx context.Context, s Server, t Target) error {
	body := map[string]any{"model": t.Model, "keep_alive": -1}
	if t.ContextTokens > 0 {
		// A later request with another num_ctx would load the model again.
		body["options"] = map[string]any{"num_ctx": t.ContextTokens}
	}
	r := s.Call(ctx, http.MethodPost, "/api/generate", body, loadLimit)
	if err := r.Failure(); err != nil {
		return fmt.Errorf("loading %s: %w", t.Model, err)
	}
	// The reply is one or more lines of NDJSON; the last says that the model is loaded.
	lines := strings.Split(strings.TrimSpace(string(r.Body)), "\n")
	var last struct {
		Done  bool   `json:"done"`
		Error string `json:"error"`
	}
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil || last.Error != "" || !last.Done {
		return fmt.Errorf("loading %s: %s", t.Model, shorten(string(r.Body), 300))
	}
	return nil
}
