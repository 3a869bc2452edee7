package event

import (
	"slices"
	"time"
)

// Later returns the event as a run records it that began earlier by this time: every instant in it is later.
func (e Event) Later(by time.Duration) Event {
	e.At += by
	if q, ok := e.Body.(Request); ok {
		e.Body = q.later(by)
	}
	if w, ok := e.Body.(Windows); ok {
		w.From += by
		e.Body = w
	}
	return e
}

func (q Request) later(by time.Duration) Request {
	q.Due, q.Done = q.Due+by, q.Done+by
	for _, at := range []**time.Duration{&q.Sent, &q.Headers, &q.FirstEvent, &q.Finished, &q.FirstCall} {
		later(at, by)
	}
	q.Chunks = slices.Clone(q.Chunks)
	for i := range q.Chunks {
		q.Chunks[i].At += by
		later(&q.Chunks[i].After, by)
	}
	return q
}

// later replaces an instant. Those that point to the old one are not changed.
func later(at **time.Duration, by time.Duration) {
	if *at != nil {
		*at = new(**at + by)
	}
}
