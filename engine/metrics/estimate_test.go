package metrics

import (
	"math"
	"strings"
	"testing"

	"homellm/engine/event"
)

func estimated(told *int, counted int, spread float64) event.Request {
	q := reply()
	q.Usage.Prompt, q.Reusable, q.ReusableSource = told, new(10), "estimated"
	q.Estimate = &event.Estimate{Prompt: counted, Spread: spread, Source: "cl100k scaled to gemma"}
	return q
}

// The factor is a quotient of sums, the label follows the worst prompt that was met.
func TestEstimate_FollowsWhatTheServerCounts(t *testing.T) {
	r := &Run{}
	c := r.cell("c")
	d, _ := Lookup("cache.reusable_rate")
	failed := estimated(nil, 500, 0.15)
	failed.Err = &event.Error{Class: "timeout"}
	for i, step := range []struct {
		q              event.Request
		n              int
		factor, spread float64
		label          string
	}{
		{failed, 0, 1, 0.15, "estimated ± 15 %"},
		{estimated(nil, 100, 0.15), 0, 1, 0.15, "estimated ± 15 %"},
		{estimated(new(110), 100, 0.13), 1, 1.1, 0.02, "estimated ± 2 %"},
		{estimated(new(990), 900, 0.15), 2, 1.1, 0.02, "estimated ± 2 %"},
		{estimated(new(300), 150, 0.15), 3, 1400.0 / 1150, 1 - 1400.0/1150/2, "estimated ± 40 %"},
		{estimated(new(10000), 5000, 0.15), 4, 11400.0 / 6150, 11400.0/6150/1.1 - 1, "estimated ± 69 %"},
	} {
		r.Add(event.Event{Cell: "c", Body: step.q})
		e := c.Estimate()
		if e == nil || e.Requests != step.n || e.Claimed != 0.15 {
			t.Fatalf("after request %d: %+v, want %d requests", i, e, step.n)
		}
		near(t, "factor", c.Estimate().Factor, step.factor)
		near(t, "spread", c.Estimate().Spread, step.spread)
		if v := d.Each(c, &step.q); step.q.Err == nil && step.q.Usage.Prompt != nil && v.Source != step.label {
			t.Errorf("after request %d: source %q, want %q", i, v.Source, step.label)
		}
	}
	r.Add(event.Event{Cell: "c", Body: event.CellDone{}})
	if n := c.Notes; len(n) != 1 || n[0].Code != "estimated" || !strings.Contains(n[0].Text,
		"estimated ± 69 %, calibrated by 4 prompts, of which it counts 85 % more tokens") {
		t.Errorf("notes %+v", n)
	}
	r.Add(event.Event{Cell: "c", Body: event.CellStarted{Attempt: 1}})
	r.Add(event.Event{Cell: "c", Body: event.CellStarted{Attempt: 2}})
	if e := c.Estimate(); e != nil {
		t.Errorf("a later attempt keeps %+v", e)
	}
}

// A tokenizer.json that fits needs no margin; one that does not fit says so.
func TestEstimate_Exact(t *testing.T) {
	q := estimated(new(100), 100, 0)
	q.Estimate.Source = "tokenizer.json"
	c := &Cell{}
	c.tally.add(&q)
	if e := c.Estimate(); e.Spread != 0 || e.String() != "tokenizer.json" {
		t.Errorf("%+v is %s", e, e)
	}
	other := estimated(new(130), 100, 0)
	c.tally.add(&other)
	e := c.Estimate()
	if e.String() != "estimated ± 15 %" {
		t.Errorf("%+v is %s", e, e)
	}
	if text, ok := e.note(); !ok || !strings.Contains(text, "another template") {
		t.Errorf("note %q", text)
	}
	if e := (&Cell{}).Estimate(); e != nil {
		t.Errorf("nothing was counted: %+v", e)
	}
}

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 1e-9*max(1, math.Abs(want)) {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}
