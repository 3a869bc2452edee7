package target

import (
	"path/filepath"
	"time"

	"homellm/engine/host"
)

// Records is the folder in a user's state with the records of started processes; empty if there is no state.
func Records(stateDir string) string {
	if stateDir == "" {
		return ""
	}
	return filepath.Join(stateDir, "servers")
}

// NoteLeftovers reports servers that an earlier homellm started and could not stop.
func (m Means) NoteLeftovers() {
	left, err := host.Leftovers(Records(m.StateDir))
	if err != nil {
		m.Note("%v", err)
		return
	}
	for _, l := range left {
		if !l.Owned {
			m.Note("an earlier homellm left a server running: %s; end it with: homellm stop %s", l, l.Name)
		}
	}
}

// tellStart reports the progress of a start every ten seconds.
func tellStart(note func(format string, args ...any)) func(profile string, d time.Duration, line string) {
	next := 10 * time.Second
	return func(profile string, d time.Duration, line string) {
		if d < 10*time.Second {
			next = 10 * time.Second
		}
		if d < next {
			return
		}
		next = d + 10*time.Second
		note("%s is starting (%v): %s", profile, d.Round(time.Second), line)
	}
}
