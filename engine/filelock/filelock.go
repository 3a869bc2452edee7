// Package filelock prevents two processes from writing one file.
//
// The input is open files; the output is whether this process has the lock. A lock ends when its file is closed or
// the process dies, so none is ever left behind. It knows nothing of what the files hold.
package filelock

import "errors"

// ErrLocked says that another open file, of this process or another one, holds the lock.
var ErrLocked = errors.New("another process holds the lock")
