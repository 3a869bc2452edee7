package engine_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/sim"
)

// sums is a scenario whose questions are the items of a data set. Item n asks for n + 10.
func sums(run, set string) []byte {
	return fmt.Appendf(nil, `schema: homellm.scenario/v1
name: sums
defaults: {request: {temperature: 0, seed: 1, max_tokens: 24}}
run: %s
conversations:
  - id: quiz
    for_each: {item: {%s, list: [{n: 1, is: 11}, {n: 2, is: 12}, {n: 3, is: 13}, {n: 4, is: 14}, {n: 5, is: 15}]}}
    system: You add numbers, and say nothing but their sum, as digits and without a word of your own before or after it.
    steps:
      - id: add
        ask: "What is ${item.n} plus 10?"
        assert:
          - {name: adds, that: "number_in(turn.text) == item.is", min_pass_rate: 60%%}
          - {name: brief, that: len(turn.text) < 3, severity: count}
      - id: sure
        ask: Are you sure about ${item.n} plus 10?
    assert: [conv.turns == 2]
assert:
  - run.requests_failed == 0
  - {name: fifth, that: "run.pass_rate[\"adds\"] > 0.2"}
  - {name: half, that: "run.pass_rate[\"adds\"] > 0.5"}
  - {name: nearly-all, that: "run.pass_rate[\"brief\"] >= 0.99"}
`, run, set)
}

// adder answers as the scenario of [sums] asks, but is wrong about one item.
func adder(wrong int) func([]sim.Message, func([]sim.Message) string) string {
	return func(messages []sim.Message, own func([]sim.Message) string) string {
		n := 0
		if len(messages) == 1 {
			return own(messages) // a prompt of the self-test
		}
		if _, err := fmt.Sscanf(messages[1].Content, "What is %d plus", &n); err != nil || n == wrong {
			return "It is hard to say."
		}
		return fmt.Sprint(n + 10)
	}
}

// A conversation is played once for each item that is taken, in one cell. Figures of a step are over all items, and
// those of a conversation fold the items of each repeat.
func TestItems(t *testing.T) {
	for scope, shared := range map[string]bool{"repeat": true, "conversation": false} {
		t.Run(scope, func(t *testing.T) {
			plan := load(t, "sums.yaml", sums("{warmup: 0, repeats: 2, isolation: {cache: salt, scope: "+scope+"}}",
				"shuffle: 3, take: 4"), library(t))
			var order []int
			for _, c := range plan.Cells[0].Scenario.Conversations {
				order = append(order, c.Item.N)
			}
			synctest.Test(t, func(t *testing.T) {
				var g rig
				g.play(t, plan, sim.Config{Answer: adder(order[1])})
				checkItems(t, &g, order, shared)
			})
		})
	}
}

func checkItems(t *testing.T, g *rig, order []int, shared bool) {
	ledger, cell := g.ledger(t), g.fold.Cells[0]
	var played []int
	found := 0 // tokens that first turns found in the cache
	for i, r := range g.requests() {
		compareTruth(t, r, ledger[i])
		if r.Step == "add" {
			played = append(played, r.Item)
			found += *r.Cached
		}
		if want := fmt.Sprintf("What is %d plus 10?", r.Item); ledger[i].Messages[1].Content != want {
			t.Errorf("item %d: the first question is %q", r.Item, ledger[i].Messages[1].Content)
		}
	}
	if want := slices.Concat(order, order); !slices.Equal(played, want) || (found > 0) != shared {
		t.Errorf("items %v, want %v; first turns found %d tokens in the cache", played, want, found)
	}
	if n := len(cell.Measured(metrics.Group{Repeat: 1, Conversation: "quiz", Item: order[2]})); n != 2 {
		t.Errorf("%d turns of an item in a repeat", n)
	}
	for _, v := range cell.Verdicts {
		if v.Name != "adds" {
			continue
		}
		one := v.Items[1]
		if v.Evaluated != 8 || v.Passed != 6 || len(v.Items) != 4 || v.Item != order[1] || one.Item != order[1] ||
			one.Evaluated != 2 || one.Passed != 0 || v.Verdict != "pass" {
			t.Errorf("%s: %d of %d passed, items %+v, shown is item %d", v.Verdict, v.Passed, v.Evaluated, v.Items, v.Item)
		}
	}
	checkScores(t, cell)
	look := cell.Lookup("scenario", 0, "", "")
	for path, want := range map[string]any{"steps.add.ttft_ms.n_turns": 8, "conversations.quiz.turns.max": 8.0,
		"conversations.quiz.total_ms.n": 2, "run.requests": 16} {
		if v := look(path); v.V != want {
			t.Errorf("%s is %v (%s), want %v", path, v.V, v.Why, want)
		}
	}
}

// Three of four items is a share of 0.75, which with 95 % confidence is above 0.249 and below 0.987, however often they
// are repeated. A gate between is neither passed nor failed, and what is only counted gates nothing.
func checkScores(t *testing.T, cell *metrics.Cell) {
	t.Helper()
	want := map[string]event.Outcome{"fifth": event.Pass, "half": event.Unknown, "nearly-all": event.Fail}
	for _, v := range cell.Verdicts {
		if outcome, is := want[v.Name]; is && (v.Verdict != outcome || v.Operands[0].Value != 0.75 ||
			!strings.HasPrefix(v.Operands[0].Source, "3 of 4 items; 95 % interval 0.194 to 0.994")) {
			t.Errorf("%s: %s (%s), of %+v", v.Name, v.Verdict, v.Why, v.Operands)
		}
		if v.Name == "half" && !strings.Contains(v.Why, "3 of 4 items passed, a share of 0.75, but with 95 % confidence it may "+
			"be 0.2486, on the other side of 0.5: about ") {
			t.Error(v.Why)
		}
		if v.Name == "brief" && (v.Verdict != event.Fail || metrics.Judge(v) != metrics.Counted) {
			t.Errorf("%s: %s, which is judged as %s", v.Name, v.Verdict, metrics.Judge(v))
		}
	}
	s, ok := cell.Score("brief") // from the journal, as other cells read it
	if c := cell.Certain(`run.pass_rate["brief"]`, ">", 0.5, nil); !ok || s.N != 4 || s.Low != 3 || c.OK {
		t.Errorf("%t: %+v, %+v", ok, s, c)
	}
	if v := cell.Lookup("scenario", 0, "", "")(`run.pass_rate["adds"]`); v.V != 0.75 {
		t.Errorf("%+v", v)
	}
}

// A conversation of 1,000 items costs about ten times as much to plan as one of 100.
func TestItems_PlanIsLinear(t *testing.T) {
	allocated := func(n int) float64 {
		items := ""
		for i := range n {
			items += fmt.Sprintf("\n          - {n: %d, is: %d}", i, i+10)
		}
		file := fmt.Appendf(nil, `schema: homellm.scenario/v1
name: sums
defaults: {request: {temperature: 0, seed: 1, max_tokens: 24}}
run: {isolation: {scope: conversation}}
conversations:
  - id: quiz
    for_each:
      item:
        list:%s
    steps: [{id: add, ask: "What is ${item.n} plus 10?", assert: ["number_in(turn.text) == item.is"]}]
`, items)
		lib := library(t)
		return testing.AllocsPerRun(1, func() {
			plan := load(t, "sums.yaml", file, lib)
			if len(plan.Cells[0].Turns) != n {
				t.Fatal("turns are missing")
			}
		})
	}
	if few, many := allocated(100), allocated(1000); many > 12*few {
		t.Errorf("%.0f allocations for 100 items, %.0f for 1000", few, many)
	}
}
