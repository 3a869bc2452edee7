package observe

import (
	"fmt"

	"homellm/engine/event"
)

// Note adds a remark to a cell.
type Note func(code, format string, args ...any)

// notes makes the remarks of an observer.
type notes struct {
	add  Note
	said map[string]bool // codes of the remarks that are made once
}

// once makes a remark unless one with its code exists.
func (n notes) once(code, format string, args ...any) {
	if !n.said[code] {
		n.said[code] = true
		n.add(code, format, args...)
	}
}

// turnOf names a turn in messages.
func turnOf(r *event.Request) string {
	kind := "repeat"
	if r.Warmup {
		kind = "warm-up"
	}
	return fmt.Sprintf("%s/%s turn %d, %s %d", r.Played(), r.Step, r.Turn, kind, r.Repeat)
}
