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

// Held reports whether another open file holds the lock. It takes a shared lock for a moment, so a process that tries
// to lock the file just then is refused.
func Held(f *os.File) bool {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	if err == nil {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_UN)
	}
	return errors.Is(err, syscall.EWOULDBLOCK)
}
