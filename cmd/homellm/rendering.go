package main

import (
	"fmt"
	"time"
)

// How long a report takes before its progress is shown, and how often it is shown.
const (
	renderingPatience = 2 * time.Second
	renderingLine     = 5 * time.Second
)

// rendering shows the progress of a slow report on stderr. End clears the line on a terminal.
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
