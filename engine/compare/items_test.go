package compare

import (
	"testing"

	"homellm/engine/event"
	"homellm/engine/metrics"
)

// answered is a cell whose assertion was judged for 300 items. Every fifth is answered wrongly, and so many more.
func answered(more, from, by int) *metrics.Cell {
	v := event.Verdict{Name: "answers", Scope: "step"}
	for i := range 300 {
		one := event.OfItem{Item: from + by*i, Evaluated: 1, Passed: 1}
		if one.Item%5 == 0 || one.Item%5 == 1 && one.Item < 5*more {
			one.Passed = 0
		}
		v.Items = append(v.Items, one)
	}
	return &metrics.Cell{Verdicts: []event.Verdict{v}}
}

// TestCompare_ItemByItem holds that a pass rate is compared item by item, whatever the order of the items: 24 more
// wrong
// answers of 300 are worse, and two more are within what may be. A baseline keeps which item each value is of.
func TestCompare_ItemByItem(t *testing.T) {
	const path = `run.pass_rate["answers"]`
	for more, want := range map[int]event.Outcome{24: Worse, 2: NotSeen} {
		old, now := answered(0, 1, 1), answered(more, 300, -1)
		var gates []Gate
		sides := [2]Source{{Sample: old.Sample}, {Sample: now.Sample, Cell: now}}
		for _, g := range answers(sides[0], sides[1]) {
			gates = append(gates, g)
			d := g.Compare(sides[0].Sample(path), sides[1].Sample(path), false)
			if d.Verdict != want || d.Test != testPairedMeans || *d.Change > -float64(more-1)/300 {
				t.Errorf("%d more: %s (%s), by %s: %v", more, d.Verdict, d.Why, d.Test, *d.Change)
			}
		}
		if len(gates) != 1 || gates[0].Name != "pass-rate-answers" {
			t.Errorf("%+v", gates)
		}
	}
	kept, ok := recordSample(answered(0, 300, -1), path, 0, nil)
	if s := kept.Sample(path); !ok || s.Repeats[0] != 300 || s.Values[0] != 0 || s.Values[1] != 1 {
		t.Errorf("%t: %v", ok, s.Repeats[:3])
	}
}
