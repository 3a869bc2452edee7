//go:build unix

package filelock

import (
	"errors"
	"os"
	"syscall"
)

// Lock locks the file until it is closed, or fails at once with [ErrLocked].
func Lock(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return ErrLocked
	}
	return err
}

// Held says whether another open file holds the lock. It asks for a moment for a lock that others may share: a process
// that locks the file at that very moment is refused.
func Held(f *os.File) bool {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	if err == nil {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_UN)
	}
	return errors.Is(err, syscall.EWOULDBLOCK)
}
