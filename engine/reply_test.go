package engine_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"homellm/engine/client"
	"homellm/engine/sim"
	"homellm/engine/target"
)

// scripted answers every request for a completion with the same events, and keeps its messages.
type scripted struct {
	events   []string
	messages [][]client.Message
}

func (s *scripted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var asked struct {
		Messages []client.Message `json:"messages"`
	}
	if err := json.Unmarshal(body, &asked); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.messages = append(s.messages, asked.Messages)
	w.Header().Set("Content-Type", "text/event-stream")
	for _, e := range append(s.events, `{"choices":[{"delta":{},"finish_reason":"stop"}]}`, "[DONE]") {
		fmt.Fprintf(w, "data: %s\n\n", e)
	}
}

const twoTurns = `schema: homellm.scenario/v1
name: two
defaults: {request: {temperature: 0, seed: 1, max_tokens: 8}}
run: {warmup: 0, repeats: 1, isolation: {cache: none, allow_contaminated: true}}
conversations:
  - id: main
    steps:
      - {id: one, ask: What is first?}
      - {id: two, continue: What is second?}
`

// playScripted plays two turns and returns the last message but one of the second, which is the first reply as the
// history has it; empty if there was no second turn.
func playScripted(t *testing.T, tags string, events ...string) (g *rig, history string) {
	t.Helper()
	g, s := new(rig), &scripted{events: events}
	synctest.Test(t, func(t *testing.T) {
		dial, shut := sim.Pipe(s)
		defer shut()
		g.target = func(t *target.Target) { t.Client.Dial, t.Client.ReasoningTags = dial, tags }
		g.play(t, load(t, "two.yaml", []byte(twoTurns), library(t)), sim.Config{})
	})
	for _, m := range s.messages {
		if n := len(m); strings.Contains(m[n-1].Content, "second") {
			history = m[n-2].Content
		}
	}
	return g, history
}

// TestReplyAsHistory checks that a reply goes into the history as its answer, once and without its reasoning.
func TestReplyAsHistory(t *testing.T) {
	thought := `{"choices":[{"delta":{"content":"<think>Hm.</think>\n\nParis."}}]}`
	for _, tt := range []struct{ name, tags, event, want, note string }{
		{"reasoning between tags", "", thought, "Paris.", ""},
		{"tags that are text", "none", thought, "<think>Hm.</think>\n\nParis.", ""},
		{"a message beside the delta", "", `{"choices":[{"delta":{"content":"Paris."},"message":{"content":"Paris."}}]}`,
			"Paris.", ""},
		{"several choices", "", `{"choices":[{"delta":{"content":"Paris."}},{"index":1,"delta":{"content":"Rome."}}]}`,
			"Paris.", "several_choices"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g, got := playScripted(t, tt.tags, tt.event)
			if got != tt.want {
				t.Errorf("the history has %q, want %q", got, tt.want)
			}
			if tt.note != "" && len(notesOf(g.fold, tt.note)) != 1 {
				t.Errorf("no note %s: %v", tt.note, g.fold.Cells[0].Notes)
			}
		})
	}
}

// TestToolCallUnanswered ends a conversation at a reply that calls a tool.
func TestToolCallUnanswered(t *testing.T) {
	g, history := playScripted(t, "",
		`{"choices":[{"delta":{"tool_calls":[{"function":{"name":"f","arguments":"{}"}}]}}]}`)
	if notes := notesOf(g.fold, "tool_call_unanswered"); len(notes) != 1 {
		t.Errorf("notes %v", g.fold.Cells[0].Notes)
	}
	if n := len(g.fold.Cells[0].Requests); n != 1 || history != "" {
		t.Errorf("%d turns were played, and the history went on with %q", n, history)
	}
}
