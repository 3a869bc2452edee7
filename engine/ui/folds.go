package ui

import (
	"errors"
	"slices"

	"homellm/engine/event"
	"homellm/engine/exit"
	"homellm/engine/metrics"
	"homellm/engine/results"
)

// mostFolds limits how many runs are kept in memory: those that the user is looking at.
const mostFolds = 6

// folds holds runs that were read. The rest of a run is read when its journal has grown.
type folds struct {
	runs results.Runs
	open []*followed // the most recently used last
}

// followed is a run and the journal that it is read from.
type followed struct {
	name    string
	journal *event.Follower
	fold    *metrics.Run
}

// of returns the fold of a run's current journal, and whether the run is being played.
func (f *folds) of(name string) (fold *metrics.Run, playing bool, err error) {
	path, err := f.runs.Journal(name)
	if err != nil {
		return nil, false, err
	}
	i := slices.IndexFunc(f.open, func(o *followed) bool { return o.name == name })
	if i >= 0 {
		one := f.open[i]
		f.open = append(slices.Delete(f.open, i, i+1), one)
		if err := one.more(); err == nil && one.holds() {
			return one.fold, one.playing(), nil
		}
		f.open = f.open[:len(f.open)-1]
		if err := one.journal.Close(); err != nil {
			return nil, false, err
		}
	}
	journal, err := event.Follow(path)
	if err != nil {
		return nil, false, exit.Errorf(exit.Environment, "", "%w", err)
	}
	one := &followed{name, journal, &metrics.Run{}}
	err = one.more()
	if err == nil && !one.holds() {
		err = errors.New("the journal holds no run")
	}
	if err != nil {
		return nil, false, exit.Errorf(exit.Invalid, "", "%w", errors.Join(err, journal.Close()))
	}
	f.open = append(f.open, one)
	if len(f.open) > mostFolds {
		oldest := f.open[0]
		f.open = f.open[1:]
		if err := oldest.journal.Close(); err != nil {
			return nil, false, err
		}
	}
	return one.fold, one.playing(), nil
}

func (o *followed) more() error {
	events, err := o.journal.More()
	for _, e := range events {
		o.fold.Add(e)
	}
	return err
}

// holds reports whether there is something to show. A run that has just begun may have no cell yet.
func (o *followed) holds() bool { return len(o.fold.Cells) > 0 || o.playing() }

// playing reports whether a run is being played: it has not ended, and a process is writing its journal.
func (o *followed) playing() bool { return o.fold.Done == nil && o.journal.Written() }

func (f *folds) close() error {
	var all []error
	for _, o := range f.open {
		all = append(all, o.journal.Close())
	}
	f.open = nil
	return errors.Join(all...)
}
