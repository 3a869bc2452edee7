// Package watch waits until one of the files that a run depends on changes.
//
// The input is the paths of files, each noted before the file is read; the output is the event that one has changed. It
// compares only times, sizes and types, and does not read the files.
package watch

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

// quietTime is how long files must be quiet before a change counts, because editors write in several steps.
const quietTime = 200 * time.Millisecond

// Files is a set of files with their states when they were noted.
type Files struct {
	mu      sync.Mutex
	seen    map[string]string
	look    map[string]func() string
	notices *fsnotify.Watcher
}

// New returns an empty set.
func New() (*Files, error) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watching files: %w", err)
	}
	return &Files{seen: map[string]string{}, look: map[string]func() string{}, notices: w}, nil
}

// Close stops the watching.
func (f *Files) Close() error { return f.notices.Close() }

// Forget starts a new set of files.
func (f *Files) Forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen, f.look = map[string]string{}, map[string]func() string{}
}

// File notes the current state of a file, which need not exist. Note it before reading it, so that no change is missed.
func (f *Files) File(path string) {
	f.note(filepath.Dir(path), path, func() string { return stateOf(path) })
}

// Folder notes the contents of a folder, which the function returns.
func (f *Files) Folder(path string, holds func() string) { f.note(path, path, holds) }

func (f *Files) note(folder, name string, look func() string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.seen[name]; ok {
		return // the first state was noted before the file was read
	}
	f.seen[name], f.look[name] = look(), look
	// The folder is watched, because an editor may replace the file. If it cannot be watched, its files are still compared
	// whenever another folder reports a change.
	_ = f.notices.Add(folder)
}

// stateOf returns a text that changes whenever the file does.
func stateOf(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return "none"
	}
	return fmt.Sprint(info.ModTime().UnixNano(), info.Size(), info.Mode()&fs.ModeType)
}

// Changed waits until a file differs from its noted state and the files are quiet. The error is that of the context or
// of the watcher.
func (f *Files) Changed(ctx context.Context) error {
	quiet := time.NewTimer(0) // changes from before this call are seen at once
	defer quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case _, ok := <-f.notices.Events:
			if !ok {
				return fsnotify.ErrClosed
			}
			quiet.Reset(quietTime)
		case err := <-f.notices.Errors:
			return fmt.Errorf("watching files: %w", err)
		case <-quiet.C:
			if f.differs() {
				return nil
			}
		}
	}
}

func (f *Files) differs() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for name, look := range f.look {
		if look() != f.seen[name] {
			return true
		}
	}
	return false
}

// FS returns a file system that notes every file opened in it; dir is its path.
func (f *Files) FS(dir string, inner fs.FS) fs.FS { return noting{f, dir, inner} }

type noting struct {
	files *Files
	dir   string
	inner fs.FS
}

// Open implements [fs.FS].
func (n noting) Open(name string) (fs.File, error) {
	n.files.File(filepath.Join(n.dir, filepath.FromSlash(name)))
	return n.inner.Open(name)
}
