package judge

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"homellm/dsl"
	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/stats"
)

// acrossPlan has cells of two quantisations on each of two machines, and one assertion over them.
func acrossPlan(t *testing.T, order string, repeats int, overall string) *dsl.Plan {
	t.Helper()
	text := fmt.Sprintf(`schema: homellm.scenario/v1
name: s
matrix: {quant: [q4, q8], room: {small: 1, large: 2}}
run: {repeats: %d, order: %s}
defaults: {request: {temperature: 0, seed: 1}}
conversations: [{id: c, steps: [{id: q, ask: "Hello ${matrix.quant} ${matrix.room}"}]}]
overall: [%s]
`, repeats, order, overall)
	plan, ds := dsl.Load(dsl.File{Name: "s.yaml", Data: []byte(text)}, &dsl.Library{}, Vocabulary(), dsl.Options{})
	if plan == nil {
		t.Fatal(ds)
	}
	return plan
}

// cellOf is the cell with some values.
func cellOf(plan *dsl.Plan, quant string, room int) *dsl.Cell {
	for _, c := range plan.Cells {
		if c.Values["quant"] == quant && c.Values["room"] == room {
			return c
		}
	}
	return nil
}

// played is a run in which each repeat of a cell has the time to first token that ms says.
func played(plan *dsl.Plan, ms func(quant string, room, repeat int) float64) *metrics.Run {
	r := &metrics.Run{}
	for _, c := range plan.Cells {
		r.Add(event.Event{Cell: c.ID, Body: event.CellPlanned{Skip: c.Skip}})
		for i := range plan.Repeats {
			q := event.Request{Repeat: i + 1, Conversation: "c", Step: "q", Turn: 1}
			q.Sent = new(time.Duration(0))
			at := time.Duration(ms(c.Values["quant"].(string), c.Values["room"].(int), i+1) * float64(time.Millisecond))
			q.Chunks = []event.Chunk{{At: at, Channel: event.Answer, Bytes: 1}}
			r.Add(event.Event{Cell: c.ID, Body: q})
		}
		r.Add(event.Event{Cell: c.ID, Body: event.CellDone{}})
	}
	return r
}

// judged are the verdicts over all cells, by title.
func judged(plan *dsl.Plan, r *metrics.Run) map[string]event.Verdict {
	out := map[string]event.Verdict{}
	for _, b := range Overall(plan, r) {
		if v, ok := b.(event.Verdict); ok {
			out[v.Title()] = v
		}
	}
	return out
}

const ratioOfQuants = `'cell({quant: "q4"}).steps.q.ttft_ms.p50 < 0.8 * cell({quant: "q8"}).steps.q.ttft_ms.p50'`

// An axis that is left out is the same on both sides, and has a verdict for each of its values.
func TestOverall(t *testing.T) {
	plan := acrossPlan(t, "interleaved", 3, ratioOfQuants)
	r := played(plan, func(quant string, room, _ int) float64 {
		return map[string]float64{"q4": 100, "q8": 120}[quant] + map[bool]float64{true: 30}[quant == "q8" && room == 2]
	})
	got := judged(plan, r)
	small, large := got["overall[1] (room=small)"], got["overall[1] (room=large)"]
	if len(got) != 2 || small.Verdict != event.Fail || large.Verdict != event.Pass || small.Scope != "overall" {
		t.Fatalf("%+v", got)
	}
	want := []event.Operand{{Path: `cell({quant: "q4"}).steps.q.ttft_ms.p50`, Value: 100.0, Unit: "ms",
		Source: "client; n=3"},
		{Path: `cell({quant: "q8"}).steps.q.ttft_ms.p50`, Value: 150.0, Unit: "ms", Source: "client; n=3"}}
	for i, o := range large.Operands {
		if o != want[i] {
			t.Errorf("%+v, want %+v", o, want[i])
		}
	}

	// The fold keeps the latest of the same verdict, and they count for the outcome as those of cells do.
	for range 2 {
		for _, b := range Overall(plan, r) {
			r.Add(event.Event{Body: b})
		}
	}
	r.Add(event.Event{Body: event.RunDone{}})
	if verdict, code, why := r.Outcome(); verdict != event.Fail || code != 1 || len(r.Overall) != 2 || len(r.Cells) != 4 ||
		why != "1 assertion failed: overall[1] (room=small)" {
		t.Errorf("%s, %d: %s; %d verdicts, %d cells", verdict, code, why, len(r.Overall), len(r.Cells))
	}
}

