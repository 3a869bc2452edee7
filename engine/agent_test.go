package engine_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"homellm/dsl"
	"homellm/engine/metrics"
	"homellm/engine/sim"
)

// agentScenario is a conversation of an agent, with what its last turn has to be.
func agentScenario(history, steps string) []byte {
	return []byte(`schema: homellm.scenario/v1
name: agent
defaults:
  history: ` + history + `
  request: {temperature: 0, max_tokens: 64}
run: {repeats: 1, warmup: 0}
conversations:
  - id: fix
    system: You are a coding agent.
    tools:
      - name: read_file
        parameters: {type: object, properties: {path: {type: string}}, required: [path]}
        results:
          - {when: 'args.path == "parser.go"', text: off by one}
    steps:
` + steps)
}

// calling answers requests with tools as a model does that reads files until it has seen so many, and hands all others
// on. A call takes 30 ms, an answer 10.
func calling(files int, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q struct {
			Messages []dsl.Message     `json:"messages"`
			Tools    []json.RawMessage `json:"tools"`
		}
		if json.Unmarshal(bodyOf(r), &q) != nil || len(q.Tools) == 0 || r.URL.Path != "/v1/chat/completions" {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		send := func(delta, finish string) {
			time.Sleep(10 * time.Millisecond)
			fmt.Fprintf(w, "data: {\"choices\":[{\"index\":0,\"delta\":{%s},\"finish_reason\":%s}]}\n\n", delta, finish)
			_ = http.NewResponseController(w).Flush()
		}
		if last := q.Messages[len(q.Messages)-1]; last.Role == "tool" && files <= 1 || last.Role != "tool" && files == 0 {
			send(`"content":"It is `+last.Content+`."`, `"stop"`)
		} else {
			send(`"tool_calls":[{"index":0,"id":"c1","type":"function","function":{"name":"read_file","arguments":""}}]`, "null")
			send(`"tool_calls":[{"index":0,"function":{"arguments":"{\"path\":"}}]`, "null")
			send(`"tool_calls":[{"index":0,"function":{"arguments":"\"parser.go\"}"}}]`, `"tool_calls"`)
		}
		fmt.Fprint(w, "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":20,\"completion_tokens\":12}}\n\ndata: [DONE]\n\n")
	})
}

// TestAgent plays a conversation with tools: what is called is answered, and the figures say how it went.
func TestAgent(t *testing.T) {
	const recorded = "      - {id: start, ask: Why?, " +
		"reply: [{tool_calls: [{name: read_file, arguments: {path: parser.go}}]}, Done.]}\n"
	for _, tt := range []struct {
		name, history, steps string
		files                int
		want                 map[string]any
	}{
		{"live", "live", "      - {id: start, ask: Why?}\n", 1, map[string]any{"turns": 2, "rounds": 2, "tool_calls": 1,
			"tool_calls_valid": 1, "tool_calls_unmatched": 0, "stopped": "answer"}},
		{"live, in circles", "live", "      - {id: start, ask: Why?}\n", 9, map[string]any{"turns": 3, "rounds": 3,
			"tool_calls": 3, "tool_calls_valid": 3, "tool_calls_unmatched": 0, "stopped": "loop"}},
		{"live, at the limit", "live", "      - {id: start, ask: Why?, max_rounds: 2}\n", 9, map[string]any{"turns": 2,
			"rounds": 2, "tool_calls": 2, "tool_calls_valid": 2, "tool_calls_unmatched": 0, "stopped": "max_rounds"}},
		{"recorded, and the server answers at once", "recorded", recorded, 0, map[string]any{"turns": 2, "rounds": 2,
			"tool_calls": 0, "tool_calls_valid": 0, "tool_calls_unmatched": 0, "stopped": "answer"}},
		{"recorded, and the server calls on", "recorded", recorded, 9, map[string]any{"turns": 2, "rounds": 2,
			"tool_calls": 2, "tool_calls_valid": 2, "tool_calls_unmatched": 0, "stopped": "answer"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			plan := load(t, "agent.yaml", agentScenario(tt.history, tt.steps), library(t))
			synctest.Test(t, func(t *testing.T) {
				g := rig{front: func(next http.Handler) http.Handler { return calling(tt.files, next) }}
				g.play(t, plan, sim.Config{})
				cell := g.fold.Cells[0]
				look := cell.Lookup("step", 1, "fix", "start")
				got := map[string]any{}
				for name := range tt.want {
					got[name] = look("step." + name).V
				}
				for name, want := range tt.want {
					if got[name] != want {
						t.Errorf("step.%s is %v, want %v", name, got[name], want)
					}
				}
				first := look("first_turn.time_to_tool_call_ms")
				if calls := look("first_turn.tool_calls").V != 0; calls && first.V != 30.0 || !calls && first.Known() {
					t.Errorf("time to the first call: %+v", first)
				}
				if q := cell.Measured(metrics.Group{}); len(q) < 2 {
					t.Errorf("%d requests: %+v, %s", len(q), cell.Failed, cell.Planned.Skip)
				} else if q[1].Round != 2 || q[1].Turn != 2 {
					t.Errorf("the second request is round %d, turn %d", q[1].Round, q[1].Turn)
				}
			})
		})
	}
}

