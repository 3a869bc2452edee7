//go:build unix

package event

import (
	"errors"
	"os"
	"syscall"
)

// lock takes the file for this process until it is closed, or ends with [ErrLocked].
func lock(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return ErrLocked
	}
	return err
}

// syncDir makes the name of a new file in dir last.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if errors.Is(err, syscall.EINVAL) {
		err = nil // some file systems cannot flush a directory and need not
	}
	return errors.Join(err, d.Close())
}
