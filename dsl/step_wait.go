package dsl

import "time"

// Elapse lets time pass, in which a model may be unloaded or a cache evicted.
type Elapse struct {
	For time.Duration
}

var waitKind = actionKind{
	Key: "wait",
	Doc: "Waits before the next step and sends nothing.",
	decode: func(d *decoder, in stepInput) (Action, effect) {
		return Elapse{d.limit(in.step, "wait", 0)}, effect{}
	},
}

// Turns returns 0.
func (a Elapse) Turns() int { return 0 }

// Play waits where the history is played in time, and does nothing in a plan.
func (a Elapse) Play(h *History, _ Send) error {
	if h.Pause == nil {
		return nil
	}
	return h.Pause(a.For)
}
