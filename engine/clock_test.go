package engine_test

import (
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"homellm/engine/event"
)

// A machine that slept in the middle of a run, seen as a jump of the wall clock, is noted once
// at the cell and at the turn.
func TestClock_NotesAJump(t *testing.T) {
	plan := load(t, "small.yaml", []byte(smallPlan), library(t))
	var jump atomic.Int64 // the journal's goroutine moves the clock that the playing one reads
	requests := 0
	fold := attempt{
		plan: plan, journal: filepath.Join(t.TempDir(), "journal.jsonl"),
		wall: func() time.Time { return time.Now().Add(time.Duration(jump.Load())) },
		keep: func(e event.Event) error {
			if _, ok := e.Body.(event.Request); ok {
				if requests++; requests == 4 {
					jump.Store(int64(time.Hour))
				}
			}
			return nil
		},
	}.play(t)
	n := 0
	for _, c := range fold.Cells {
		for _, note := range c.Notes {
			if note.Code == "clock_jump" {
				n++
			}
		}
	}
	if n != 1 {
		t.Errorf("%d notes of a jump, want 1", n)
	}
}
