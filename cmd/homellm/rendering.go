package main

import (
	"fmt"
	"time"
)

// How long a report is waited for in silence, and how often its progress is told from then on.
const (
	renderingPatience = 2 * time.Second
	renderingLine     = 5 * time.Second
)

// rendering tells on stderr how far a report is that takes long. End clears what stands on a terminal.
func (p process) rendering(what string) (tell func(done, total int), end func()) {
	began := time.Now()
	next := began.Add(renderingPatience)
	told := false
	tell = func(done, total int) {
		now := time.Now()
		if now.Before(next) {
			return
		}
		told = true
		next = now.Add(renderingLine)
		line := fmt.Sprintf("%s: %d %%, %d of %d turns", what, 100*done/max(total, 1), done, total)
		if p.columns == 0 {
			p.say("%s", line)
			return
		}
		next = now.Add(200 * time.Millisecond)
		fmt.Fprint(p.stderr, repaint+line)
	}
	return tell, func() {
		if told && p.columns > 0 {
			fmt.Fprint(p.stderr, repaint)
		}
	}
}
