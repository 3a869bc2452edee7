package sim

import (
	"strings"
	"testing"
)

// A prompt begins with the tools and contains calls and results: a turn extends the one before it, and the tokeniser
// counts the same.
func TestToolsAreInThePrompt(t *testing.T) {
	virtual(t, Config{}, func(b *bench) {
		tools := []fields{{"type": "function",
			"function": fields{"name": "read_file", "parameters": fields{"type": "object"}}}}
		messages := []fields{{"role": "system", "content": "You mend code. " + manual(300)},
			{"role": "user", "content": "How heavy is the red crate?"}}
		ask := func() Entry {
			if status, body := b.text("POST", "/v1/chat/completions", fields{"messages": messages, "tools": tools,
				"max_tokens": 24}); status != 200 {
				t.Fatalf("%d %s", status, body)
			}
			e := b.last()
			if _, body := b.text("POST", "/tokenize", fields{"messages": messages, "tools": tools}); !strings.Contains(body,
				`"count":`+string(encode(e.PromptTokens))+",") {
				b.Errorf("the tokeniser counts otherwise than %d: %.60s", e.PromptTokens, body)
			}
			return e
		}
		first := ask()
		messages = append(messages, fields{"role": "assistant", "content": nil, "tool_calls": []fields{{"id": "c1",
			"type": "function", "function": fields{"name": "read_file", "arguments": `{"path":"manual.md"}`}}}},
			fields{"role": "tool", "tool_call_id": "c1", "content": "The red crate weighs 41 kilograms."})
		second := ask()
		if second.CachedTokens < first.PromptTokens-2*blockTokens || second.PromptTokens < first.PromptTokens+20 {
			b.Errorf("of %d tokens %d are cached, and the turn before had %d", second.PromptTokens, second.CachedTokens,
				first.PromptTokens)
		}
		plain := tokenize(render(conversation([]wireMessage{{Role: "user", Content: "Hi."}}), withHeader))
		if got := tokenize(render(withTools([]Message{{"user", "Hi."}}, nil), withHeader)); len(got) != len(plain) {
			b.Error("a prompt without tools has changed")
		}
		if text := second.Text; !strings.Contains(text, "41") {
			b.Errorf("the result of a call is not read: %q", text)
		}
	})
}
