package dsl

import (
	"strings"
	"testing"

	"homellm/dsl/syntax"
	"homellm/engine/wire"
)

const askedBy = `schema: homellm.scenario/v1
name: asked
run: {repeats: 1, warmup: 0, isolation: {cache: none}}
defaults: {history: live, request: {temperature: 0, max_tokens: 16, api: API}}
conversations:
  - id: main
    steps:
      - {id: hello, ask: Good morning.}
`

// TestPlan_UnservedAPI checks the warning about a request on an API that the engine is known not to serve, and that a
// cell is skipped if its server was seen not to serve it. The server's answer takes precedence over the table.
func TestPlan_UnservedAPI(t *testing.T) {
	for name, tt := range map[string]struct {
		engine     string
		api        wire.API
		served     map[wire.API]string
		warn, skip string
	}{
		"it serves it":        {"vllm", wire.Messages, nil, "", ""},
		"not known":           {"openai", wire.Messages, nil, "", ""},
		"the table says no":   {"tabby", wire.Messages, nil, "api: messages is not served by server one: TabbyAPI", ""},
		"the server says yes": {"tabby", wire.Messages, map[wire.API]string{wire.Messages: ""}, "", ""},
		"both say no": {"tabby", wire.Messages, map[wire.API]string{wire.Messages: "it has no such route"},
			"it has no such route", ""},
		"the server says no": {"vllm", wire.Messages, map[wire.API]string{wire.Messages: "it has no such route"}, "",
			"step hello asks by api: messages, which server one does not serve: it has no such route"},
		"of another API": {"vllm", wire.Responses, map[wire.API]string{wire.Messages: "it has no such route"}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			lib, diags := LoadLibrary(serverText("schema: homellm.servers/v1\nservers:\n  one: {engine: " + tt.engine +
				", models: [any], attach: {url: \"http://127.0.0.1:1\"}}\n"))
			if diags.Errors() {
				t.Fatal(diags)
			}
			opt := Options{Servers: []string{"one"}, Model: "m"}
			if tt.served != nil {
				opt.Served = func(string) (Served, bool) { return Served{APIs: tt.served}, true }
			}
			text := strings.Replace(askedBy, "API", string(tt.api), 1)
			plan, diags := Load(File{Name: "asked.yaml", Data: []byte(text)}, lib, testVocabulary, opt)
			if plan == nil {
				t.Fatal(diags)
			}
			if got := plan.Cells[0].Skip; got != tt.skip {
				t.Errorf("skipped: %q, want %q", got, tt.skip)
			}
			said := ""
			for _, d := range plan.Warnings {
				if d.Code == "plan/api" && d.Severity == syntax.Warning {
					said += d.Message
				}
			}
			if (said == "") != (tt.warn == "") || !strings.Contains(said, tt.warn) {
				t.Errorf("warned: %q, want %q", said, tt.warn)
			}
		})
	}
}
