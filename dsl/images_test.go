package dsl

import (
	"os"
	"strings"
	"testing"

	"homellm/engine/wire"
)

// imageScenario shows an image in its second step and then asks another question.
const imageScenario = `schema: homellm.scenario/v1
name: look
defaults: {request: {temperature: 0, max_tokens: 16}, history: recorded}
conversations:
  - id: main
    system: You look at pictures.
    steps:
      - {id: hello, ask: Good morning., reply: Good morning.}
      - {id: look, ask: {text: What is this?, images: [corpus/dot.png]}, reply: A dot.}
      - {id: fix, edit: {step: look, text: What colour is it?}, reply: Grey.}
      - {id: on, continue: And its size?, reply: Small.}
`

func imagePlan(t *testing.T, models, capabilities, api string, served map[string]bool) *Cell {
	t.Helper()
	models, names := "schema: homellm.models/v1\nmodels:\n", models
	for _, one := range []string{"sees: {images: true, context: {trained: 64}}",
		"blind: {images: false, context: {trained: 64}}", "plain: {context: {trained: 64}}"} {
		models += "  " + one + "\n"
	}
	lib, diags := LoadLibrary(File{Name: "models.yaml", Data: []byte(models)},
		serverText("schema: homellm.servers/v1\nservers:\n  one: {engine: openai, models: ["+names+"], attach: {url: "+
			"\"http://127.0.0.1:1\"}, base_path: /v1, health: {http: /v1/models}, context_tokens: 64, "+
			"capabilities: {cache_report: {source: none}"+capabilities+"}}\n"))
	if diags.Errors() {
		t.Fatal(diags)
	}
	opt := Options{Servers: []string{"one"}}
	if served != nil {
		opt.Served = func(string) (Served, bool) { return Served{Capabilities: served}, true }
	}
	text := imageScenario
	if api != "" {
		text = strings.Replace(text, "max_tokens: 16", "max_tokens: 16, api: "+api, 1)
	}
	f := File{Name: "look.yaml", Data: []byte(text), Dir: os.DirFS("testdata/bad")}
	plan, diags := Load(f, lib, testVocabulary, opt)
	if plan == nil {
		t.Fatal(diags)
	}
	return plan.Cells[0]
}

// A cell that shows images is played if its model is known to take them, and otherwise skipped with the reason.
func TestImages_WhoTakesThem(t *testing.T) {
	for _, tt := range []struct {
		model, capabilities, api string
		served                   map[string]bool
		skip                     string
	}{
		{"sees", "", "", nil, ""},
		{"blind", "", "", nil, "step look shows images, and the models file of blind says that it takes none"},
		{"plain", "", "", nil, "step look shows images, and whether model plain takes any is not known: say `images: true` of " +
			"it in a models file"},
		{"plain", ", images: true", "", nil, ""},
		{"sees", ", images: false", "", nil, "step look shows images, and the profile of server one says that it takes none"},
		{"plain", "", "", map[string]bool{"images": true}, ""},
		{"sees", "", "", map[string]bool{"images": false}, "step look shows images, and server one says that it takes none"},
		{"sees", "", "completions", nil, "step look shows images, and api: completions has none"},
	} {
		if got := imagePlan(t, tt.model, tt.capabilities, tt.api, tt.served).Skip; got != tt.skip {
			t.Errorf("%s%s %s %v: %q, want %q", tt.model, tt.capabilities, tt.api, tt.served, got, tt.skip)
		}
	}
}

// For prompts with images a plan counts only the text, and gives no ceiling from there on.
func TestImages_InThePlan(t *testing.T) {
	cell := imagePlan(t, "sees", "", "", nil)
	var images []int
	for i, turn := range cell.Turns {
		images = append(images, turn.Images)
		if known := i == 0; turn.Known != known || turn.Exact {
			t.Errorf("step %s: ceiling known %t, count exact %t", turn.Step, turn.Known, turn.Exact)
		}
	}
	if len(images) != 4 || images[0] != 0 || images[1] != 1 || images[2] != 1 || images[3] != 1 {
		t.Errorf("images of the turns: %v", images)
	}
	var shown []wire.Message
	h := cell.Scenario.Conversations[0].Begin()
	for _, step := range cell.Scenario.Conversations[0].Steps {
		err := step.Play(h, func(t Turn) (Reply, error) { shown = t.Messages; return t.Recorded(), nil })
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(shown) != 6 || len(shown[3].Images) != 1 || shown[3].Content != "What colour is it?" ||
		shown[3].Images[0].Media != "image/png" || len(shown[3].Images[0].SHA256) != 64 {
		t.Errorf("the edited question lost its picture: %+v", shown)
	}
}
