// Package results stores runs: the folder of each with its journal, and ways to find one again.
//
// The input is plans and paths; the output is folders whose journal is open for writing, and the folds of earlier
// runs. A run is never overwritten, and a folder with anything other than a run is never changed. The package plays
// nothing and shows nothing.
package results

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"homellm/engine/event"
	"homellm/engine/exit"
	"homellm/engine/metrics"
)

// Read folds the journal of a results folder, or the journal itself.
func Read(path string) (dir string, fold *metrics.Run, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", nil, exit.Errorf(exit.Usage, "results are below results/", "%w", err)
	}
	journal := path
	if info.IsDir() { // the author of the folder must not choose which other files are read
		journal = filepath.Join(path, journalName)
		named, err := os.Lstat(journal)
		if errors.Is(err, fs.ErrNotExist) {
			return "", nil, exit.Errorf(exit.Usage, "", "%s holds no journal.jsonl: it is not a results folder", path)
		}
		if err == nil && !named.Mode().IsRegular() {
			return "", nil, exit.Errorf(exit.Invalid, "", "%s: not a regular file", journal)
		}
	}
	f, err := os.Open(journal)
	if err != nil {
		return "", nil, exit.Errorf(exit.Usage, "", "%w", err)
	}
	defer f.Close()
	fold = &metrics.Run{}
	for e, err := range event.Read(f) {
		if errors.Is(err, event.ErrTorn) {
			break // the run was cut off in the middle of a line: what precedes it is valid
		}
		if err != nil {
			return "", nil, exit.Errorf(exit.Invalid, "", "%s: %w", journal, err)
		}
		fold.Add(e)
	}
	if len(fold.Cells) == 0 {
		return "", nil, exit.Errorf(exit.Invalid, "", "%s holds no run", journal)
	}
	return filepath.Dir(journal), fold, nil
}
