package index

import (
	"database/sql"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"homellm/engine/results"
)

// held opens the index of a folder as it is in its file, and counts its runs.
func held(t *testing.T, dir string) (runs int) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, Name))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRowContext(t.Context(), "SELECT count(*) FROM runs").Scan(&runs); err != nil {
		t.Fatal(err)
	}
	return runs
}

// TestOpen_ByManyAtOnce opens one folder many times at once: each sees all runs, and the file holds them all.
func TestOpen_ByManyAtOnce(t *testing.T) {
	const runs, readers = 6, 8
	for range 2 {
		dir := t.TempDir()
		for i := range runs {
			write(t, dir, i, "550", 100*time.Millisecond)
		}
		var all sync.WaitGroup
		var begin sync.WaitGroup
		begin.Add(1)
		for range readers {
			all.Go(func() {
				begin.Wait()
				x, err := Open(t.Context(), results.Runs{Dir: dir, Skipped: func(err error) { t.Error(err) }})
				if err != nil {
					t.Error(err)
					return
				}
				defer x.Close()
				if found, err := x.Runs(t.Context()); err != nil || len(found) != runs {
					t.Errorf("%d runs, %v", len(found), err)
				}
			})
		}
		begin.Done()
		all.Wait()
		if n := held(t, dir); n != runs {
			t.Errorf("the file holds %d runs, not %d", n, runs)
		}
	}
}

// TestOpen_LeavesABusyIndex does not remove an index that somebody else is writing.
func TestOpen_LeavesABusyIndex(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, 0, "550", 100*time.Millisecond)
	opened(t, dir)
	before, err := os.Stat(filepath.Join(dir, Name))
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", filepath.Join(dir, Name))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(t.Context(), "BEGIN EXCLUSIVE"); err != nil {
		t.Fatal(err)
	}
	defer func(before time.Duration) { wait = before }(wait)
	wait = time.Millisecond
	write(t, dir, 1, "550", 100*time.Millisecond)
	if all := opened(t, dir); len(all) != 1 || len(all[0].Runs) != 2 {
		t.Errorf("while another is writing: %+v", all)
	}
	if after, err := os.Stat(filepath.Join(dir, Name)); err != nil || !os.SameFile(before, after) {
		t.Errorf("the index of another was replaced: %v", err)
	}
}

// TestRefresh_WithoutItsFile: an index that is open goes on when its file is removed, and when nothing can take its
// place.
func TestRefresh_WithoutItsFile(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, 0, "550", 100*time.Millisecond)
	x, err := Open(t.Context(), results.Runs{Dir: dir, Skipped: func(err error) { t.Error(err) }})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = x.Close() }()
	path := filepath.Join(dir, Name)
	for i, after := range []func() error{
		func() error { return nil },
		func() error { return os.WriteFile(path, []byte("no database"), 0o600) },
		func() error { return os.MkdirAll(filepath.Join(path, "in the way"), 0o700) },
	} {
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
		if err := after(); err != nil {
			t.Fatal(err)
		}
		write(t, dir, i+1, "550", 100*time.Millisecond)
		if err := x.Refresh(t.Context()); err != nil {
			t.Fatal(i, err)
		}
		if all, err := x.Runs(t.Context()); err != nil || len(all) != i+2 {
			t.Errorf("%d: %d runs, %v", i, len(all), err)
		}
	}
}
