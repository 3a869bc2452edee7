package results

import (
	"cmp"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"homellm/dsl/syntax"
	"homellm/engine/exit"
	"homellm/engine/metrics"
)

// Run is a run in a folder of results.
type Run struct {
	Name, Dir string
	Fold      *metrics.Run
	Started   time.Time
}

// Names by which runs can be named wherever a run of a folder of results is asked for.
const (
	Latest   = "latest"   // the newest run
	Previous = "previous" // the one before it of the same scenario
)

// Runs are the runs directly below a folder. Skipped is called with a journal that cannot be read.
type Runs struct {
	Dir     string
	Except  string // the name of a run to leave out; empty: none
	Skipped func(error)
}

// Journals are the journals of the runs, by the name of the run's folder. A folder without our journal is not a run,
// and a link to a folder is not followed.
func (r Runs) Journals() (map[string]fs.FileInfo, error) {
	entries, err := os.ReadDir(r.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, exit.Errorf(exit.Usage, "name another folder with --dir", "there are no results in %s", r.Dir)
	}
	if err != nil {
		return nil, exit.Errorf(exit.Usage, "", "%w", err)
	}
	out := map[string]fs.FileInfo{}
	for _, e := range entries {
		if !e.IsDir() || e.Name() == r.Except {
			continue
		}
		info, err := os.Lstat(filepath.Join(r.Dir, e.Name(), journalName))
		if err == nil && info.Mode().IsRegular() {
			out[e.Name()] = info
		}
	}
	return out, nil
}

// Journal returns the path of a run's journal, given the name of the run's folder. Any other name is an error, so that
// no name leads out of the folder of results.
func (r Runs) Journal(name string) (string, error) {
	journals, err := r.Journals()
	if err != nil {
		return "", err
	}
	if _, ok := journals[name]; !ok {
		return "", exit.Errorf(exit.Usage, "homellm results list", "there is no run %q in %s", name, r.Dir)
	}
	return filepath.Join(r.Dir, name, journalName), nil
}

// All reads every run, the newest first.
func (r Runs) All() ([]Run, error) {
	journals, err := r.Journals()
	if err != nil {
		return nil, err
	}
	var out []Run
	for _, name := range slices.Sorted(maps.Keys(journals)) {
		path := filepath.Join(r.Dir, name)
		_, fold, err := Read(path)
		if err != nil {
			r.Skipped(err)
			continue
		}
		out = append(out, Run{name, path, fold, fold.Started.Started})
	}
	slices.SortFunc(out, func(a, b Run) int {
		if c := b.Started.Compare(a.Started); c != 0 {
			return c
		}
		return strings.Compare(b.Name, a.Name)
	})
	return out, nil
}

// Find finds a run by its folder, the name of its folder, or a unique beginning of either.
func (r Runs) Find(name string) (dir string, fold *metrics.Run, err error) {
	if _, err := os.Stat(name); err == nil {
		return Read(name)
	}
	all, err := r.All()
	if err != nil {
		return "", nil, err
	}
	var found []Run
	for i, run := range all {
		switch {
		case name == Previous:
			if i > 0 && run.Fold.Started.Scenario.Name == all[0].Fold.Started.Scenario.Name {
				return run.Dir, run.Fold, nil
			}
		case name == Latest, run.Name == name:
			return run.Dir, run.Fold, nil
		case strings.HasPrefix(run.Name, name), strings.HasPrefix(run.Fold.Started.ID, name):
			found = append(found, run)
		}
	}
	switch len(found) {
	case 1:
		return found[0].Dir, found[0].Fold, nil
	case 0:
		if name == Previous && len(all) > 0 {
			return "", nil, exit.Errorf(exit.Usage, "homellm results list", "%s has only one run in %s",
				all[0].Fold.Started.Scenario.Name, r.Dir)
		}
		known := []string{Latest, Previous}
		for _, run := range all {
			known = append(known, run.Name)
		}
		return "", nil, exit.Errorf(exit.Usage, cmp.Or(syntax.Suggest(name, known), "homellm results list"),
			"there is no run %q in %s", name, r.Dir)
	}
	return "", nil, exit.Errorf(exit.Usage, "give more of its name", "%d runs in %s begin with %q", len(found), r.Dir,
		name)
}
