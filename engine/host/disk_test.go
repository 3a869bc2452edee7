package host

import (
	"path/filepath"
	"testing"
)

func TestFreeDisk(t *testing.T) {
	if n, err := FreeDisk(filepath.Join(t.TempDir(), "not", "there")); err != nil || n <= 0 {
		t.Errorf("free space: %d, %v", n, err)
	}
}
