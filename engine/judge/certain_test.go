package judge

import (
	"strings"
	"testing"
	"time"

	"homellm/dsl"
	"homellm/dsl/expr"
	"homellm/engine/event"
	"homellm/engine/metrics"
)

// spreadCell is a cell of which step q has TTFTs of 10, 11, … 19 ms: the median is 14, and with
// 95 % confidence it lies between 11 and 18.
func spreadCell() *metrics.Cell {
	r := &metrics.Run{}
	r.Add(event.Event{Cell: "x", Body: event.CellPlanned{}})
	for i := range 10 {
		q := event.Request{Repeat: i + 1, Conversation: "c", Step: "q", Turn: 1}
		q.Sent = new(time.Duration(0))
		q.Chunks = []event.Chunk{{At: time.Duration(10+i) * time.Millisecond, Channel: event.Answer, Bytes: 1}}
		r.Add(event.Event{Cell: "x", Body: q})
	}
	return r.Cell("x")
}

func TestCertain(t *testing.T) {
	cell := spreadCell()
	for that, want := range map[string]string{
		"steps.q.ttft_ms.p50 < 19":                               "pass",
		"steps.q.ttft_ms.p50 < 15":                               "unknown",
		"steps.q.ttft_ms.p50 < 14":                               "unknown", // it fails, and may yet hold
		"steps.q.ttft_ms.p50 < 10.5":                             "fail",
		"15 > steps.q.ttft_ms.p50":                               "unknown",
		"steps.q.ttft_ms.p50 > 10":                               "pass",
		"steps.q.ttft_ms.p50 > 13":                               "unknown",
		"steps.q.ttft_ms.max < 19.5":                             "pass", // no bound is claimed for an extreme
		"steps.q.ttft_ms.p50 < 19 && steps.q.ttft_ms.p50 > 13":   "unknown",
		"steps.q.ttft_ms.p50 < 10.5 && steps.q.ttft_ms.p50 > 13": "fail", // one limit is surely broken
		"steps.q.ttft_ms.p50 < 14 && run.requests_failed == 1":   "fail", // whatever the median is
		"steps.q.ttft_ms.p50 < 14 || run.requests_failed == 0":   "pass",
	} {
		text := "schema: homellm.scenario/v1\nname: s\nrun: {repeats: 10}\ndefaults: {request: {temperature: 0, seed: 1}}\n" +
			"conversations: [{id: c, steps: [{id: q, ask: Hello}]}]\nassert: ['" + that + "']\n"
		opt := dsl.Options{}
		plan, ds := dsl.Load(dsl.File{Name: "s.yaml", Data: []byte(text)}, &dsl.Library{}, Vocabulary(), opt)
		if plan == nil {
			t.Fatalf("%s: %v", that, ds)
		}
		a := plan.Cells[0].Scenario.Assert[0]
		look := cell.Lookup("scenario", 0, "", "")
		r, more := certain(cell, a, a.Eval(func(path string) expr.Value {
			v := look(path)
			return expr.Value{V: v.V, Unit: v.Unit, Source: v.Source, Why: v.Why}
		}), nil)
		if (more > 0) != (want == "unknown") {
			t.Errorf("%s: %d more repeats, with verdict %s", that, more, want)
		}
		if string(r.Verdict) != want || (want == "unknown") != strings.Contains(r.Why, "would settle it") {
			t.Errorf("%s: %s (%s), want %s", that, r.Verdict, r.Why, want)
		}
	}
}

// A percentile that is only known to lie between limits is no surer than one that is known: what passes over all of the
// interval is held against the bound of the highest values that it may be of.
func TestCertain_OfAnInterval(t *testing.T) {
	cell := spreadCell()
	blind := *cell.Requests[0]
	blind.Repeat, blind.Wire.Framing = 11, "json" // it was not streamed: its time to first token is unknown
	cell.Run().Add(event.Event{Cell: "x", Body: blind})
	for that, want := range map[string]string{
		"steps.q.ttft_ms.p50 < 19":   "pass",
		"steps.q.ttft_ms.p50 < 15.5": "unknown", // it lies from 14 to 15, and its bound is 18
		"steps.q.ttft_ms.p50 < 10.5": "fail",
	} {
		text := "schema: homellm.scenario/v1\nname: s\nrun: {repeats: 11}\ndefaults: {request: {temperature: 0, seed: 1}}\n" +
			"conversations: [{id: c, steps: [{id: q, ask: Hello}]}]\nassert: ['" + that + "']\n"
		plan, ds := dsl.Load(dsl.File{Name: "s.yaml", Data: []byte(text)}, &dsl.Library{}, Vocabulary(), dsl.Options{})
		if plan == nil {
			t.Fatalf("%s: %v", that, ds)
		}
		a := plan.Cells[0].Scenario.Assert[0]
		j := New(plan.Cells[0])
		r, _ := certain(cell, a, a.Eval(j.lookup(cell, j.tallies[0], metrics.Group{}, nil)), nil)
		if string(r.Verdict) != want {
			t.Errorf("%s: %s (%s), want %s", that, r.Verdict, r.Why, want)
		}
	}
}

func TestIndistinct(t *testing.T) {
	verdict := func(a, b float64, unit string) event.Verdict {
		return event.Verdict{Name: "faster", Operands: []event.Operand{
			{Path: "a", Value: a, Unit: unit}, {Path: "other", Value: a, Unit: unit}, {Path: "b", Value: b,
				Unit: unit}, {Path: "unknown", Unit: unit, Why: "cut"},
		}}
	}
	less := func(factor, offset float64, paths ...string) []expr.Difference {
		return []expr.Difference{{Paths: paths, Factors: []float64{1, -factor}, Offset: offset}}
	}
	both := less(1, 0, "a", "b")
	for _, c := range []struct {
		v     event.Verdict
		of    []expr.Difference
		floor float64
		marks int
	}{
		{verdict(20, 20.9, "ms"), both, 0.5, 1},
		{verdict(20.9, 20, "ms"), both, 0.5, 1},
		{verdict(20, 20.9, "ms"), append(less(1, 0, "a", "other"), both...), 0.5, 2},
		{verdict(20, 20.9, "ms"), append(both, both...), 0.5, 1},
		{verdict(20, 20.9, "ms"), less(1, 0, "a", "unknown"), 0.5, 0},
		{verdict(20, 20.9, "ms"), nil, 0.5, 0}, // each with its own limit
		{verdict(20, 21, "ms"), both, 0.5, 0},  // twice the floor can be told apart
		{verdict(20, 10.4, "ms"), less(2, 0, "a", "b"), 0.5, 1},
		{verdict(20, 10.8, "ms"), less(2, 0, "a", "b"), 0.5, 0},
		{verdict(20, 25.9, "ms"), less(1, 5, "a", "b"), 0.5, 1},
		{verdict(20, 20.1, "tokens"), both, 0.5, 0},
		{verdict(20, 20.1, "ms"), both, 0, 0}, // not calibrated: nothing is known
	} {
		if got := indistinct(c.v, c.of, c.floor); len(got) != c.marks {
			t.Errorf("%v, %v with floor %v: %q, want %d", c.v.Operands, c.of, c.floor, got, c.marks)
		}
	}
}
