// Package watch waits until one of the files that a run was made of is no longer what it was.
//
// The input is the paths of files and what they hold, noted before they are read; the output is that one has changed.
// It reads no file and knows nothing of what is in them.
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

// settled is how long nothing must have happened to a file before it is read: editors write in several steps.
const settled = 200 * time.Millisecond

// Files are files and what they were when they were noted.
type Files struct {
	mu      sync.Mutex
	seen    map[string]string
	look    map[string]func() string
	notices *fsnotify.Watcher
}

// New watches nothing yet.
func New() (*Files, error) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watching files: %w", err)
	}
	return &Files{seen: map[string]string{}, look: map[string]func() string{}, notices: w}, nil
}

// Close ends the watching.
func (f *Files) Close() error { return f.notices.Close() }

// Forget starts a new set of files.
func (f *Files) Forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen, f.look = map[string]string{}, map[string]func() string{}
}

// File notes a file as it is now. Note it before it is read, so that no change is lost. It need not exist.
func (f *Files) File(path string) {
	f.note(filepath.Dir(path), path, func() string { return stateOf(path) })
}

// Folder notes what is in a folder, by a function that says so.
func (f *Files) Folder(path string, holds func() string) { f.note(path, path, holds) }

func (f *Files) note(folder, name string, look func() string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.seen[name]; ok {
		return // the first look is from before it was read
	}
	f.seen[name], f.look[name] = look(), look
	// Its folder is watched: an editor may put a new file in its place. A folder that cannot be watched is still looked
	// at whenever another one tells of something.
	_ = f.notices.Add(folder)
}

// stateOf changes with every change of a file.
func stateOf(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return "none"
	}
	return fmt.Sprint(info.ModTime().UnixNano(), info.Size(), info.Mode()&fs.ModeType)
}

// Changed waits until a file is not what it was when it was noted and nothing more happens. The error is that of the
// context, or of the watching.
func (f *Files) Changed(ctx context.Context) error {
	quiet := time.NewTimer(0) // what happened before this call is seen at once
	defer quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case _, ok := <-f.notices.Events:
			if !ok {
				return fsnotify.ErrClosed
			}
			quiet.Reset(settled)
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

// FS is a folder that notes every file which is opened in it; dir is its path.
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
