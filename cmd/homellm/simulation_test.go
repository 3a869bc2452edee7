package main

import (
	"testing"

	"homellm/dsl"
)

// TestSimulate_NotesOnce: cells on the same simulator are announced once, others as well.
func TestSimulate_NotesOnce(t *testing.T) {
	notes := 0
	start := simulate(func(string, ...any) { notes++ })
	for i, cell := range []struct {
		model string
		notes int
	}{{"", 1}, {"", 1}, {"llama-3.1-8b", 2}} {
		_, _, stop, err := start(t.Context(), &dsl.Cell{Server: &dsl.Server{}, Model: &dsl.Model{Name: cell.model}})
		if err != nil {
			t.Fatal(err)
		}
		stop()
		if notes != cell.notes {
			t.Errorf("%d notes after cell %d, want %d", notes, i, cell.notes)
		}
	}
}
