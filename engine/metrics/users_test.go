package metrics

import (
	"testing"

	"homellm/engine/event"
)

// shared are two repeats of two users: the first reply of each repeat is due at 0 and the last ends at 2 s.
func shared() *Cell {
	c := &Cell{Planned: event.CellPlanned{Users: 2, Together: true}, Started: &event.CellStarted{}}
	for repeat := 1; repeat <= 2; repeat++ {
		for user, begins := range map[int]float64{1: 0, 2: 1740} {
			r := reply()
			r.Repeat, r.User = repeat, user
			r.Due, r.Sent = at(begins), new(at(begins+10*float64(user)))
			for i := range r.Chunks {
				r.Chunks[i].At += at(begins + 10*float64(user-1))
			}
			r.Done += at(begins)
			if user == 2 {
				r.Chunks[0].At += at(5)
			}
			c.Requests = append(c.Requests, &r)
		}
	}
	return c
}

func TestHouseholds(t *testing.T) {
	for path, want := range map[string]any{
		"run.users":               2,
		"run.requests_per_s":      1.0,
		"run.throughput_tps":      5.0,
		"run.ttft_worst_user_ms":  105.0,
		"steps.q.ttft_ms.mean":    102.5,
		"steps.q.ttft_due_ms.max": 125.0,
	} {
		if got := shared().Lookup("scenario", 0, "", "")(path); got.V != want {
			t.Errorf("%s is %v (%s), want %v", path, got.V, got.Why, want)
		}
	}
	if s := shared().Sample("run.requests_per_s"); len(s.Values) != 2 || s.Values[1] != 1 {
		t.Errorf("a value for each repeat: %+v", s)
	}
	if s := shared().Sample("run.users"); len(s.Values) != 0 {
		t.Errorf("the number of users is no measurement: %+v", s)
	}
}

// A request that failed is not answered, and its tokens are not output.
func TestHouseholds_OfFailures(t *testing.T) {
	c := shared()
	c.Requests[0].Err = &event.Error{Class: "reset"}
	for path, want := range map[string]any{"run.requests_per_s": 0.75, "run.throughput_tps": 3.75} {
		if got := c.Lookup("scenario", 0, "", "")(path); got.V != want {
			t.Errorf("%s is %v (%s), want %v", path, got.V, got.Why, want)
		}
	}
	c.Requests[1].Usage.Completion = nil
	if got := c.Lookup("scenario", 0, "", "")("run.throughput_tps"); got.Known() {
		t.Errorf("the tokens of a reply are unknown, and the throughput is %v", got.V)
	}
}

// Of a user whose first tokens are known as intervals, so is the mean.
func TestHouseholds_WorstUserWithin(t *testing.T) {
	c := shared()
	for _, r := range c.Requests {
		if r.User == 1 { // one read delivered all of them
			r.Wire.CoalescedMax = 2
			r.Chunks[0].At = r.Chunks[1].At
		}
	}
	got := c.Lookup("scenario", 0, "", "")("run.ttft_worst_user_ms")
	if got.Known() || got.Range == nil || *got.Range != (event.Range{Low: 105, High: 120}) {
		t.Errorf("got %+v %+v, want between that of the other user and 120 ms", got, got.Range)
	}
}
