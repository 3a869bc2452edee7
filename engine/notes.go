package engine

import (
	"fmt"

	"homellm/engine/event"
)

// notes adds notes to a cell. Notes from before an attempt wait until it begins, because its start replaces
// everything of an earlier attempt.
type notes struct {
	emit  func(event.Body)
	begun bool
	early []event.Note
	said  map[string]bool // codes of the notes that are made once
}

func (n *notes) add(code, format string, args ...any) {
	note := event.Note{Code: code, Text: fmt.Sprintf(format, args...)}
	if !n.begun {
		n.early = append(n.early, note)
		return
	}
	n.emit(note)
}

// once adds a note unless there is one of its code.
func (n *notes) once(code, format string, args ...any) {
	if n.said[code] {
		return
	}
	if n.said == nil {
		n.said = map[string]bool{}
	}
	n.said[code] = true
	n.add(code, format, args...)
}

// flush emits the notes that waited.
func (n *notes) flush() {
	for _, note := range n.early {
		n.emit(note)
	}
	n.early = nil
}
