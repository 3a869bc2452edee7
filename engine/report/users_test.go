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
