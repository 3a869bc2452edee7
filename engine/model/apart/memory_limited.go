//go:build linux || darwin

package apart

import "golang.org/x/sys/unix"

// boundMemory has the system refuse memory beyond a limit in bytes, which ends the process. Where the system does not
// enforce it, only the check of the memory in use is left.
func boundMemory(bytes uint64) {
	_ = unix.Setrlimit(unix.RLIMIT_DATA, &unix.Rlimit{Cur: bytes, Max: bytes})
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}) // a crash is expected, and its core dump is not needed
}
