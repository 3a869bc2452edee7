package main

import (
	"testing"
	"time"

	"homellm/engine"
)

// TestDescribeProgress holds what a person reads while a run goes on: a rest that is known is told
// otherwise than what a budget leaves at most.
func TestDescribeProgress(t *testing.T) {
	p := engine.Progress{Cell: "sim x m", Repeat: 7, Repeats: 9, Step: "one", Done: 13, Total: 14, ETA: 90*time.Second +
		400*time.Millisecond}
	for want, change := range map[string]func(*engine.Progress){
		"s · sim x m · repeat 7/9 · one · turn 13/14 · ETA 1m30s":         func(*engine.Progress) {},
		"s · sim x m · repeat 7/9 · one · turn 13/14 · ETA at most 1m30s": func(p *engine.Progress) { p.AtMost = true },
		"s · sim x m · warm-up 7/9 · one · turn 13/14": func(p *engine.Progress) {
			p.Warmup, p.ETA = true,
				0
		},
	} {
		now := p
		change(&now)
		if got := describeProgress("s", now); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
