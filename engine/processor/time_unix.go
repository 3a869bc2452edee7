//go:build unix

package processor

import (
	"syscall"
	"time"
)

// Time is the processor time that all threads of this process have used, in user and in system mode, and whether this
// system tells it.
func Time() (time.Duration, bool) {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0, false
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano()), true
}
