package results

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"homellm/engine/exit"
	"homellm/engine/metrics"
)

// Run is a run in a folder of results.
type Run struct {
	Name, Dir string
	Fold      *metrics.Run
	Started   time.Time
}

// Latest is the name by which the newest run can be named.
const Latest = "latest"

// Runs are the runs directly below a folder. Skipped is told of a journal that cannot be read: it is left alone.
type Runs struct {
	Dir     string
	Skipped func(error)
}

// All reads every run, the newest first. A folder without our journal is not a run.
func (r Runs) All() ([]Run, error) {
	entries, err := os.ReadDir(r.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, exit.Errorf(exit.Usage, "name another folder with --dir", "there are no results in %s", r.Dir)
	}
	if err != nil {
		return nil, exit.Errorf(exit.Usage, "", "%w", err)
	}
	var out []Run
	for _, e := range entries {
		path := filepath.Join(r.Dir, e.Name())
		if !e.IsDir() {
			continue // a link to a folder is not followed
		}
		if info, err := os.Lstat(filepath.Join(path, journalName)); err != nil || !info.Mode().IsRegular() {
			continue
		}
		_, fold, err := Read(path)
		if err != nil {
			r.Skipped(err)
			continue
		}
		out = append(out, Run{e.Name(), path, fold, fold.Started.Started})
	}
	slices.SortFunc(out, func(a, b Run) int {
		if c := b.Started.Compare(a.Started); c != 0 {
			return c
		}
		return strings.Compare(b.Name, a.Name)
	})
	return out, nil
}

// Find finds a run by its folder, the name of its folder or a start of either that no other run has.
func (r Runs) Find(name string) (dir string, fold *metrics.Run, err error) {
	if _, err := os.Stat(name); err == nil {
		return Read(name)
	}
	all, err := r.All()
	if err != nil {
		return "", nil, err
	}
	var found []Run
	for _, run := range all {
		switch {
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
		return "", nil, exit.Errorf(exit.Usage, "homellm results list", "there is no run %q in %s", name, r.Dir)
	}
	return "", nil, exit.Errorf(exit.Usage, "give more of its name", "%d runs in %s begin with %q", len(found), r.Dir,
		name)
}
