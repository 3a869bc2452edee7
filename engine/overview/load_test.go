package overview

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"homellm/engine/event"
	"homellm/engine/metrics"
)

// crowd is a run with a cell for each number of users. Each user sends one request, whose reply of ten tokens takes as
// many seconds as there are users beyond the room of the server, and one at least.
func crowd(room float64, users ...int) Overview {
	r := &metrics.Run{}
	r.Add(event.Event{Body: event.RunStarted{Version: event.Version}})
	at := time.Duration(0)
	for _, n := range users {
		id := fmt.Sprint(n)
		r.Add(event.Event{Cell: id, Body: event.CellPlanned{Users: n, Together: true, Labels: []event.Label{{Name: "users",
			Value: id}, {Name: "server", Value: "s"}}}})
		r.Add(event.Event{Cell: id, Body: event.CellStarted{Attempt: 1}})
		took := time.Duration(max(1, float64(n)/room) * float64(time.Second))
		for user := 1; user <= n; user++ {
			q := event.Request{Repeat: 1, User: user, Conversation: "c", Step: "s", Turn: 1}
			q.Due, q.Sent, q.Done, q.Finished = at, new(at), at+took, new(at+took)
			q.Wire.Framing = "sse"
			for i := range 10 {
				q.Chunks = append(q.Chunks, event.Chunk{At: at + took*time.Duration(i+1)/10, Channel: event.Answer, Bytes: 1})
			}
			q.Usage.Completion = new(10)
			r.Add(event.Event{Cell: id, Body: q})
		}
		at += took + time.Second
		r.Add(event.Event{Cell: id, Body: event.CellDone{}})
	}
	o, _ := Of(r, func(v metrics.Value) string { return fmt.Sprint(v.V) })
	return o
}

func TestLoads(t *testing.T) {
	for _, c := range []struct {
		room  float64
		users []int
		knee  int // users; 0: unknown
		why   string
	}{
		{4, []int{8, 1, 2, 4, 16}, 4, ""},
		{4, []int{1, 2, 3, 5, 6}, 5, ""},
		{4, []int{1, 4}, 0, "at least three numbers of users"},
		{64, []int{1, 2, 4, 8}, 0, "there or above"},
		{1, []int{2, 4, 8}, 0, "there or below"},
	} {
		all := crowd(c.room, c.users...).Loads()
		if len(all) != 1 || all[0].Axis != "users" || all[0].Name != "" || len(all[0].Points) != len(c.users) {
			t.Fatalf("%v: %+v", c.users, all)
		}
		l := all[0]
		if !slices.IsSortedFunc(l.Points, func(a, b LoadPoint) int { return a.Users - b.Users }) {
			t.Errorf("%v: not in order", c.users)
		}
		knee := 0
		if l.Knee >= 0 {
			knee = l.Points[l.Knee].Users
		}
		if knee != c.knee || !strings.Contains(l.Why, c.why) || c.why == "" && l.Why != "" {
			t.Errorf("%v users of a server with room for %v: the knee is at %d (%s), want %d", c.users, c.room, knee, l.Why,
				c.knee)
		}
		for _, p := range l.Points {
			took := max(1, float64(p.Users)/c.room)
			if v, ok := p.Each[2].Number(); !ok || v < float64(10*p.Users)/took*0.999 || v > float64(10*p.Users)/took*1.001 {
				t.Errorf("%d users get %v tokens a second together (%s)", p.Users, p.Each[2].V, p.Each[2].Why)
			}
		}
	}
}

// An axis that does not decide the number of users has no load.
func TestLoads_OtherAxes(t *testing.T) {
	o := crowd(4, 1, 2, 4)
	for _, c := range o.Cells {
		c.Planned.Users = 2
	}
	if all := o.Loads(); all != nil {
		t.Errorf("%+v", all)
	}
}
