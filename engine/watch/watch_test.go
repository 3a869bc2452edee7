package watch

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A file is noted before it is read; every way to change it is seen, and nothing else is.
func TestChanged(t *testing.T) {
	write := func(t *testing.T, path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		change func(t *testing.T, dir string)
		seen   bool
	}{
		"written":  {func(t *testing.T, dir string) { write(t, filepath.Join(dir, "a.yaml"), "changed") }, true},
		"document": {func(t *testing.T, dir string) { write(t, filepath.Join(dir, "docs", "b.md"), "changed") }, true},
		"removed":  {func(t *testing.T, dir string) { _ = os.Remove(filepath.Join(dir, "a.yaml")) }, true},
		"replaced": {func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "draft"), "changed")
			if err := os.Rename(filepath.Join(dir, "draft"), filepath.Join(dir, "a.yaml")); err != nil {
				t.Fatal(err)
			}
		}, true},
		"missing one made": {func(t *testing.T, dir string) { write(t, filepath.Join(dir, "docs", "new.md"), "new") }, true},
		"another":          {func(t *testing.T, dir string) { write(t, filepath.Join(dir, "other.yaml"), "new") }, false},
		"entry of a folder": {func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "many", "new.yaml"), "new")
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for _, sub := range []string{"docs", "many"} {
				if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			write(t, filepath.Join(dir, "a.yaml"), "a")
			write(t, filepath.Join(dir, "docs", "b.md"), "b")
			f, err := New()
			if err != nil {
				t.Skipf("files cannot be watched here: %v", err)
			}
			defer f.Close()
			f.File(filepath.Join(dir, "a.yaml"))
			documents := f.FS(dir, os.DirFS(dir))
			if _, err := fs.ReadFile(documents, "docs/b.md"); err != nil {
				t.Fatal(err)
			}
			_, _ = fs.ReadFile(documents, "docs/new.md")
			f.Folder(filepath.Join(dir, "many"), func() string {
				names, _ := filepath.Glob(filepath.Join(dir, "many", "*.yaml"))
				return strings.Join(names, "\n")
			})

			told := make(chan error, 1)
			ctx, cancel := context.WithCancel(t.Context())
			go func() { told <- f.Changed(ctx) }()
			c.change(t, dir)
			if !c.seen {
				time.AfterFunc(3*quietTime, cancel)
			}
			select {
			case err := <-told:
				if c.seen != (err == nil) || err != nil && !errors.Is(err, context.Canceled) {
					t.Errorf("it ends with %v", err)
				}
			case <-time.After(time.Minute):
				t.Error("the change is not seen")
			}
			cancel()
		})
	}
}

// A change outside of a wait, as during a run, is seen by the next wait.
func TestChanged_WhileNobodyWaited(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.yaml")
	f, err := New()
	if err != nil {
		t.Skipf("files cannot be watched here: %v", err)
	}
	defer f.Close()
	f.File(path)
	if err := os.WriteFile(path, []byte("new"), 0o644); err != nil {
		t.Fatal(err)
	}
	f.File(path) // noted again: the first state counts
	if err := f.Changed(t.Context()); err != nil {
		t.Error(err)
	}
}
