package client

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// The floor is by how much this client is late, and nothing else.
func TestFloor_IsTheDelay(t *testing.T) {
	for _, by := range []time.Duration{0, 300 * time.Microsecond, 700 * time.Microsecond} {
		synctest.Test(t, func(t *testing.T) {
			m := &metronome{truths: make(chan truth, 1)}
			c, err := New(Config{
				BaseURL: "http://metronome", Stream: true,
				Dial: func(context.Context, string, string) (net.Conn, error) {
					near, far := net.Pipe()
					go m.answer(far)
					return late{near, by}, nil
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer c.CloseIdle()
			f, err := measureFloor(t.Context(), c, m.truths)
			if err != nil {
				t.Fatal(err)
			}
			// The head of the reply is read before the first token, and is as late.
			if f.TTFTp50 != by || f.TTFTp99 != by || f.TimerP99 != 0 || f.Requests < 10 {
				t.Errorf("late by %v: %+v", by, f)
			}
		})
	}
}
