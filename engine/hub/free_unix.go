//go:build unix

package hub

import (
	"path/filepath"
	"syscall"
)

// free is how many bytes an ordinary user may still write below dir.
func free(dir string) (int64, error) {
	for !exists(dir) && dir != filepath.Dir(dir) {
		dir = filepath.Dir(dir)
	}
	var s syscall.Statfs_t
	err := syscall.Statfs(dir, &s)
	return int64(s.Bavail) * int64(s.Bsize), err //nolint:unconvert // the types differ between systems
}
