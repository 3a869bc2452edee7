//go:build !unix

package hub

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"time"
)

// free is not known on this system: a full disk shows when it is written to.
func free(string) (int64, error) { return math.MaxInt64, nil }

func diskFull(error) bool { return false }

// lockFile creates a file beside the lock, which only one program can; errLocked if it is there. One that is
// left behind by a killed program is taken over after an hour. A file that is still open cannot be removed on
// Windows, so no lock in use is taken over.
func lockFile(path string) (unlock func(), err error) {
	path += markSuffix
	if info, err := os.Stat(path); err == nil && time.Since(info.ModTime()) > time.Hour {
		_ = os.Remove(path)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o644)
	switch {
	case err == nil:
		return func() { _ = f.Close(); _ = os.Remove(path) }, nil
	case errors.Is(err, fs.ErrExist):
		return nil, errLocked
	}
	return nil, fmt.Errorf("taking a lock: %w", err)
}
