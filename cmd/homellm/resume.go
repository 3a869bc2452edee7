package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
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

// results is the folder of a run: its journal, open for writing, and what it holds so far.
type results struct {
	dir     string
	journal *event.Journal
	fold    *metrics.Run
	header  event.RunStarted
	elapsed time.Duration // of the run that is resumed
	changed bool          // it was started with another plan
}

// reopen opens the journal of a run. It is the same run that goes on: its id, its start and its
// clock stay.
func reopen(dir string) (*results, error) {
	path := filepath.Join(dir, "journal.jsonl")
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
	r := &results{dir: dir, journal: journal, fold: &metrics.Run{}}
	for _, e := range events {
		r.fold.Add(e)
		r.elapsed = e.At
	}
	if len(events) == 0 { // killed before its first line was whole
		id, err := newID()
		if err != nil {
			return nil, errors.Join(err, journal.Close())
		}
		r.header = event.RunStarted{ID: id, Started: time.Now().UTC()}
		return r, nil
	}
	r.header = event.RunStarted{ID: r.fold.Started.ID, Started: r.fold.Started.Started}
	return r, nil
}

// goOn checks that the run is of this plan, or may be of another.
func (r *results) goOn(plan *dsl.Plan, changed bool) error {
	r.changed = r.journal.Seq() > 0 && r.fold.Started.Digest != plan.Digest
	if r.changed && !changed {
		return r.refuse(plan)
	}
	return nil
}

// refuse says in which way a plan differs from the one of the journal.
func (r *results) refuse(plan *dsl.Plan) error {
	kept := 0
	for _, c := range plan.Cells {
		if old := r.fold.Cell(c.ID); old != nil && old.Finished() {
			kept++
		}
	}
	why := "its flags, server, model or models and servers files are not those it was started with"
	switch edited := r.fold.Started.Scenario.SHA256 != plan.SHA256; {
	case edited && r.sends(plan):
		why = fmt.Sprintf("%s sends what it sent then, but its assertions or settings, or the flags, server or model, are "+
			"not those it was started with", plan.File)
	case edited:
		why = fmt.Sprintf("%s is not the file it was started with", plan.File)
	}
	return exit.Errorf(exit.Usage,
		fmt.Sprintf("--resume-changed keeps the finished cells that did not change (%d of %d) and plays the others; "+
			"without --resume everything is played anew", kept, len(plan.Cells)),
		"--resume: %s was started with another plan: %s", r.dir, why)
}

// sends says whether the cells of a plan send what those of the journal have sent.
func (r *results) sends(plan *dsl.Plan) bool {
	known := map[string]bool{}
	for _, c := range r.fold.Cells {
		known[c.Planned.Does] = true
	}
	return !slices.ContainsFunc(plan.Cells, func(c *dsl.Cell) bool { return !known[c.Does] })
}

// complete says that nothing of the plan is left to play.
func (r *results) complete(plan *dsl.Plan) bool {
	if r.changed || r.fold.Done == nil || r.fold.Done.Interrupted != "" {
		return false
	}
	return !slices.ContainsFunc(plan.Cells, func(c *dsl.Cell) bool {
		known := r.fold.Cell(c.ID)
		return known == nil || c.Skip == "" && !known.Finished()
	})
}

// elsewhere notes that a run goes on with another homellm or on another machine: its cells are
// then not simply comparable.
func (r *results) elsewhere(version string, host map[string]any) error {
	if r.journal.Seq() == 0 {
		return nil
	}
	var differ []string
	if was := r.fold.Started.Homellm; was != version {
		differ = append(differ, fmt.Sprintf("homellm %s, not %s", version, was))
	}
	for _, key := range slices.Sorted(maps.Keys(host)) {
		was, now := fmt.Sprint(r.fold.Started.Host[key]), fmt.Sprint(host[key])
		if !strings.Contains(key, "free") && r.fold.Started.Host[key] != nil && was != now {
			differ = append(differ, fmt.Sprintf("%s %s, not %s", key, now, was))
		}
	}
	if len(differ) == 0 {
		return nil
	}
	e := event.Event{Seq: r.journal.Seq() + 1, At: r.elapsed, Body: event.Note{
		Code: "resumed_elsewhere", Text: "the run was resumed with " + strings.Join(differ, "; "),
	}}
	if err := r.journal.Append(e); err != nil {
		return err
	}
	r.fold.Add(e)
	return nil
}

// createResults makes the results folder and its journal before anything is sent. An existing
// run is never overwritten. Results hold whole chats: they are for their owner alone.
func createResults(dir string) (*event.Journal, error) {
	if name := filepath.Base(dir); dsl.Reserved(name) && name != "." && name != ".." {
		return nil, exit.Errorf(exit.Usage, "choose another folder with --out", "no folder can be called %q on Windows", name)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, exit.Errorf(exit.Environment, "choose another folder with --out", "making the results folder: %w", err)
	}
	journal, err := event.Create(filepath.Join(dir, "journal.jsonl"))
	if err != nil {
		return nil, exit.Errorf(exit.Environment, "choose another folder with --out", "creating the journal: %w", err)
	}
	return journal, nil
}

func newID() (string, error) {
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", fmt.Errorf("making a run id: %w", err)
	}
	return hex.EncodeToString(b[:]), nil
}
