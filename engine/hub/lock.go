package hub

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// ErrBusy says that a pull holds what was to be removed.
var ErrBusy = errors.New("a pull of it is in progress")

// errLocked says that another program, or another pull of this one, holds a lock.
var errLocked = errors.New("another process holds the lock")

// markSuffix ends the name of the lock's own file on systems where files cannot be locked.
const markSuffix = ".homellm"

// lock takes a lock and waits for it; waiting is called once if it has to.
func lock(ctx context.Context, path string, waiting func()) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("creating the folder of locks: %w", err)
	}
	for first := true; ; first = false {
		unlock, err := lockFile(path)
		if !errors.Is(err, errLocked) {
			return unlock, err
		}
		if first {
			waiting()
		}
		const interval = 100 * time.Millisecond
		if err := sleep(ctx, interval); err != nil {
			return nil, err
		}
	}
}

// lockAll takes the locks of all files of a repository in the cache, or none.
func (c Cache) lockAll(repo string) (unlock func(), err error) {
	var held []func()
	unlock = func() {
		for _, f := range held {
			f()
		}
	}
	entries, _ := os.ReadDir(filepath.Dir(c.lock(repo, "")))
	for _, e := range entries {
		etag, ok := strings.CutSuffix(strings.TrimSuffix(e.Name(), markSuffix), ".lock")
		if !ok {
			continue
		}
		one, err := lockFile(c.lock(repo, etag))
		if err != nil {
			unlock()
			if errors.Is(err, errLocked) {
				err = ErrBusy
			}
			return nil, err
		}
		held = append(held, one)
	}
	return unlock, nil
}
