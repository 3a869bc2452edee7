package wire

import "testing"

// The text of a template says whether it reads thoughts.
func TestReadsThoughts(t *testing.T) {
	for text, want := range map[string]bool{
		"{%- if message.reasoning_content is string %}":                     true,  // Qwen3
		`{%- if m.reasoning_content is defined and m.reasoning_content %}`:  true,  // GLM
		"{%- if message['reasoning_content'] is defined %}":                 true,  //
		`{%- if "thinking" in message and "tool_calls" in message %}`:       true,  // gpt-oss
		"{{- message.thinking }}":                                           true,  //
		"{{ m.get('reasoning') }}":                                          true,  //
		"{{ if .Thinking }}<think>{{ .Thinking }}</think>{{ end }}":         true,  // Ollama
		"{%- if enable_thinking is defined and enable_thinking is false %}": false, // a switch
		"{%- set reasoning_effort = 'medium' %}Reasoning: low":              false,
		"{{ m.content.split('</think>')[-1] }}":                             false, // DeepSeek R1
		"{%- if thinking is defined and thinking %}":                        false, // DeepSeek V3.1
		"{{ m.reasoning_effort }}{{ m['thinking_budget'] }}":                false,
	} {
		if got := ReadsThoughts(text); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

func TestThink(t *testing.T) {
	m := Message{Role: "assistant", Content: "41"}
	for _, field := range []string{FieldReasoningContent, FieldReasoning, FieldThinking} {
		m = m.Think(field, "why "+field)
		if m.Thoughts() != "why "+field || m.Equal(Message{Role: "assistant", Content: "41"}) {
			t.Errorf("%s: %+v", field, m)
		}
	}
	if m = m.Think("", "why"); !m.Equal(Message{Role: "assistant", Content: "41"}) {
		t.Errorf("thoughts are left: %+v", m)
	}
}
