package engine

import (
	"time"

	"homellm/dsl"
)

// windows are those of a cell that is played for a time, while it is.
type windows struct {
	began time.Time
	each  time.Duration
	begun map[beginning]int // how often a conversation has begun in a window

	failed string        // an assertion with abort; empty: none has failed
	over   chan struct{} // closed when one has: no further conversation begins
}

// beginning is what is counted in windows.
type beginning struct {
	window, user, item int
	conversation       string
}

func newWindows(d time.Duration) *windows {
	return &windows{each: d / dsl.Windows, begun: map[beginning]int{}, over: make(chan struct{})}
}

// at is the window of an instant, from 1; 0: the time is over.
func (w *windows) at(t time.Time) int {
	if n := int(t.Sub(w.began)/w.each) + 1; n <= dsl.Windows {
		return n
	}
	return 0
}

// abort ends the time because an assertion failed. What has begun is finished.
func (w *windows) abort(assertion string) {
	if w.failed == "" {
		w.failed = assertion
		close(w.over)
	}
}

// next is the pass of the next conversation, whose first request is due at an instant, or at once: in windows, the one
// in which it begins. It is false if the time is over.
func (p pass) next(due time.Time, part dsl.Part) (pass, bool) {
	if p.windows == nil {
		return p, true
	}
	at := time.Now()
	if due.After(at) {
		at = due
	}
	if p.repeat = p.windows.at(at); p.repeat == 0 || p.windows.failed != "" {
		return p, false
	}
	b := beginning{p.repeat, part.User, part.Conversation.ItemN(), part.Conversation.ID}
	p.windows.begun[b]++
	p.play = p.windows.begun[b]
	return p, true
}
