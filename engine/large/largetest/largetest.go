// Package largetest helps the tests that hold what is allocated for large texts.
package largetest

import (
	"runtime/debug"
	"slices"
	"testing"
)

// AtMost fails a test in which more bytes were allocated than may be. With the race detector nothing is held: pools
// then lose what they keep, by chance, and the same work allocates more.
func AtMost(t *testing.T, name string, got, most uint64) {
	t.Helper()
	build, ok := debug.ReadBuildInfo()
	raced := ok && slices.Contains(build.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
	if got > most && !raced {
		t.Errorf("%s: %d bytes are allocated, want at most %d", name, got, most)
	}
}