// A cell that was skipped says nothing, and one that broke off should have said something.
func TestOverall_WithoutFigures(t *testing.T) {
	same := func(string, int, int) float64 { return 100 }
	skipped := acrossPlan(t, "interleaved", 3, ratioOfQuants)
	cellOf(skipped, "q8", 1).Skip = "its context is too short"
	got := judged(skipped, played(skipped, same))
	if v := got["overall[1] (room=small)"]; v.Verdict != event.Unsupported ||
		!strings.HasSuffix(v.Why, "quant=q8 x room=small was skipped: its context is too short") {
		t.Errorf("skipped: %s, %s", v.Verdict, v.Why)
	}
	if v := got["overall[1] (room=large)"]; v.Verdict != event.Fail {
		t.Errorf("beside a skipped cell: %s", v.Verdict)
	}
	plan := acrossPlan(t, "interleaved", 3, ratioOfQuants)
	for _, c := range []struct {
		end event.Body
		why string
	}{
		{event.CellFailed{Err: "the port is taken"}, "did not run: the port is taken"},
		{event.CellDone{Err: "the server is gone"}, "ended early: the server is gone"},
		{nil, "was not played to its end"},
	} {
		r := played(plan, same)
		id := cellOf(plan, "q8", 2).ID
		if c.end != nil {
			r.Add(event.Event{Cell: id, Body: c.end})
		} else {
			r.Cell(id).Done = nil
		}
		if v := judged(plan, r)["overall[1] (room=large)"]; v.Verdict != event.Unknown || !strings.Contains(v.Why, c.why) {
			t.Errorf("%T: %s, %s, want %s", c.end, v.Verdict, v.Why, c.why)
		}
	}
}

// Pairs of repeats that were played in turn share a drift that the samples apart do not.
func TestOverall_Confidence(t *testing.T) {
	drift := func(quant string, _, repeat int) float64 {
		return 100 + 20*float64(repeat) + map[string]float64{"q8": 3}[quant] + 0.1*float64(repeat%3)
	}
	level := func(quant string, _, repeat int) float64 { // 30 apart, give or take 0.2
		return 100 + float64(repeat%3) + map[string]float64{"q8": 30 + 0.2*float64(repeat%2*2-1)}[quant]
	}
	// nine of ten pairs are 10 apart, and the medians are the values of the tenth, which is the other way round
	twisted := func(quant string, _, repeat int) float64 {
		at := map[bool]float64{true: 50, false: 200}[repeat < 5] - map[string]float64{"q4": 10}[quant]
		if repeat == 5 {
			at = map[string]float64{"q4": 101, "q8": 100}[quant]
		}
		return at
	}
	const less = `cell({quant: "q4", room: "small"}).steps.q.ttft_ms.%s < cell({quant: "q8", room: "small"}).steps.q.ttft_ms.%[1]s`
	for _, c := range []struct {
		name, order, that string
		ms                func(string, int, int) float64
		want              event.Outcome
		why               string
	}{
		{"drift, in turn", "interleaved", fmt.Sprintf(less, "p50"), drift, event.Pass, ""},
		{"drift, means in turn", "abba", fmt.Sprintf(less, "mean"), drift, event.Pass, ""},
		{"drift, one after the other", "sequential", fmt.Sprintf(less, "p50"), drift, event.Unknown,
			"with 95 % confidence from"},
		{"drift, means one after the other", "sequential", fmt.Sprintf(less, "mean"), drift, event.Unknown, "more repeats"},
		{"level, one after the other", "sequential", fmt.Sprintf(less, "p50"), level, event.Pass, ""},
		{"the other way round", "interleaved", strings.Replace(fmt.Sprintf(less, "p50"), "<", ">=", 1), level,
			event.Fail, ""},
		{"a margin that holds", "interleaved", fmt.Sprintf(less, "p50") + " - 29", level, event.Pass, ""},
		{"a margin too far", "interleaved", fmt.Sprintf(less, "p50") + " - 31", level, event.Fail, ""},
		{"a margin at the difference", "interleaved", fmt.Sprintf(less, "p50") + " - 30", level, event.Unknown,
			"left minus right is"},
		{"pairs against medians", "interleaved", fmt.Sprintf(less, "p50"), twisted, event.Unknown, "on different sides"},
		{"one of two that is broken", "interleaved", fmt.Sprintf(less, "p50") +
			` and cell({quant: "q4", room: "small"}).steps.q.ttft_ms.p50 < 50`, level, event.Fail, ""},
		{"one cell and a number", "interleaved", `cell({quant: "q4", room: "small"}).steps.q.ttft_ms.p50 < 110`, level,
			event.Pass, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			plan := acrossPlan(t, c.order, 10, "{that: '"+c.that+"', confidence: 95%}")
			v := judged(plan, played(plan, c.ms))["overall[1]"]
			if v.Verdict != c.want || !strings.Contains(v.Why, c.why) || v.Interval == nil {
				t.Fatalf("%s (%s), want %s (%s); %+v", v.Verdict, v.Why, c.want, c.why, v.Interval)
			}
			i := v.Interval
			if i.Repeats != 10 || i.Paired == (c.order == "sequential") || i.Confidence != 0.95 || i.Unit != "ms" {
				t.Errorf("%+v", i)
			}
		})
	}
}

