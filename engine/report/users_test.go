package report

import (
	"slices"
	"testing"
	"time"

	"homellm/engine/event"
	"homellm/engine/metrics"
)

// What all users got together stands under the table, with the user who waits longest; one user has no such line.
func TestAllUsers(t *testing.T) {
	for users, want := range map[int][]string{
		1: nil,
		2: {"all together: 1 requests/s, 20.0 tokens/s; mean TTFT of the one of 2 users who waits longest: 200 ms"},
	} {
		r := &metrics.Run{}
		r.Add(event.Event{Cell: "c", Body: event.CellPlanned{Users: users}})
		r.Add(event.Event{Cell: "c", Body: event.CellStarted{}})
		for user := 1; user <= users; user++ {
			begun := time.Duration(user-1) * time.Second
			r.Add(event.Event{Cell: "c", Body: event.Request{Repeat: 1, User: user, Exchange: event.Exchange{
				Due: begun, Sent: new(begun), Done: begun + time.Second,
				Chunks: []event.Chunk{{At: begun + time.Duration(user)*100*time.Millisecond}},
				Usage:  event.Usage{Completion: new(20)},
			}}})
		}
		if got := allUsers(r.Cells[0]); !slices.Equal(got, want) {
			t.Errorf("%d users: %q, want %q", users, got, want)
		}
	}
}

// A reason that all figures of an objective have is written once.
func TestObjectives_TellAReasonOnce(t *testing.T) {
	r := &metrics.Run{}
	add := func(b event.Body) { r.Add(event.Event{Cell: "c", Body: b}) }
	add(event.CellPlanned{Users: 2, Turns: 1, SLO: []event.Objective{{Name: "quick", That: "turn.ttft_ms < 300"}}})
	add(event.CellStarted{})
	for user := 1; user <= 2; user++ {
		add(event.Request{Repeat: 1, User: user, Turn: 1,
			Exchange: event.Exchange{Sent: new(time.Duration), Done: time.Second}})
	}
	add(event.Attained{Objective: "quick", Repeat: 1, Unknown: []event.Undecided{{Turns: []int{1}, Why: "it was held back"}}})
	want := []string{"SLO quick (turn.ttft_ms < 300): share of turns 0.50-1.00 (1 of 2 turns are undecided: it was held " +
		"back), goodput 1-2 requests/s, 0.5-1 requests/s per user; of the worst user – (1 of 1 turns are undecided: " +
		"it was held back)"}
	if got := objectives(r.Cells[0]); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
