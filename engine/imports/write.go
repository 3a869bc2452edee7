package imports

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"homellm/engine/replace"
)

// Write writes a scenario and the files beside it, each file whole or not at all, the scenario last. It replaces
// existing files only if overwrite is set, and returns their paths.
func (m *Made) Write(scenario string, overwrite bool) (replaced []string, err error) {
	folder := filepath.Dir(scenario)
	files := map[string][]byte{filepath.Base(scenario): m.Scenario}
	maps.Copy(files, m.Beside)
	names := slices.Sorted(maps.Keys(m.Beside))
	names = append(names, filepath.Base(scenario))
	for _, name := range names {
		switch _, err := os.Lstat(filepath.Join(folder, filepath.FromSlash(name))); {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, err
		default:
			replaced = append(replaced, filepath.Join(folder, filepath.FromSlash(name)))
		}
	}
	if len(replaced) > 0 && !overwrite {
		return replaced, fs.ErrExist
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	for _, name := range names {
		if err := replace.Below(folder, filepath.Join(folder, filepath.FromSlash(name)), files[name]); err != nil {
			return nil, fmt.Errorf("writing %s: %w", name, err)
		}
	}
	return replaced, nil
}
