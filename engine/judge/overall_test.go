package judge

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"homellm/dsl"
	"homellm/engine/event"
	"homellm/engine/metrics"
)

// acrossPlan has cells of two quantisations on each of two machines, and one assertion over them.
func acrossPlan(t *testing.T, order string, repeats int, overall string) *dsl.Plan {
	t.Helper()
	text := fmt.Sprintf(`schema: homellm.scenario/v1
name: s
matrix: {quant: [q4, q8], box: {small: 1, large: 2}}
run: {repeats: %d, order: %s}
defaults: {request: {temperature: 0, seed: 1}}
conversations: [{id: c, steps: [{id: q, ask: "Hello ${matrix.quant} ${matrix.box}"}]}]
overall: [%s]
`, repeats, order, overall)
	plan, ds := dsl.Load(dsl.File{Name: "s.yaml", Data: []byte(text)}, &dsl.Library{}, Vocabulary(), dsl.Options{})
	if plan == nil {
		t.Fatal(ds)
	}
	return plan
}

// cellOf is the cell with some values.
func cellOf(plan *dsl.Plan, quant string, box int) *dsl.Cell {
	for _, c := range plan.Cells {
		if c.Values["quant"] == quant && c.Values["box"] == box {
			return c
		}
	}
	return nil
}

// played is a run in which each repeat of a cell has the time to first token that ms says.
func played(plan *dsl.Plan, ms func(quant string, box, repeat int) float64) *metrics.Run {
	r := &metrics.Run{}
	for _, c := range plan.Cells {
		r.Add(event.Event{Cell: c.ID, Body: event.CellPlanned{Skip: c.Skip}})
		for i := range plan.Repeats {
			q := event.Request{Repeat: i + 1, Conversation: "c", Step: "q", Turn: 1}
			q.Sent = new(time.Duration(0))
			at := time.Duration(ms(c.Values["quant"].(string), c.Values["box"].(int), i+1) * float64(time.Millisecond))
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
	r := played(plan, func(quant string, box, _ int) float64 {
		return map[string]float64{"q4": 100, "q8": 120}[quant] + map[bool]float64{true: 30}[quant == "q8" && box == 2]
	})
	got := judged(plan, r)
	small, large := got["overall[1] (box=small)"], got["overall[1] (box=large)"]
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
		why != "1 assertion failed: overall[1] (box=small)" {
		t.Errorf("%s, %d: %s; %d verdicts, %d cells", verdict, code, why, len(r.Overall), len(r.Cells))
	}
}

// A cell that was skipped says nothing, and one that broke off should have said something.
func TestOverall_WithoutFigures(t *testing.T) {
	same := func(string, int, int) float64 { return 100 }
	skipped := acrossPlan(t, "interleaved", 3, ratioOfQuants)
	cellOf(skipped, "q8", 1).Skip = "its context is too short"
	got := judged(skipped, played(skipped, same))
	if v := got["overall[1] (box=small)"]; v.Verdict != event.Unsupported ||
		!strings.HasSuffix(v.Why, "quant=q8 x box=small was skipped: its context is too short") {
		t.Errorf("skipped: %s, %s", v.Verdict, v.Why)
	}
	if v := got["overall[1] (box=large)"]; v.Verdict != event.Fail {
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
		if v := judged(plan, r)["overall[1] (box=large)"]; v.Verdict != event.Unknown || !strings.Contains(v.Why, c.why) {
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
	const less = `cell({quant: "q4", box: "small"}).steps.q.ttft_ms.%s < cell({quant: "q8", box: "small"}).steps.q.ttft_ms.%[1]s`
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
			` and cell({quant: "q4", box: "small"}).steps.q.ttft_ms.p50 < 50`, level, event.Fail, ""},
		{"one cell and a number", "interleaved", `cell({quant: "q4", box: "small"}).steps.q.ttft_ms.p50 < 110`, level,
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
