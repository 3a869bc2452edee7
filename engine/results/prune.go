package results

import (
	"errors"
	"os"
	"path/filepath"
	"time"

	"homellm/engine/event"
	"homellm/engine/exit"
)

// Pruning says which runs are removed and which are kept.
type Pruning struct {
	Keep    int           // how many of the newest are kept
	Younger time.Duration // runs younger than this are kept; 0: age keeps none
	DryRun  bool          // nothing is removed

	Left func(dir, why string) // called with a folder that must not be removed
	Gone func(dir string)      // called with a folder that was removed, or would be
}

// Prune removes the listed runs that nothing keeps, newest first, and returns how many.
func (p Pruning) Prune(all []Run, now time.Time) (gone int, err error) {
	var failed []error
	for i, run := range all {
		if i < p.Keep || p.Younger > 0 && now.Sub(run.Started) < p.Younger {
			continue
		}
		if why := untouchable(run.Dir, !p.DryRun); why != "" {
			p.Left(run.Dir, why)
			continue
		}
		if !p.DryRun {
			if err := os.RemoveAll(run.Dir); err != nil {
				failed = append(failed, err)
				continue
			}
		}
		gone++
		p.Gone(run.Dir)
	}
	if len(failed) > 0 {
		err = exit.Errorf(exit.Environment, "", "removing: %w", errors.Join(failed...))
	}
	return gone, err
}

// untouchable says why a folder must not be removed: it holds more than a run, or its run is in progress. The
// journal's lock tells; the journal is not changed.
func untouchable(dir string, take bool) string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err.Error()
	}
	for _, e := range entries {
		if !e.Type().IsRegular() {
			return e.Name() + " in it is not a file of a run"
		}
	}
	if !take {
		return ""
	}
	j, _, err := event.Open(filepath.Join(dir, journalName))
	switch {
	case errors.Is(err, event.ErrLocked):
		return "it is being played right now"
	case err != nil:
		return err.Error()
	}
	if err := j.Close(); err != nil {
		return err.Error()
	}
	return ""
}
