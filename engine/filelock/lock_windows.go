package filelock

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// Lock locks the file until it is closed, or fails at once with [ErrLocked]. Locks are mandatory here, so the locked
// byte is far beyond any file's end: others may still read.
func Lock(f *os.File) error {
	at := &windows.Overlapped{OffsetHigh: 0x7fffffff}
	err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0,
		1, 0, at)
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return ErrLocked
	}
	return err
}

// Held reports whether another open file holds the lock. It takes a shared lock for a moment, so a process that tries
// to lock the file just then is refused.
func Held(f *os.File) bool {
	at := &windows.Overlapped{OffsetHigh: 0x7fffffff}
	err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, at)
	if err == nil {
		err = windows.UnlockFileEx(windows.Handle(f.Fd()), 0, 1, 0, at)
	}
	return errors.Is(err, windows.ERROR_LOCK_VIOLATION)
}