// scoredPlan has cells of two quantisations on each of two machines that are asked the same items, and one assertion
// over them.
func scoredPlan(t *testing.T, order, overall string) *dsl.Plan {
	t.Helper()
	list := strings.TrimSuffix(strings.Repeat("{ask: Hello}, ", items), ", ")
	text := fmt.Sprintf(`schema: homellm.scenario/v1
name: s
matrix: {quant: [q4, q8], room: {small: 1, large: 2}}
run: {repeats: 2, order: %s}
defaults: {request: {temperature: 0, seed: 1}}
conversations:
  - id: c
    for_each: {item: {list: [%s]}}
    steps:
      - id: q
        ask: ${item.ask} ${matrix.quant} ${matrix.room}
        assert: [{name: answers, that: turn.ok, severity: count}]
overall: [%s]
`, order, list, overall)
	plan, ds := dsl.Load(dsl.File{Name: "s.yaml", Data: []byte(text)}, &dsl.Library{}, Vocabulary(), dsl.Options{})
	if plan == nil {
		t.Fatal(ds)
	}
	return plan
}

const items = 60

// scoredRun is a run of two repeats in which each item passes as often as passed says.
func scoredRun(plan *dsl.Plan, passed func(quant string, item int) int) *metrics.Run {
	r := &metrics.Run{}
	for _, c := range plan.Cells {
		r.Add(event.Event{Cell: c.ID, Body: event.CellPlanned{Skip: c.Skip}})
		v := event.Verdict{Name: "answers", Scope: "step", Severity: event.SeverityCount, Verdict: event.Pass}
		for i := range items {
			one := event.OfItem{Item: i + 1, Evaluated: 2, Passed: passed(c.Values["quant"].(string), i+1)}
			v.Items, v.Evaluated, v.Passed = append(v.Items, one), v.Evaluated+2, v.Passed+one.Passed
		}
		r.Add(event.Event{Cell: c.ID, Body: v})
		r.Add(event.Event{Cell: c.ID, Body: event.CellDone{}})
	}
	return r
}

