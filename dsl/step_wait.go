package dsl

import "time"

// Elapse lets time pass, so that a server may unload its model or evict its cache.
type Elapse struct {
	For time.Duration
}

var waitKind = actionKind{
	Key: "wait",
	Doc: "Waits before the next step and sends nothing.",
	decode: func(d *decoder, in stepInput) (Action, effect) {
		a := Elapse{d.duration(in.step, "wait", 0)}
		if t, err := time.ParseDuration(in.node.Text()); err == nil && t == 0 && durationForm.MatchString(in.node.Text()) {
			d.errorf(in.node, "plan/size", "leave the step out", "wait must be longer than 0")
		}
		return a, effect{}
	},
}

// Turns returns 0.
func (a Elapse) Turns() int { return 0 }

// Play waits in a run, and does nothing in a plan.
func (a Elapse) Play(h *History, _ Send) error {
	if h.Pause == nil {
		return nil
	}
	return h.Pause(a.For)
}
