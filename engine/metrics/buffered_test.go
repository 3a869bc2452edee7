package metrics

import (
	"strings"
	"testing"
	"time"

	"homellm/engine/event"
)

// TestBufferedReplies tells replies that were held back from those that were not, by what a token takes the server.
func TestBufferedReplies(t *testing.T) {
	const ms, us = time.Millisecond, time.Microsecond
	paced := func(first, gap time.Duration, n int) *event.Request {
		var at []time.Duration
		for i := range n {
			at = append(at, first+time.Duration(i)*gap)
		}
		return replyAt(at...)
	}
	home := Pace{Prompt: 2 * ms, Output: 20 * ms} // of a small machine
	card := Pace{Prompt: 50 * us, Output: 7 * ms} // of a graphics card
	one := paced(time.Second, 0, 1)
	one.Usage.Completion = new(40)
	word := paced(time.Second, 0, 1)
	word.Usage.Completion = new(2)
	told := paced(500*ms, 200*us, 20)
	told.Timings = map[string]float64{"server.decode_ms": 4}
	failed := paced(time.Second, 200*us, 20)
	failed.Err = &event.Error{Class: "reset"}
	for _, tt := range []struct {
		name string
		q    *event.Request
		of   Pace
		want string // a part of the reason; empty: it was sent as it was generated
	}{
		{"as it is generated", paced(100*ms, 20*ms, 20), home, ""},
		{"an event each 0.2 ms", paced(500*ms, 200*us, 20), home, "faster than the server computes those of a prompt"},
		{"an event each 0.2 ms, of a card", paced(500*ms, 200*us, 20), card, "200µs apart, where the server generated"},
		{"at the speed of drafts that are taken", paced(100*ms, 1500*us, 20), card, ""},
		{"an event each 0.2 ms, nothing known", paced(500*ms, 200*us, 20), Pace{}, ""},
		{"a busy machine that reads as slowly as it writes", paced(time.Second, 13700*us, 20),
			Pace{Prompt: 15400 * us, Output: 14 * ms}, ""},
		{"as fast as the server says that it generated", told, home, ""},
		{"all at once", paced(500*ms, 0, 20), Pace{}, "all of its 20 tokens came at once"},
		{"one piece of 40 tokens", one, Pace{}, "all of its 40 tokens came at once"},
		{"one word and its end", word, home, ""},
		{"a few words at once", paced(500*ms, 0, 5), home, ""},
		{"so fast that a client reads all at once", paced(5*ms, 0, 20), home, ""},
		{"failed", failed, home, ""},
	} {
		got := Buffered(&tt.q.Exchange, tt.of)
		if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
