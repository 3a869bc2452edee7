package engine_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"homellm"
	"homellm/dsl"
	"homellm/engine"
	"homellm/engine/judge"
	"homellm/engine/model"
	"homellm/engine/prompt"
	"homellm/engine/sim"
	"homellm/engine/target"
	"homellm/engine/wire"
)

// thinking answers every request with thoughts and a word, in the words of the API that is asked, and keeps the bodies.
type thinking struct {
	tags   bool // the thoughts are in the answer
	bodies []string
}

func (s *thinking) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	if !strings.Contains(string(body), "What is") {
		body = nil // a test of the run
	}
	if body != nil {
		s.bodies = append(s.bodies, string(body))
	}
	delta := `{"content":"Paris.","reasoning_content":"Hm, <France>?"}`
	if s.tags {
		delta = `{"content":"<think>Hm, <France>?</think>\n\nParis."}`
	}
	switch {
	case strings.HasSuffix(r.URL.Path, "/api/chat"):
		w.Header().Set("Content-Type", "application/x-ndjson")
		fmt.Fprint(w, `{"message":{"role":"assistant","content":"Paris.","thinking":"Hm, <France>?"},"done":true,`+
			`"done_reason":"stop"}`+"\n")
	case strings.HasSuffix(r.URL.Path, "/v1/completions"):
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, `data: {"choices":[{"text":"<think>Hm, <France>?</think>\n\nParis.","finish_reason":"stop"}]}`+
			"\n\ndata: [DONE]\n\n")
	default:
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprintf(w, "data: {\"choices\":[{\"delta\":%s,\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n", delta)
	}
}

// thinkers is a models file with a template that reads thoughts, and one that does not.
const thinkers = `schema: homellm.models/v1
models:
  reads: {context: {trained: 4096}, template: reads}
  ignores: {context: {trained: 4096}, template: ignores}
templates:
  reads:
    jinja: "{% for m in messages %}<{{ m.role }}>{% if m.reasoning_content %}[{{ m.reasoning_content }}]{% endif %}
      {{- m.content }}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
  ignores:
    jinja: "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}<assistant>"
`

// TestThoughtsGoBack checks that a reply's thoughts go back where the template of the model reads them, in the field of
// the engine, and nowhere else; what is judged is the answer.
func TestThoughtsGoBack(t *testing.T) {
	const question = `{"content":"What is first?","role":"user"},`
	const plain = question + `{"content":"Paris.","role":"assistant"},{"content":"What is second?","role":"user"}`
	with := func(field string) string {
		first := `{"content":"Paris.","` + field + `":"Hm, <France>?","role":"assistant"},`
		if field == "thinking" { // keys in order
			first = `{"content":"Paris.","role":"assistant","thinking":"Hm, <France>?"},`
		}
		return question + first + `{"content":"What is second?","role":"user"}`
	}
	for name, c := range map[string]struct {
		model, engine string
		api           wire.API
		tags          string
		inText        bool
		history       string
		want          string
	}{
		"a template that reads them": {model: "reads", engine: "llamacpp", want: with("reasoning_content")},
		"one that does not":          {model: "ignores", engine: "llamacpp", want: plain},
		"thoughts between tags":      {model: "reads", engine: "llamacpp", inText: true, want: with("reasoning_content")},
		"vLLM's field":               {model: "reads", engine: "vllm", want: with("reasoning")},
		"Ollama on OpenAI's API":     {model: "reads", engine: "ollama", want: with("reasoning")},
		"Ollama's own API":           {model: "reads", engine: "ollama", api: wire.Ollama, want: with("thinking")},
		"any other server":           {model: "reads", engine: "openai", want: with("reasoning_content")},
		"tags that are text": {model: "reads", engine: "llamacpp", tags: "none", inText: true,
			want: strings.Replace(plain, `"Paris."`, `"<think>Hm, <France>?</think>\n\nParis."`, 1)},
		"a recorded history": {model: "reads", engine: "llamacpp", history: "recorded", want: plain},
		"rendered by homellm": {model: "reads", engine: "llamacpp", api: wire.Completions,
			want: "<user>What is first?<assistant>[Hm, <France>?]Paris.<user>What is second?<assistant>"},
		"rendered without": {model: "ignores", engine: "llamacpp", api: wire.Completions,
			want: "<user>What is first?<assistant>Paris.<user>What is second?<assistant>"},
	} {
		t.Run(name, func(t *testing.T) {
			scenario := twoTurns
			if c.history != "" {
				scenario = strings.NewReplacer("defaults: {", "defaults: {history: recorded, ",
					"ask: What is first?", "ask: What is first?, reply: Paris.",
					"continue: What is second?", "ask: What is second?, reply: Rome.").Replace(scenario)
			}
			s := &thinking{tags: c.inText}
			plan, templates := thinkingPlan(t, scenario, c.model, c.engine, c.api)
			synctest.Test(t, func(t *testing.T) {
				dial, shut := sim.Pipe(s)
				defer shut()
				g := &rig{target: func(t *target.Target) {
					t.Client.Dial, t.Client.ReasoningTags, t.Client.API = dial, c.tags, c.api
					t.Facts.Engine, t.Side, t.Tokenize = c.engine, nil, nil
				}}
				g.options = func(o *engine.Options) { o.Models.Templates = templates }
				g.play(t, plan, sim.Config{})
				for _, r := range g.requests() {
					if c.tags == "" && (r.Text != "Paris." || r.Reasoning != "Hm, <France>?") {
						t.Errorf("%s: answer %q after %q", r.Step, r.Text, r.Reasoning)
					}
				}
			})
			if d := cmp.Diff(c.want, asked(t, s.bodies[len(s.bodies)-1])); d != "" {
				t.Errorf("the second request (-want +got):\n%s", d)
			}
		})
	}
}

// thinkingPlan plans a scenario for one of the thinkers on a server of an engine.
func thinkingPlan(t *testing.T, scenario, name, engine string, api wire.API) (*dsl.Plan, *prompt.Templates) {
	t.Helper()
	lib, ds := dsl.LoadLibrary(dsl.File{Name: "models.yaml", Data: homellm.Models},
		dsl.File{Name: "servers.yaml", Data: homellm.Servers}, dsl.File{Name: "thinkers.yaml", Data: []byte(thinkers)})
	if ds.Errors() {
		t.Fatal(ds)
	}
	lib.Server("sim").API, lib.Server("sim").Engine = api, engine
	templates := prompt.NewTemplates(lib, model.Compile)
	opt := templates.PlanOptions(nil)
	opt.DefaultServer, opt.Model = "sim", name
	plan, ds := dsl.Load(dsl.File{Name: "two.yaml", Data: []byte(scenario)}, lib, judge.Vocabulary(), opt)
	if ds.Errors() {
		t.Fatal(ds)
	}
	return plan, templates
}

// asked is the prompt of a body: its messages, with their keys in order, or its text.
func asked(t *testing.T, body string) string {
	t.Helper()
	var got struct {
		Prompt   string
		Messages []map[string]any
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	if got.Prompt != "" {
		return got.Prompt
	}
	var messages []string
	for _, m := range got.Messages {
		var b strings.Builder
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(m); err != nil {
			t.Fatal(err)
		}
		messages = append(messages, strings.TrimSuffix(b.String(), "\n"))
	}
	return strings.Join(messages, ",")
}
