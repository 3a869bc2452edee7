// Package index finds the histories of the runs below a folder of results.
//
// The input is the folder and the name of a scenario; the output is its histories. To be quick it keeps a database as a
// cache, which holds nothing that is not in the journals and is rebuilt whenever it is missing or damaged. It judges
// nothing and shows nothing.
package index

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"modernc.org/sqlite" // the driver of database/sql
	sqlite3 "modernc.org/sqlite/lib"

	"homellm/engine/event"
	"homellm/engine/history"
	"homellm/engine/metrics"
	"homellm/engine/results"
)

// Name is the file name of the index, in the folder of results.
const Name = "history.sqlite"

// version changes with the tables and their contents: an index of another version is rebuilt.
const version = 1

const tables = `
CREATE TABLE IF NOT EXISTS runs (
	dir TEXT PRIMARY KEY, size INTEGER NOT NULL, modified INTEGER NOT NULL, -- of the journal, when it was read
	id TEXT NOT NULL, started TEXT NOT NULL, scenario TEXT NOT NULL, verdict TEXT NOT NULL, finished INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS cells (
	dir TEXT NOT NULL REFERENCES runs ON DELETE CASCADE, cell TEXT NOT NULL, box TEXT NOT NULL,
	circumstances TEXT NOT NULL, -- JSON: what may differ between runs, by key
	figures TEXT NOT NULL,       -- JSON: the values of each repeat, by path
	PRIMARY KEY (dir, cell)
);
CREATE INDEX IF NOT EXISTS of_scenario ON runs (scenario, started);`

// wait is how long an index may be busy before it is read into memory.
var wait = 10 * time.Second

// Index is the index of a folder of results.
type Index struct {
	db   atomic.Pointer[sql.DB]
	runs results.Runs
}

// Open opens the index of a folder and brings it up to date. A damaged one, or one of another version, is made anew. A
// folder that takes no file, or whose index somebody else keeps busy, has one in memory.
func Open(ctx context.Context, runs results.Runs) (*Index, error) {
	path := filepath.Join(runs.Dir, Name)
	x, err := open(ctx, path, runs)
	if err == nil {
		return x, nil
	}
	if useless(err) && remove(path) {
		if x, err = open(ctx, path, runs); err == nil {
			return x, nil
		}
	}
	return open(ctx, ":memory:", runs)
}

// errVersion says that an index has the tables of another version.
var errVersion = errors.New("the index is of another version")

// useless reports whether an error means that nothing can be made of a file. Any other error, such as that another
// process is writing it, passes.
func useless(err error) bool {
	if errors.Is(err, errVersion) {
		return true
	}
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return false
	}
	switch e.Code() & 0xff { // without the detail
	case sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return true
	}
	return false
}

// remove removes an index and what an interrupted change of it left.
func remove(path string) bool {
	for _, end := range []string{"", "-journal"} {
		if err := os.Remove(path + end); err != nil && !errors.Is(err, os.ErrNotExist) {
			return false
		}
	}
	return true
}

