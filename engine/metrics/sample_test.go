package metrics

import (
	"slices"
	"strings"
	"testing"

	"homellm/dsl/figure"
	"homellm/engine/event"
)

// failing is a cell with so many repeats of one turn, one of which failed.
func failing(repeat, of int) *Cell {
	r := &Run{}
	for n := 1; n <= of; n++ {
		q := reply()
		q.Repeat, q.Conversation, q.Step, q.Turn, q.Phase = n, "c", "q", 1, string(figure.Before)
		if n == repeat {
			q.Err = &event.Error{Class: "server_error"}
		}
		r.Add(event.Event{Cell: "x", Body: q})
	}
	return r.Cell("x")
}

func TestSamplePaths(t *testing.T) {
	c := failing(2, 3)
	s := c.Sample("steps.q.ttft_ms")
	if !slices.Equal(s.Repeats, []int{1, 3}) || s.Unknown != 1 || s.Unit != "ms" || s.Better != -1 || s.Why == "" {
		t.Errorf("a sample with a failed repeat: %+v", s)
	}
	if s := c.Sample("run.requests_failed"); !slices.Equal(s.Values, []float64{0, 1, 0}) {
		t.Errorf("failures by repeat: %+v", s)
	}
	for path, want := range map[string]string{
		"steps.q.nothing": "there is no metric", "steps.q.text": "is not a number",
		"steps.q.status": "is not a metric of steps.q", "run.ttft_ms": "is not a metric of run",
		"run.duration_s": "is not a number that each repeat has", "run.repeats": "is not a number",
		"steps.q.gpu.power_w": "is not a number", "turn.ttft_ms": "it starts with steps.",
		"steps.zzz.ttft_ms":       "the run holds nothing of steps.zzz",
		"phases.with_rag.ttft_ms": "the run holds nothing of phases.with_rag",
	} {
		if s := c.Sample(path); len(s.Values) > 0 || !strings.Contains(s.Why, want) {
			t.Errorf("%s: %v %q, want …%s…", path, s.Values, s.Why, want)
		}
	}
}

// Pairs are by the number of the repeat, not by the place in the list.
func TestPairs(t *testing.T) {
	a := Sample{Values: []float64{1, 2, 3}, Repeats: []int{1, 2, 3}}
	b := Sample{Values: []float64{40, 20}, Repeats: []int{4, 2}}
	if x, y := Pairs(a, b); !slices.Equal(x, []float64{2}) || !slices.Equal(y, []float64{20}) {
		t.Errorf("%v and %v", x, y)
	}
}
