package observe

import (
	"fmt"
	"strings"
	"testing"

	"homellm/engine/event"
	"homellm/engine/wire"
)

// TestWordless checks which replies of live conversations are noted for saying nothing, and why they do.
func TestWordless(t *testing.T) {
	call := event.Exchange{Tools: "read_file{}", Calls: []wire.ToolCall{wire.Call("c", "read_file", "{}")}}
	for name, c := range map[string]struct {
		action string
		reply  event.Exchange
		want   string
	}{
		"an answer": {"ask", event.Exchange{Text: "Paris."}, ""},
		"a call":    {"ask", call, ""},
		"a failure": {"ask", event.Exchange{Err: &event.Error{Class: "empty"}}, ""},
		"a summary": {"compact", event.Exchange{Text: "All is well."}, ""},
		"white space": {"ask", event.Exchange{Text: " \n"}, "reply_without_text: 1 of 1 replies have no text and call no tool, " +
			"first main/q turn 2, repeat 3 (it is white space)"},
		"only reasoning": {"ask", event.Exchange{Reasoning: "Hm."}, "(it ends after its reasoning)"},
		"reasoning to the limit": {"ask", event.Exchange{Reasoning: "Hm.", Usage: event.Usage{Completion: new(8)}},
			"(its reasoning took all of its 8 tokens)"},
		"a call where a summary was asked for": {"compact", call, "summary_without_text: 1 of 1 summaries that the model was " +
			"asked for have no text, first main/q turn 2, repeat 3 (it calls read_file)"},
	} {
		t.Run(name, func(t *testing.T) {
			var said []string
			add := func(code, format string, args ...any) { said = append(said, code+": "+fmt.Sprintf(format, args...)) }
			var w wordless
			r := event.Request{Repeat: 3, Conversation: "main", Step: "q", Turn: 2, Action: c.action, MaxTokens: 8,
				Exchange: c.reply}
			w.check(&r)
			w.sum(notes{add: add})
			if got := strings.Join(said, "; "); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
				t.Errorf("noted %q, want %q", got, c.want)
			}
		})
	}
}
