package observe

import (
	"strings"
	"testing"

	"homellm/engine/event"
)

func TestCheckText(t *testing.T) {
	for _, c := range []struct {
		name           string
		text, thinking string
		key, finish    string
		plain, tools   string
		prefill        bool
		want           string // the beginning of the only note; empty: there is none
	}{
		{name: "an answer", text: "Four.", finish: "stop"},
		{name: "an answer after thinking", text: "Four.", thinking: "2 + 2", key: "reasoning", finish: "stop"},
		{name: "an answer in the place of thoughts", thinking: "Four.", key: "reasoning", finish: "stop",
			want: "answer_in_reasoning: c/q turn 1, repeat 0: the reply ended by itself, and all of it is in reasoning: "},
		{name: "thoughts that were cut", thinking: "Fo", key: "reasoning", finish: "length"},
		{name: "thoughts before a tool call", thinking: "Let me see.", tools: "look{}", key: "reasoning", finish: "stop"},
		{name: "thoughts between tags", thinking: "Four.", finish: "stop"},
		{name: "a prefill", thinking: "F", key: "reasoning", finish: "stop", prefill: true},
		{name: "another turn of its own", text: "Four.<|im_end|>\n<|im_start|>user\nAnd 3 + 3?", finish: "length",
			want: "template_leak: c/q turn 1, repeat 0: the reply holds <|im_end|>, which is a marker"},
		{name: "in thoughts", text: "Four.", thinking: "2 + 2 <end_of_turn>", key: "reasoning", finish: "stop",
			want: "template_leak: c/q turn 1, repeat 0: the reply holds <end_of_turn>"},
		{name: "a marker that was asked about", text: "<|im_end|> ends a message.", finish: "stop",
			plain: "What is <|im_end|>?"},
		{name: "what only looks like one", text: "<|> <im_end> [inst]", finish: "stop"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, notes := alone(Server{})
			r := reply(0, nil)
			r.Text, r.Reasoning, r.Finish, r.Tools, r.Prefill = c.text, c.thinking, c.finish, c.tools, c.prefill
			r.Wire.ReasoningKey = c.key
			for range 2 { // once
				o.signs.checkText(r, c.plain, "llamacpp", o.notes)
			}
			got := notes.String()
			if !strings.HasPrefix(got, c.want) || (got == "") != (c.want == "") || strings.Count(got, "\n") > 1 {
				t.Errorf("notes %q, want %q", got, c.want)
			}
			if strings.HasPrefix(got, "template_leak") && !strings.Contains(got, "--chat-template") {
				t.Errorf("it does not say what to do: %q", got)
			}
		})
	}
	o, notes := alone(Server{})
	failed := reply(0, nil)
	failed.Text, failed.Err = "<|im_end|>", &event.Error{}
	if o.signs.checkText(failed, "", "", o.notes); notes.Len() > 0 {
		t.Errorf("of a failed request: %q", notes)
	}
}
