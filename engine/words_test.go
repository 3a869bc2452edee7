package engine_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"homellm/engine/event"
	"homellm/engine/exit"
	"homellm/engine/sim"
)

// TestSkip_OnlyUnsupported plays quickstart, whose gates of the cache may be skipped: it passes on a server that never
// reports cached tokens, and not on one that does and leaves them out of one turn.
func TestSkip_OnlyUnsupported(t *testing.T) {
	noMetrics := sim.Fault{Kind: "no_metrics"}
	for name, c := range map[string]struct {
		config  sim.Config
		verdict event.Outcome // of the gates of the cache
		code    int
	}{
		"cannot tell": {sim.Config{Faults: []sim.Fault{noMetrics, {Kind: "no_usage"}}}, event.Unsupported, exit.Pass},
		"did not tell": {sim.Config{Faults: []sim.Fault{noMetrics, {Kind: "no_usage", Prompt: "the stove called"}}},
			event.Unknown, exit.Inconclusive},
		"no cache": {sim.Config{NoPrefixCache: true}, event.Fail, exit.Fail},
	} {
		t.Run(name, func(t *testing.T) {
			plan := load(t, "quickstart.yaml", shippedFile(t, "quickstart"), library(t))
			synctest.Test(t, func(t *testing.T) {
				var g rig
				g.play(t, plan, c.config)
				verdict, code, why := g.fold.Outcome()
				if code != c.code {
					t.Errorf("%s, exit %d (%s), want %d", verdict, code, why, c.code)
				}
				for _, v := range g.fold.Cells[0].Verdicts {
					if v.Name == "cache-recovers" && v.Verdict != c.verdict {
						t.Errorf("%s is %s (%s), want %s", v.Name, v.Verdict, v.Why, c.verdict)
					}
				}
			})
		})
	}
}

// TestNoConditionPassesOnAnAnswerThatIsNone plays a model that spends its budget on reasoning, and one whose answer is
// cut: a condition that is true only because nothing more was said does not pass, however it is written.
func TestNoConditionPassesOnAnAnswerThatIsNone(t *testing.T) {
	beginnings := []string{
		`not (turn.text startsWith "I have no idea at all")`,
		`turn.text not in ["Lomvik", "Wagtail"]`,
		`turn.text != "Lomvik"`,
		`(turn.ok ? turn.text : "Lomvik") != "Lomvik"`,
	}
	conditions := append([]string{
		`not (turn.text contains "Lomvik")`,
		`!(turn.text matches "L[o]mvik")`,
		`turn.text_len < 900`,
		`len(turn.text) <= 900`,
		`count(split(turn.text, ". "), # != "") < 30`,
		`none(split(turn.text, " "), # == "Lomvik")`,
		`all(split(turn.text, " "), # != "Lomvik")`,
		`let said = lower(turn.text); not (said contains "lomvik")`,
		`not conforms(turn.text, "shape") or turn.ttft_ms < 0`,
		`conv.text_len < 900`,
	}, beginnings...)
	for name, config := range map[string]sim.Config{
		"reasoning alone": {Wire: sim.Wire{ReasoningTokens: 400}},
		"cut":             {},
	} {
		t.Run(name, func(t *testing.T) {
			var step, conv []string
			for _, that := range conditions {
				quoted := "'" + strings.ReplaceAll(that, "'", "''") + "'"
				if strings.HasPrefix(that, "conv.") {
					conv = append(conv, quoted)
				} else {
					step = append(step, quoted)
				}
			}
			data := fmt.Appendf(nil, "schema: homellm.scenario/v1\nname: none\n"+
				"defaults: {request: {temperature: 0, seed: 1, max_tokens: 4}}\nrun: {warmup: 0, repeats: 1}\n"+
				"schemas: {shape: {type: object}}\n"+
				"conversations: [{id: c, steps: [{id: q, ask: Who is it?, assert: [%s]}], assert: [%s]}]\n",
				strings.Join(step, ", "), strings.Join(conv, ", "))
			plan := load(t, "none.yaml", data, library(t))
			synctest.Test(t, func(t *testing.T) {
				var g rig
				g.play(t, plan, config)
				if verdict, code, why := g.fold.Outcome(); code != exit.Inconclusive {
					t.Errorf("%s, exit %d: %s", verdict, code, why)
				}
				for _, v := range g.fold.Cells[0].Verdicts {
					// what a text begins with rules out whatever begins otherwise
					if ruledOut := name == "cut" && slices.Contains(beginnings, v.That); ruledOut != (v.Verdict == event.Pass) ||
						!ruledOut && (v.Verdict != event.Unknown || v.Why == "") {
						t.Errorf("%s: %s (%s)", v.That, v.Verdict, v.Why)
					}
				}
			})
		})
	}
}
