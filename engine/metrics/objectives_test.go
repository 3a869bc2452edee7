package metrics

import (
	"fmt"
	"testing"

	"homellm/engine/event"
)

// judgedCell has two repeats of two users with two turns each, over two seconds a repeat. In the first repeat the first
// turn of user 1 missed the objective; in the second a turn of user 2 failed and one is undecided.
func judgedCell() *Run {
	r := &Run{}
	r.Add(event.Event{Cell: "x", Body: event.CellPlanned{Users: 2, Turns: 4, SLO: []event.Objective{{Name: "snappy",
		That: "turn.ttft_ms < 800"}}}})
	r.Add(event.Event{Cell: "x", Body: event.CellStarted{Attempt: 1}})
	for repeat := 1; repeat <= 2; repeat++ {
		for i := range 4 {
			q := reply()
			q.Repeat, q.User, q.Turn = repeat, 1+i%2, 1+i/2
			q.Due, q.Done = at(float64(3000*repeat)), at(float64(3000*repeat+2000))
			q.Sent = new(q.Due)
			if repeat == 2 && i == 3 {
				q.Err = &event.Error{Class: "reset"}
			}
			r.Add(event.Event{Cell: "x", Body: q})
		}
	}
	r.Add(event.Event{Cell: "x", Body: event.Attained{Objective: "snappy", Repeat: 1, Missed: []int{1}}})
	r.Add(event.Event{Cell: "x", Body: event.Attained{Objective: "snappy", Repeat: 2, Missed: []int{8},
		Unknown: []event.Undecided{{Turns: []int{5}, Why: "not reported", Unsupported: true}}}})
	return r
}

func TestObjectives(t *testing.T) {
	c := judgedCell().Cell("x")
	said := func(v Value) string {
		switch {
		case v.Known():
			return fmt.Sprintf("%v %s", v.V, v.Unit)
		case v.Range != nil:
			return fmt.Sprintf("%v to %v %s, %s, unsupported: %v", v.Range.Low, v.Range.High, v.Unit, v.Why, v.Unsupported)
		}
		return v.Why
	}
	all := c.Lookup("scenario", 0, "", "")
	const undecided = "1 of 8 turns are undecided: not reported"
	for path, want := range map[string]string{
		"run.slo.snappy":                     "0.625 to 0.75 ratio, " + undecided + ", unsupported: true",
		"run.goodput_rps.snappy":             "1.25 to 1.5 requests/s, " + undecided + ", unsupported: true",
		"run.goodput_per_user_rps.snappy":    "0.625 to 0.75 requests/s, " + undecided + ", unsupported: true",
		"run.slo_worst_user.snappy":          "0.5 to 0.75 ratio, 1 of 4 turns are undecided: not reported, unsupported: true",
		"conversations.main.slo.snappy.max":  "0.75 ratio",
		"conversations.main.slo.snappy.mean": "0.625 to 0.75 ratio, 1 of 4 turns are undecided: not reported (1 of 2), unsupported: false",
		"run.slo.other":                      "0 to 1",
	} {
		if got := said(all(path)); got != want && path != "run.slo.other" {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	if v := all("run.slo.other"); v.Known() {
		t.Errorf("an objective that was not judged is %v", v.V)
	}
	own := func(user, repeat int) Value {
		return c.LookupIn("conversation", Group{Repeat: repeat, User: user, Conversation: "main"})("conv.slo.snappy")
	}
	for at, want := range map[[2]int]string{{1, 1}: "0.5 ratio", {2, 1}: "1 ratio", {2, 2}: "0.5 ratio"} {
		if got := said(own(at[0], at[1])); got != want {
			t.Errorf("user %d in repeat %d: %s, want %s", at[0], at[1], got, want)
		}
	}
	if s := c.Sample("run.slo.snappy"); len(s.Values) != 1 || s.Values[0] != 0.75 || len(s.Hidden) != 1 ||
		s.Hidden[0].Range != (event.Range{Low: 0.5, High: 0.75}) || s.Better != 1 {
		t.Errorf("a value for each repeat: %+v", s)
	}
	names := map[string]bool{}
	for _, d := range c.Defs() {
		names[d.Name] = true
	}
	if !names["slo.snappy"] || names["slo.<name>"] || len(names) != len(Defs)-len(drifts) {
		t.Errorf("the metrics of the cell: %v", names)
	}
}

// A later event of a repeat replaces an earlier one, and a prefill is no turn that anybody waits for.
func TestObjectives_Again(t *testing.T) {
	r := judgedCell()
	r.Add(event.Event{Cell: "x", Body: event.Attained{Objective: "snappy", Repeat: 2, Missed: []int{8}}})
	share := r.Cell("x").Lookup("scenario", 0, "", "")
	if v := share("run.slo.snappy"); v.V != 0.75 {
		t.Errorf("%v (%s), want 6 of 8", v.V, v.Why)
	}
	q := reply()
	q.Repeat, q.Prefill = 2, true
	r.Add(event.Event{Cell: "x", Body: q})
	if v := share("run.slo.snappy"); v.V != 0.75 {
		t.Errorf("with a prefill %v (%s), want 6 of 8", v.V, v.Why)
	}
}
