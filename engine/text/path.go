package text

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Path is a path in messages and results, which other people read: as written or relative to the working folder, with
// ~ for the user's home folder, which contains the user's name.
func Path(path string) string {
	full, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	written := path
	wd, err := os.Getwd()
	if rel, ok := below(wd, full); ok && err == nil {
		written = rel
	}
	home, err := os.UserHomeDir()
	if rel, ok := below(home, full); ok && err == nil {
		names := slices.Contains(strings.Split(filepath.ToSlash(written), "/"), filepath.Base(home))
		if names || filepath.IsAbs(written) {
			return filepath.Join("~", rel)
		}
	}
	return filepath.Clean(written)
}

// below returns a path relative to a folder that contains it.
func below(dir, path string) (rel string, ok bool) {
	rel, err := filepath.Rel(dir, path)
	return rel, err == nil && filepath.IsLocal(rel)
}
