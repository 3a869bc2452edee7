package tune

import (
	"fmt"
	"testing"
	"time"

	"homellm/engine/event"
	"homellm/engine/metrics"
)

// A round in which a request failed has no value: those of the others may look better than they are. A variant of which
// more requests fail than the scenario allows is out.
func TestTrial_LeavesFailedRoundsOut(t *testing.T) {
	for budget, want := range map[float64]Standing{0.2: Playing, 0.1: Out} {
		o := failing(t, budget)
		if o.Places[0].Rounds != 7 || o.Places[1].Rounds != 8 || o.Places[0].Standing != want ||
			(o.Winner == 0) != (want == Playing) {
			t.Errorf("budget %v: %+v", budget, o.Result)
		}
	}
}

// failing is a search between two variants, of the faster of which one request in nine fails.
func failing(t *testing.T, budget float64) Outcome {
	t.Helper()
	objective, wrong, _ := ObjectiveOf("steps.q.e2e_ms.p50")
	if wrong != "" {
		t.Fatal(wrong)
	}
	f := &metrics.Run{}
	at := time.Second
	add := func(cell string, b event.Body) {
		at += time.Second
		f.Add(event.Event{Cell: cell, At: at, Body: b})
	}
	ids := []string{"a", "b"}
	add("", event.RunStarted{ID: "r", Scenario: event.Scenario{Name: "s", ErrorBudget: budget}})
	for _, id := range ids {
		add(id, event.CellPlanned{Turns: 1})
		add(id, event.CellStarted{Attempt: 1})
	}
	for n := 1; n <= 8; n++ {
		for i, id := range ids {
			q := event.Request{Repeat: n, Conversation: "c", Step: "q", Turn: 1}
			sent := at
			q.Due, q.Sent, q.Done = at, &sent, at+time.Duration(100+i)*time.Millisecond
			q.Chunks = []event.Chunk{{At: q.Done, Channel: event.Answer, Bytes: 1}}
			add(id, q)
			if id == "a" && n == 8 { // the faster one
				q.Err, q.Turn = &event.Error{Class: "reset"}, 2
				add(id, q)
			}
		}
		add("", event.RoundDone{N: n, Cells: ids})
	}
	trial := Trial{Objective: objective, Search: event.Search{Visit: 1}, Cells: ids}
	return trial.Outcome(f, nil)
}

func TestObjectiveOf(t *testing.T) {
	for name, want := range map[string]string{
		"steps.q.ttft_ms.p50": "",
		"run.output_tps.mean": "",
		"steps.q.ttft_ms":     "steps.q.ttft_ms has no statistic: write steps.q.ttft_ms.p50",
		"steps.q.ttft_ms.p99": "rounds are compared by their median or their mean, and not by p99: write steps.q.ttft_ms.p50",
		"run.prompt_tokens.p50": "prompt_tokens does not say which direction is better: name a figure with one, such as " +
			"ttft_ms, tpot_ms or output_tps",
		"gpu.power_w.p50": "gpu.power_w has no value for each repeat, so that rounds cannot be compared by it: name a figure " +
			"of a step, a phase, a conversation or the run, such as steps.q.ttft_ms.p50",
	} {
		_, wrong, help := ObjectiveOf(name)
		got := wrong
		if wrong != "" {
			got = fmt.Sprintf("%s: %s", wrong, help)
		}
		if got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}
