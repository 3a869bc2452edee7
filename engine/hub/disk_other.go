//go:build !unix

package hub

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"time"
)

// free is not known on this system: a full disk shows when it is written to.
func free(string) (int64, error) { return math.MaxInt64, nil }

func allocated(info fs.FileInfo) int64 { return info.Size() }

// lock creates a file that nobody else may have, and waits while somebody does. One that is left
// behind by a killed program is taken over after an hour without a sign of life.
func lock(ctx context.Context, path string, waiting func()) (unlock func(), err error) {
	path += markSuffix
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("creating the folder of locks: %w", err)
	}
	told := false
	for {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o644)
		if err == nil {
			return func() { _ = f.Close(); _ = os.Remove(path) }, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("taking a lock: %w", err)
		}
		// A file that is still open cannot be removed on Windows, so this takes over dead ones only.
		if info, e := os.Stat(path); e == nil && time.Since(info.ModTime()) > time.Hour && os.Remove(path) == nil {
			continue
		}
		if !told {
			waiting()
			told = true
		}
		const interval = 100 * time.Millisecond
		if err := sleep(ctx, interval); err != nil {
			return nil, err
		}
	}
}

func diskFull(error) bool { return false }

func pages(count int, size int64) (pieces [][]byte, release func(), err error) {
	for range count {
		pieces = append(pieces, make([]byte, size))
	}
	return pieces, func() {}, nil
}
