//go:build unix

package hub

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// free is how many bytes an ordinary user may still write below dir.
func free(dir string) (int64, error) {
	for !exists(dir) && dir != filepath.Dir(dir) {
		dir = filepath.Dir(dir)
	}
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, fmt.Errorf("asking for free space: %w", err)
	}
	return int64(s.Bavail) * int64(s.Bsize), nil //nolint:unconvert // the types differ between systems
}

// allocated is what a file takes on disk: an unfinished download has holes.
func allocated(info fs.FileInfo) int64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		const block = 512
		return min(info.Size(), s.Blocks*block)
	}
	return info.Size()
}

// lock takes the lock that Hugging Face's programs take for the same file, and waits for it.
func lock(ctx context.Context, path string, waiting func()) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("creating the folder of locks: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("opening a lock: %w", err)
	}
	told := false
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			_ = f.Close()
			return nil, fmt.Errorf("taking a lock: %w", err)
		}
		if !told {
			waiting()
			told = true
		}
		const interval = 100 * time.Millisecond
		if err := sleep(ctx, interval); err != nil {
			_ = f.Close()
			return nil, err
		}
	}
}

// diskFull says whether a write failed for want of space.
func diskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// pages returns pieces of memory that begin at a page, and a function that returns them. They lie outside
// the heap, which would grow to twice what it holds before it is cleaned.
func pages(count int, size int64) (pieces [][]byte, release func(), err error) {
	size = max(1, (size+pageBytes-1)/pageBytes) * pageBytes
	all, err := syscall.Mmap(-1, 0, count*int(size), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return nil, nil, fmt.Errorf("getting memory: %w", err)
	}
	return slices.Collect(slices.Chunk(all, int(size))), func() { _ = syscall.Munmap(all) }, nil
}
