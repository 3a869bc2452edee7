//go:build linux || darwin

package apart

import "golang.org/x/sys/unix"

// boundMemory has the system refuse memory beyond so many bytes, which ends the process. Where the system does
// not hold to it, the watch of the memory is what is left.
func boundMemory(bytes uint64) {
	_ = unix.Setrlimit(unix.RLIMIT_DATA, &unix.Rlimit{Cur: bytes, Max: bytes})
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}) // a crash is expected, and nobody looks at its image
}
