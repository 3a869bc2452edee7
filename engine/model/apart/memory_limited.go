//go:build linux || darwin

package apart

import "golang.org/x/sys/unix"

// boundMemory makes the system refuse memory beyond a limit in bytes, which ends the process. On a system that does
// not enforce the limit, only the check of the memory in use remains.
func boundMemory(bytes uint64) {
	_ = unix.Setrlimit(unix.RLIMIT_DATA, &unix.Rlimit{Cur: bytes, Max: bytes})
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}) // a crash is expected, and its core dump is not needed
}
