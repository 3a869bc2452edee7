package engine

import (
	"strings"
	"testing"
	"time"

	"homellm/dsl"
	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/prompt"
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

func TestSettled(t *testing.T) {
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
		opt := prompt.PlanOptions(nil)
		plan, ds := dsl.Load(dsl.File{Name: "s.yaml", Data: []byte(text)}, &dsl.Library{}, Vocabulary(), opt)
		if plan == nil {
			t.Fatalf("%s: %v", that, ds)
		}
		a := plan.Cells[0].Scenario.Assert[0]
		look := cell.Lookup("scenario", 0, "", "")
		r, more := settled(cell, a, a.Eval(func(path string) dsl.Value {
			v, unit, source, why := look(path)
			return dsl.Value{V: v, Unit: unit, Source: source, Why: why}
		}), nil)
		if (more > 0) != (want == "unknown") {
			t.Errorf("%s: %d more repeats, with verdict %s", that, more, want)
		}
		if r.Verdict != want || (want == "unknown") != strings.Contains(r.Why, "would settle it") {
			t.Errorf("%s: %s (%s), want %s", that, r.Verdict, r.Why, want)
		}
	}
}
