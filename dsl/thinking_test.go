package dsl

import "testing"

// A model is told to think as its file says, and what it cannot be told is not made up.
func TestThinking(t *testing.T) {
	lib, diags := LoadLibrary(File{Name: "models.yaml", Data: []byte(`schema: homellm.models/v1
models:
  switch: {context: {trained: 4096}, tools: true, thinking: {kwarg: enable_thinking, off: false, on: true, default: on}}
  levels:
    context: {trained: 4096}
    tools: false
    thinking: {kwarg: reasoning_effort, field: reasoning_effort, levels: [low, medium, high], default: medium}
  words: {context: {trained: 4096}, thinking: {kwarg: reasoning, off: none, levels: [high], default: off}}
  always: {context: {trained: 4096}, thinking: {default: on}}
  never: {context: {trained: 4096}}
`)})
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	for _, c := range []struct {
		model, how string
		value      any
		ok         bool
	}{
		{"switch", "off", false, true}, {"switch", "on", true, true}, {"switch", "high", nil, false},
		{"levels", "low", "low", true}, {"levels", "high", "high", true}, {"levels", "on", nil, true},
		{"levels", "off", nil, false},
		{"words", "off", "none", true}, {"words", "high", "high", true}, {"words", "on", nil, false},
		{"words", "low", nil, false},
		{"always", "on", nil, true}, {"always", "off", nil, false}, {"always", "low", nil, false},
		{"never", "off", nil, true}, {"never", "on", nil, false}, {"never", "medium", nil, false},
	} {
		value, ok := lib.Model(c.model).Thinking.Value(c.how)
		if value != c.value || ok != c.ok {
			t.Errorf("%s told %s: %v, %v; want %v, %v", c.model, c.how, value, ok, c.value, c.ok)
		}
	}
	for name, want := range map[string]any{"switch": true, "levels": false, "words": nil} {
		var got any
		if tools := lib.Model(name).Tools; tools != nil {
			got = *tools
		}
		if got != want {
			t.Errorf("%s takes tools: %v, want %v", name, got, want)
		}
	}
}
