package prompt

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"homellm/dsl"
	"homellm/engine/wire"
)

// TestTurn_Chat checks that a scenario's thinking is encoded as this model expects it, and that its tools and reply
// format are passed on.
func TestTurn_Chat(t *testing.T) {
	kwarg := &dsl.Thinking{Kwarg: "enable_thinking", Off: false, On: true, Default: "on"}
	levels := &dsl.Thinking{Kwarg: "reasoning_effort", Field: "reasoning_effort", Levels: []string{"low", "high"},
		Default: "low"}
	for _, tt := range []struct {
		name, how string
		model     *dsl.Thinking
		extra     map[string]any
		level     string
	}{
		{"off", "off", kwarg, map[string]any{"chat_template_kwargs": map[string]any{"enable_thinking": false, "own": 1}},
			"off"},
		{"a level", "high", levels, map[string]any{"chat_template_kwargs": map[string]any{"own": 1},
			"reasoning_effort": "high"},
			"high"},
		{"a level that there is not", "medium", levels, map[string]any{"chat_template_kwargs": map[string]any{"own": 1}},
			""},
		{"a model that never thinks", "on", nil, map[string]any{"chat_template_kwargs": map[string]any{"own": 1}}, ""},
		{"nothing said", "", kwarg, map[string]any{"chat_template_kwargs": map[string]any{"own": 1}}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := New(&dsl.Cell{Server: &dsl.Server{}, Model: &dsl.Model{Thinking: tt.model}}, NewTemplates(nil, nil), nil,
				Server{Body: map[string]any{"chat_template_kwargs": map[string]any{"own": 1}}})
			format := &wire.Format{Name: "part", Schema: json.RawMessage(`{}`)}
			step := &dsl.Step{Request: dsl.Sampling{Thinking: tt.how, ToolChoice: "none", Format: format}}
			r := m.Turn(step, dsl.Turn{Messages: []dsl.Message{{Role: "user", Content: "Hi"}}})
			if diff := cmp.Diff(tt.extra, r.Extra); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if r.Thinking.Level != tt.level || r.ToolChoice != "none" || r.Format != format {
				t.Errorf("%+v", r.Prompt)
			}
		})
	}
}

// TestTurn_Unsaid: a plan reports what an API cannot express, and a run does not send it.
func TestTurn_Unsaid(t *testing.T) {
	profile := &dsl.Server{}
	profile.API = wire.LMStudio
	templates := NewTemplates(nil, nil)
	m := New(&dsl.Cell{Server: profile}, templates, nil, Server{API: wire.LMStudio})
	history := []dsl.Message{{Role: "user", Content: "Hi"}, {Role: "assistant", Content: "Hello!"},
		{Role: "user", Content: "x?"}}
	for n, want := range map[int]bool{1: true, 3: false} {
		r := m.Turn(&dsl.Step{}, dsl.Turn{Messages: history[:n]})
		_, _, _, err := templates.Render(profile, nil, history[:n])
		if (r.Err == nil) != want || (err == nil) != want {
			t.Errorf("%d messages: a run says %v, a plan %v", n, r.Err, err)
		}
	}
}