func open(ctx context.Context, path string, runs results.Runs) (*Index, error) {
	if path != ":memory:" { // results are for their owner alone
		f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return nil, err
		}
		if err := f.Close(); err != nil {
			return nil, err
		}
	}
	db, err := sql.Open("sqlite", fmt.Sprintf("%s?_pragma=busy_timeout(%d)&_pragma=foreign_keys(1)", path,
		wait.Milliseconds()))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1) // a database in memory belongs to its connection
	x := &Index{runs: runs}
	x.db.Store(db)
	if err := x.prepare(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if err := x.read(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return x, nil
}

// Close closes the index.
func (x *Index) Close() error { return x.db.Load().Close() }

func (x *Index) prepare(ctx context.Context) error {
	var found int
	if err := x.db.Load().QueryRowContext(ctx, "PRAGMA user_version").Scan(&found); err != nil {
		return err
	}
	switch found {
	case version:
		return nil
	case 0:
		// Another process may have made the tables in the meantime.
		_, err := x.db.Load().ExecContext(ctx, fmt.Sprintf("BEGIN IMMEDIATE; %s; PRAGMA user_version = %d; COMMIT", tables,
			version))
		return err
	}
	return errVersion
}

// Refresh brings the index up to date. If its file was removed or replaced, or takes nothing any more, the index is
// opened anew.
func (x *Index) Refresh(ctx context.Context) error {
	err := x.read(ctx)
	if err == nil || ctx.Err() != nil {
		return err
	}
	again, failed := Open(ctx, x.runs)
	if failed != nil {
		return err
	}
	old := x.db.Swap(again.db.Load())
	return old.Close()
}

// read reads the journals that are new or have grown, and drops those that were deleted.
func (x *Index) read(ctx context.Context) error {
	journals, err := x.runs.Journals()
	if err != nil {
		return err
	}
	known, err := x.known(ctx)
	if err != nil {
		return err
	}
	for _, dir := range slices.Sorted(maps.Keys(journals)) {
		info := journals[dir]
		if k, ok := known[dir]; ok && k == stampOf(info) {
			delete(known, dir)
			continue
		}
		delete(known, dir)
		_, fold, err := results.Read(filepath.Join(x.runs.Dir, dir))
		if err != nil {
			x.runs.Skipped(err)
			continue
		}
		if err := x.add(ctx, dir, stampOf(info), fold); err != nil {
			return err
		}
	}
	for dir := range known {
		if _, err := x.db.Load().ExecContext(ctx, "DELETE FROM runs WHERE dir = ?", dir); err != nil {
			return err
		}
	}
	return nil
}

// stamp tells whether a journal is the one that was read.
type stamp struct{ size, modified int64 }

func stampOf(info os.FileInfo) stamp { return stamp{info.Size(), info.ModTime().UnixNano()} }

func (x *Index) known(ctx context.Context) (map[string]stamp, error) {
	rows, err := x.db.Load().QueryContext(ctx, "SELECT dir, size, modified FROM runs")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[string]stamp{}
	for rows.Next() {
		var dir string
		var s stamp
		if err := rows.Scan(&dir, &s.size, &s.modified); err != nil {
			return nil, err
		}
		out[dir] = s
	}
	return out, rows.Err()
}

// add puts a run into the index, in place of what it held of it.
func (x *Index) add(ctx context.Context, dir string, s stamp, fold *metrics.Run) error {
	tx, err := x.db.Load().BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // it has been committed, or nothing was changed
	verdict, _, _ := fold.Outcome()
	if _, err := tx.ExecContext(ctx, "DELETE FROM runs WHERE dir = ?", dir); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?)", dir, s.size, s.modified,
		fold.Started.ID, fold.Started.Started.UTC().Format(time.RFC3339Nano), fold.Started.Scenario.Name, string(verdict),
		fold.Done != nil); err != nil {
		return err
	}
	for _, c := range fold.Cells {
		if !history.Counts(c) {
			continue
		}
		kept := history.RunOf(dir, c)
		circumstances, err := json.Marshal(kept.Circumstances)
		if err != nil {
			return err
		}
		figures, err := json.Marshal(kept.Figures)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "INSERT OR REPLACE INTO cells VALUES (?, ?, ?, ?, ?)", dir, c.Name(),
			history.Box(kept.Circumstances), circumstances, figures); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// Run is a run in the folder, finished or not.
type Run struct {
	Name     string // of its folder
	ID       string
	Started  time.Time
	Scenario string
	Verdict  event.Outcome
	Finished bool
	Cells    []string // the names of those that were played to the end
}

// Runs returns all runs in the folder, the newest first.
func (x *Index) Runs(ctx context.Context) ([]Run, error) {
	rows, err := x.db.Load().QueryContext(ctx, `SELECT runs.dir, id, started, scenario, verdict, finished,
		(SELECT json_group_array(cell) FROM cells WHERE cells.dir = runs.dir) FROM runs ORDER BY started DESC, runs.dir DESC`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Run
	for rows.Next() {
		var started, verdict, cells string
		var r Run
		if err := rows.Scan(&r.Name, &r.ID, &started, &r.Scenario, &verdict, &r.Finished, &cells); err != nil {
			return nil, err
		}
		r.Verdict = event.Outcome(verdict)
		if r.Started, err = time.Parse(time.RFC3339Nano, started); err != nil {
			return nil, err
		}
		if err := json.Unmarshal([]byte(cells), &r.Cells); err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, rows.Err()
}

// Scenarios are the names of the scenarios of which there are finished runs.
func (x *Index) Scenarios(ctx context.Context) ([]string, error) {
	rows, err := x.db.Load().QueryContext(ctx, "SELECT DISTINCT scenario FROM runs WHERE finished ORDER BY scenario")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		out = append(out, name)
	}
	return out, rows.Err()
}

// Of are the histories of a scenario: of each cell on each machine.
func (x *Index) Of(ctx context.Context, scenario string) ([]history.History, error) {
	rows, err := x.db.Load().QueryContext(ctx, `SELECT cells.cell, cells.box, runs.dir, runs.id, runs.started,
		runs.verdict, cells.circumstances, cells.figures FROM cells JOIN runs USING (dir)
		WHERE runs.scenario = ? AND runs.finished ORDER BY cells.cell, cells.box, runs.started, runs.dir`, scenario)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []history.History
	for rows.Next() {
		var cell, box, started, verdict string
		var circumstances, figures []byte
		r := history.Run{}
		if err := rows.Scan(&cell, &box, &r.Name, &r.ID, &started, &verdict, &circumstances, &figures); err != nil {
			return nil, err
		}
		r.Verdict = event.Outcome(verdict)
		if r.Started, err = time.Parse(time.RFC3339Nano, started); err != nil {
			return nil, err
		}
		if err := errors.Join(json.Unmarshal(circumstances, &r.Circumstances),
			json.Unmarshal(figures, &r.Figures)); err != nil {
			return nil, err
		}
		if n := len(out); n == 0 || out[n-1].Cell != cell || out[n-1].Box != box {
			out = append(out, history.History{Scenario: scenario, Cell: cell, Box: box})
		}
		h := &out[len(out)-1]
		h.Runs = append(h.Runs, r)
	}
	return out, rows.Err()
}
