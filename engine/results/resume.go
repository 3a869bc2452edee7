package results

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"homellm/dsl"
	"homellm/engine/event"
	"homellm/engine/exit"
	"homellm/engine/metrics"
)

// Folder is the folder of a run: its journal, open for writing, and what it holds so far.
type Folder struct {
	Dir     string
	Journal *event.Journal
	Fold    *metrics.Run
	Header  event.RunStarted
	Elapsed time.Duration // of the run that is resumed
	Changed bool          // it was started with another plan
}

// Reopen opens the journal of a run. The same run continues: its id, its start and its clock do not change.
func Reopen(dir string) (*Folder, error) {
	path := filepath.Join(dir, journalName)
	journal, events, err := event.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, exit.Errorf(exit.Usage, "results are below results/",
			"--resume: %s holds no journal.jsonl: it is not a results folder", dir)
	case errors.Is(err, event.ErrLocked):
		return nil, exit.Errorf(exit.Environment, "wait until it has ended, or stop it",
			"--resume: another homellm is writing %s",
			path)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return nil, exit.Errorf(exit.Environment, "copy the folder to a place where you may write", "--resume: %w", err)
	case err != nil:
		return nil, exit.Errorf(exit.Invalid, "a damaged journal is left as it is; start over without --resume",
			"--resume: %w", err)
	}
	r := &Folder{Dir: dir, Journal: journal, Fold: &metrics.Run{}}
	for _, e := range events {
		r.Fold.Add(e)
		r.Elapsed = max(r.Elapsed, e.At) // the cells of a fleet are stored one after another, whenever they were played
	}
	if len(events) == 0 { // killed before its first line was complete
		id, err := NewID()
		if err != nil {
			return nil, errors.Join(err, journal.Close())
		}
		r.Header = event.RunStarted{ID: id, Started: time.Now().UTC()}
		return r, nil
	}
	r.Header = event.RunStarted{ID: r.Fold.Started.ID, Started: r.Fold.Started.Started}
	return r, nil
}

// GoOn checks that the run has this plan, or may have another.
func (r *Folder) GoOn(plan *dsl.Plan, changed bool) error {
	r.Changed = r.Journal.Seq() > 0 && r.Fold.Started.Digest != plan.Digest
	if r.Changed && !changed {
		return r.refuse(plan)
	}
	return nil
}

// refuse says how a plan differs from the one of the journal.
func (r *Folder) refuse(plan *dsl.Plan) error {
	kept := 0
	for _, c := range plan.Cells {
		if old := r.Fold.Cell(c.ID); old != nil && old.Finished() {
			kept++
		}
	}
	why := "its flags, server, model or models and servers files are not those it was started with"
	switch edited := r.Fold.Started.Scenario.SHA256 != plan.SHA256; {
	case edited && r.sends(plan):
		why = fmt.Sprintf("%s sends what it sent then, but its assertions or settings, or the flags, server or model, are "+
			"not those it was started with", plan.File)
	case edited:
		why = fmt.Sprintf("%s is not the file it was started with", plan.File)
	}
	return exit.Errorf(exit.Usage,
		fmt.Sprintf("--resume-changed keeps the finished cells that did not change (%d of %d) and plays the others; "+
			"without --resume everything is played anew", kept, len(plan.Cells)),
		"--resume: %s was started with another plan: %s", r.Dir, why)
}

// sends says whether the cells of a plan send the same as those of the journal.
func (r *Folder) sends(plan *dsl.Plan) bool {
	known := map[string]bool{}
	for _, c := range r.Fold.Cells {
		known[c.Planned.Does] = true
	}
	return !slices.ContainsFunc(plan.Cells, func(c *dsl.Cell) bool { return !known[c.Does] })
}

// Complete says that nothing of the plan is left to play.
func (r *Folder) Complete(plan *dsl.Plan) bool {
	if r.Changed || r.Fold.Done == nil || r.Fold.Done.Interrupted != "" {
		return false
	}
	return !slices.ContainsFunc(plan.Cells, func(c *dsl.Cell) bool {
		known := r.Fold.Cell(c.ID)
		return known == nil || c.Skip == "" && !known.Finished()
	})
}

// Elsewhere notes that a run continues with another version of homellm or on another machine: its cells may then not
// be comparable.
func (r *Folder) Elsewhere(version string, host map[string]any) error {
	if r.Journal.Seq() == 0 {
		return nil
	}
	var differ []string
	if was := r.Fold.Started.Homellm; was != version {
		differ = append(differ, fmt.Sprintf("homellm %s, not %s", version, was))
	}
	for _, key := range slices.Sorted(maps.Keys(host)) {
		was, now := fmt.Sprint(r.Fold.Started.Host[key]), fmt.Sprint(host[key])
		if !strings.Contains(key, "free") && r.Fold.Started.Host[key] != nil && was != now {
			differ = append(differ, fmt.Sprintf("%s %s, not %s", key, now, was))
		}
	}
	if len(differ) == 0 {
		return nil
	}
	e := event.Event{Seq: r.Journal.Seq() + 1, At: r.Elapsed, Body: event.Note{
		Code: "resumed_elsewhere", Text: "the run was resumed with " + strings.Join(differ, "; "),
	}}
	if err := r.Journal.Append(e); err != nil {
		return err
	}
	r.Fold.Add(e)
	return nil
}
