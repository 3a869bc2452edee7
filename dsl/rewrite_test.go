package dsl

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const rewriting = `documents:
  - {id: manual, text: Tighten to 41 Nm.}
  - {id: notes, text: It is blue.}
conversations:
  - id: main
    system: S
    steps:
      - {id: first, ask: Q1, reply: R1}
      - {id: load, inject: {docs: [manual]}}
      - {id: second, query: Q2, reply: R2}
      - {id: pause, wait: 5s}
      - {id: other, inject: {docs: [notes]}}
      - {id: third, continue: {turns: [Q3, Q4]}, reply: [R3, R4]}
`

// TestRewritingSteps checks what remains of a conversation after an edit, a compaction and a wait.
func TestRewritingSteps(t *testing.T) {
	const manual = "[RETRIEVED INFORMATION: manual]\nTighten to 41 Nm.\n[END RETRIEVED INFORMATION]"
	for _, tt := range []struct {
		name, steps string
		want        []string // messages of the turns that follow, with their phase
	}{
		{"edit", "{id: fix, edit: {step: second, text: Q2b}, reply: R}\n      - {id: on, continue: Q5, reply: R5}",
			[]string{
				"after_edit S|Q1|R1|" + manual + "\n\nQ2b [manual]", "after_edit S|Q1|R1|" + manual + "\n\nQ2b|R|Q5 [manual]"}},
		{"edit of the first", "{id: fix, edit: {step: first, text: Q1b}, reply: R}", []string{"after_edit S|Q1b []"}},
		{"edit of several", "{id: fix, edit: {step: third, text: Q3b}, reply: R}", []string{"after_edit S|Q1|R1|" + manual +
			"\n\nQ2|R2|[RETRIEVED INFORMATION: notes]\nIt is blue.\n[END RETRIEVED INFORMATION]\n\nQ3b [manual notes]"}},
		{"edit twice",
			"{id: fix, edit: {step: first, text: Q1b}, reply: R}\n      - {id: again, edit: {step: first, text: Q1c}, reply: R}",
			[]string{"after_edit S|Q1b []", "after_edit S|Q1c []"}},
		{"compact", "{id: shrink, compact: {keep_last: 1, summary: Sum.}}\n      - {id: on, continue: Q5, reply: R5}",
			[]string{"after_compact S|Sum.|Q4|R4|Q5 []"}},
		{"compact all", "{id: shrink, compact: {keep_last: 0, summary: Sum.}}\n      - {id: on, continue: Q5, reply: R5}",
			[]string{"after_compact S|Sum.|Q5 []"}},
		{"compact, and the model writes", "{id: shrink, compact: {keep_last: 1, ask: Sum up.}, reply: Sum.}\n" +
			"      - {id: on, continue: Q5, reply: R5}", []string{"with_rag S|Q1|R1|" +
			manual + "\n\nQ2|R2|[RETRIEVED INFORMATION: " +
			"notes]\nIt is blue.\n[END RETRIEVED INFORMATION]\n\nQ3|R3|Q4|R4|Sum up. [manual notes]",
			"after_compact S|Sum.|Q4|R4|Q5 []"}},
		{"compact and inject",
			"{id: shrink, compact: {keep_last: 1, summary: Sum.}}\n      - {id: back, inject: {docs: [manual]}}\n" +
				"      - {id: on, query: Q5, reply: R5}", []string{"with_rag S|Sum.|Q4|R4|" + manual + "\n\nQ5 [manual]"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			plan := mustLoad(t, scenario(rewriting+"      - "+tt.steps+"\n"), exactOptions())
			c := plan.Cells[0].Scenario.Conversations[0]
			var got []string
			var waited time.Duration
			h := c.Begin()
			h.Pause = func(d time.Duration) error { waited += d; return nil }
			for i, step := range c.Steps {
				err := step.Play(h, func(turn Turn) (Reply, error) {
					var texts []string
					for _, m := range turn.Messages {
						texts = append(texts, m.Content)
					}
					if i >= 6 {
						got = append(got, fmt.Sprintf("%s %s %v", turn.Phase, strings.Join(texts, "|"), turn.Docs))
					}
					return turn.Recorded(), nil
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if waited != 5*time.Second {
				t.Errorf("waited %v, want 5s", waited)
			}
			turns := plan.Cells[0].Turns
			if last := turns[len(turns)-1]; last.seen == 0 || last.seen >= last.PromptTokens {
				t.Errorf("the ceiling behind it is %d of %d", last.seen, last.PromptTokens)
			}
		})
	}
}

// TestRewritingSteps_Refused checks that a step which changes something missing is reported at its line.
func TestRewritingSteps_Refused(t *testing.T) {
	for steps, want := range map[string]string{
		"{id: fix, edit: {step: secnd, text: x}, reply: R}": `s.yaml:19:32 links/step:` +
			` no question of step "secnd" is in context ` +
			`here (did you mean "second"?`,
		"{id: fix, edit: {step: load, text: x}, reply: R}": `links/step:` +
			` no question of step "load" is in context here (step ` +
			`"load" asks nothing`,
		"{id: fix, edit: {step: on, text: x}, reply: R}\n      - {id: on, continue: y, reply: R}": `step "on" comes later`,
		"{id: s, compact: {keep_last: 1, summary: x}}\n      - {id: fix, edit: {step: second, text: x}, reply: R}": "step \"s\" " +
			"dropped it",
		"{id: s, compact: {keep_last: 4, summary: x}}": "s.yaml:19:38 links/step: keep_last 4 leaves nothing to sum up: the " +
			"context has 4 user messages",
		"{id: s, compact: {keep_last: 1, summary: x, ask: y}}": "schema/one-of",
		"{id: s, compact: {keep_last: 1, summary: x}}\n      - {id: q, query: x, reply: R}": "links/context: no document is in " +
			"context here",
		"{id: w, wait: soon}":                  "schema/",
		"{id: w, wait: 0s}":                    "must be longer than 0",
		"{id: w, wait: 1s, assert: [turn.ok]}": "links/assert",
	} {
		_, ds := Load(scenario(rewriting+"      - "+steps+"\n"), testLibrary(t), vocabulary, exactOptions())
		var all []string
		for _, d := range ds {
			all = append(all, fmt.Sprintf("%s:%d:%d %s: %s (%s)", d.Pos.File, d.Pos.Line, d.Pos.Col, d.Code, d.Message,
				d.Help))
		}
		if got := strings.Join(all, "\n"); !strings.Contains(got, want) {
			t.Errorf("%s\ngot  %s\nwant %s", steps, got, want)
		}
	}
}