// Pass rates of cells are compared as they stand, and with a confidence item by item, in whatever order the cells were
// played: items that are hard for both cells say nothing about the difference.
func TestOverall_PassRates(t *testing.T) {
	hard := func(item int) bool { return item%2 == 0 } // for all
	same := func(_ string, item int) int {
		if hard(item) {
			return 0
		}
		return 2
	}
	worse := func(quant string, item int) int { // q4 misses a third of what q8 knows
		if hard(item) || quant == "q4" && item%3 == 0 {
			return 0
		}
		return 2
	}
	slightly := func(quant string, item int) int {
		if hard(item) || quant == "q4" && item == 3 {
			return 0
		}
		return 2
	}
	const rate = `cell({quant: "%s"}).run.pass_rate["answers"]`
	q4, q8 := fmt.Sprintf(rate, "q4"), fmt.Sprintf(rate, "q8")
	for _, c := range []struct {
		name, that, confidence string
		passed                 func(string, int) int
		want                   event.Outcome
		by                     float64
		why                    string
	}{
		{"as they stand", q4 + " >= " + q8, "", same, event.Pass, 0, ""},
		{"worse as they stand", q4 + " >= " + q8, "", slightly, event.Fail, 0, ""},
		{"surely worse", q4 + " >= " + q8, "95%", worse, event.Fail, -1.0 / 6, ""},
		{"surely less", q4 + " < " + q8, "95%", worse, event.Pass, -1.0 / 6, ""},
		{"hardly worse", q4 + " >= " + q8, "95%", slightly, event.Unknown, -1.0 / 60, "more items would settle it"},
		{"within a margin", q4 + " > " + q8 + " - 0.1", "95%", slightly, event.Pass, 1.0/10 - 1.0/60, ""},
	} {
		for _, order := range []string{"sequential", "interleaved"} {
			t.Run(c.name+", "+order, func(t *testing.T) {
				confidence := ""
				if c.confidence != "" {
					confidence = ", confidence: " + c.confidence
				}
				plan := scoredPlan(t, order, "{that: '"+c.that+"'"+confidence+"}")
				got := judged(plan, scoredRun(plan, c.passed))
				v := got["overall[1] (room=small)"]
				if len(got) != 2 || v.Verdict != c.want || !strings.Contains(v.Why, c.why) {
					t.Fatalf("%s (%s), want %s (%s)", v.Verdict, v.Why, c.want, c.why)
				}
				i := v.Interval
				if known := c.confidence != "" && c.by != 0; known != (i != nil) {
					t.Fatalf("%+v", i)
				}
				if i != nil && (!i.Paired || !i.Items || i.Repeats != items || math.Abs(i.By-c.by) > 1e-9) {
					t.Errorf("%+v, want a difference of %v over %d items", i, c.by, items)
				}
				if cells := plan.Cells; len(OverallDoubts(plan, scoredRun(plan, c.passed), cells, stats.Looks{2})) > 0 {
					t.Error("more repeats are called for, which are no more items")
				}
			})
		}
	}
}

// A pass rate of a skipped cell is unsupported, and one with answers that could not be judged is open.
func TestOverall_PassRatesOpen(t *testing.T) {
	all := func(string, int) int { return 2 }
	const worse = `'cell({quant: "q4"}).run.pass_rate["answers"] < cell({quant: "q8"}).run.pass_rate["answers"]'`
	for _, confidence := range []string{"", ", confidence: 95%"} {
		plan := scoredPlan(t, "interleaved", "{that: "+worse+confidence+"}")
		cellOf(plan, "q8", 1).Skip = "its context is too short"
		got := judged(plan, scoredRun(plan, all))
		if v := got["overall[1] (room=small)"]; v.Verdict != event.Unsupported ||
			!strings.HasSuffix(v.Why, "quant=q8 x room=small was skipped: its context is too short") {
			t.Errorf("skipped: %s, %s", v.Verdict, v.Why)
		}
		if v := got["overall[1] (room=large)"]; v.Verdict == event.Unsupported || v.Verdict == event.Pass {
			t.Errorf("beside a skipped cell: %s, %s", v.Verdict, v.Why)
		}
		r := scoredRun(plan, all)
		one := &r.Cell(cellOf(plan, "q4", 2).ID).Verdicts[0]
		one.Items[4].Passed, one.Items[4].Unknown, one.Passed, one.Unknown = 1, 1, one.Passed-1, 1
		if v := judged(plan, r)["overall[1] (room=large)"]; v.Verdict != event.Unknown || !strings.Contains(v.Why, "judged") {
			t.Errorf("with an answer that could not be judged: %s, %s", v.Verdict, v.Why)
		}
	}
}