// TestAgent_SummaryWithoutText checks that a model which calls a tool where a summary was asked for is noted.
func TestAgent_SummaryWithoutText(t *testing.T) {
	steps := "      - {id: start, ask: Why?, max_rounds: 1}\n      - {id: shrink, compact: {keep_last: 0, ask: Sum up.}}\n" +
		"      - {id: on, continue: And now?, max_rounds: 1}\n"
	replied := strings.NewReplacer("max_rounds: 1}", "reply: [Hm.]}",
		"Sum up.}}", "Sum up.}, reply: [All is well.]}").Replace(steps)
	for history, steps := range map[string]string{"live": steps, "recorded": replied} {
		want := 0
		if history == "live" {
			want = 1
		}
		plan := load(t, "agent.yaml", agentScenario(history, steps), library(t))
		synctest.Test(t, func(t *testing.T) {
			g := rig{front: func(next http.Handler) http.Handler { return calling(9, next) }}
			g.play(t, plan, sim.Config{})
			if notes := notesOf(g.fold, "summary_without_text"); len(notes) != want {
				t.Errorf("%s: noted %q", history, notes)
			}
			if n := len(g.fold.Cells[0].Requests); n != 3 {
				t.Errorf("%s: %d requests", history, n)
			}
		})
	}
}

// TestRewrites plays steps that rewrite a history, and one that waits: phases and the ceiling follow them, and no
// measured time includes the wait.
func TestRewrites(t *testing.T) {
	plan := load(t, "rewrite.yaml", []byte(`schema: homellm.scenario/v1
name: rewrite
defaults:
  history: recorded
  request: {temperature: 0, max_tokens: 16}
run: {repeats: 1, warmup: 0}
conversations:
  - id: main
    system: `+strings.Repeat("You know a lot of pumps and of their valves. ", 8)+`
    steps:
      - {id: first, ask: How tight are the bolts?, reply: Forty-one newton metres.}
      - {id: second, ask: And the valves?, reply: They are blue.}
      - {id: pause, wait: 1h}
      - {id: fix, edit: {step: second, text: And the seals?}, reply: They are red.}
      - {id: shrink, compact: {keep_last: 1, ask: Sum up.}, reply: Bolts are tight.}
      - {id: on, continue: And then?, reply: Nothing.}
`), library(t))
	synctest.Test(t, func(t *testing.T) {
		var g rig
		g.play(t, plan, sim.Config{LedgerEntries: 100})
		ledger := g.ledger(t)
		var phases []string
		for i, r := range g.requests() {
			compareTruth(t, r, ledger[i])
			phases = append(phases, r.Step+" "+r.Phase)
		}
		want := []string{"first before", "second before", "fix after_edit", "shrink after_edit", "on after_compact"}
		if diff := cmp.Diff(want, phases); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if q := g.requests()[2]; q.Waited != time.Hour || *q.Cached == 0 || *q.Cached == *q.Usage.Prompt {
			t.Errorf("waited %v before the edit, of which %d tokens were cached", q.Waited, *q.Cached)
		}
		total := g.fold.Cells[0].Lookup("conversation", 1, "main", "")("conv.total_ms")
		if ms, ok := total.V.(float64); !ok || ms > float64(time.Minute.Milliseconds()) {
			t.Errorf("conv.total_ms is %+v: the wait is in it", total)
		}
	})
}
