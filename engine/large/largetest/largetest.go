// Package largetest helps tests that limit allocations for large texts.
package largetest

import (
	"runtime/debug"
	"slices"
	"testing"
)

// AtMost fails a test that allocated too many bytes. It checks nothing under the race detector, where pools drop items
// at random and the same work allocates more.
func AtMost(t *testing.T, name string, got, most uint64) {
	t.Helper()
	build, ok := debug.ReadBuildInfo()
	raced := ok && slices.Contains(build.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
	if got > most && !raced {
		t.Errorf("%s: %d bytes are allocated, want at most %d", name, got, most)
	}
}
