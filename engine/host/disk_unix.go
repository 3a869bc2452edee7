//go:build unix

package host

import (
	"os"
	"path/filepath"
	"syscall"
)

// FreeDisk returns how many bytes an ordinary user can still write in a folder, which need not exist yet.
func FreeDisk(dir string) (int64, error) {
	for dir != filepath.Dir(dir) {
		if _, err := os.Stat(dir); err == nil {
			break
		}
		dir = filepath.Dir(dir)
	}
	var s syscall.Statfs_t
	err := syscall.Statfs(dir, &s)
	return int64(s.Bavail) * int64(s.Bsize), err //nolint:unconvert // the types differ between systems
}
