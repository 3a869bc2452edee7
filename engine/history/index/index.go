// Package index finds the histories of the runs below a folder of results.
//
// In come the folder and the name of a scenario; out come its histories. What makes it quick is a database that is a
// cache: it holds nothing that the journals do not, and is made anew whenever it is missing or damaged. It judges
// nothing and shows nothing.
package index

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite" // the driver of database/sql

	"homellm/engine/event"
	"homellm/engine/history"
	"homellm/engine/metrics"
	"homellm/engine/results"
)

// Name is the file of the index, in the folder of results.
const Name = "history.sqlite"

// version changes with the tables and with what is kept in them: an index of another version is made anew.
const version = 1

const tables = `
CREATE TABLE runs (
	dir TEXT PRIMARY KEY, size INTEGER NOT NULL, modified INTEGER NOT NULL, -- of the journal, when it was read
	id TEXT NOT NULL, started TEXT NOT NULL, scenario TEXT NOT NULL, verdict TEXT NOT NULL, finished INTEGER NOT NULL
);
CREATE TABLE cells (
	dir TEXT NOT NULL REFERENCES runs ON DELETE CASCADE, cell TEXT NOT NULL, box TEXT NOT NULL,
	circumstances TEXT NOT NULL, -- JSON: what may differ between runs, by key
	figures TEXT NOT NULL,       -- JSON: the values of each repeat, by path
	PRIMARY KEY (dir, cell)
);
CREATE INDEX of_scenario ON runs (scenario, started);`

// Index is the index of a folder of results.
type Index struct {
	db   *sql.DB
	runs results.Runs
}

// Open opens the index of a folder and brings it up to date. A folder that takes no file has one in memory.
func Open(ctx context.Context, runs results.Runs) (*Index, error) {
	path := filepath.Join(runs.Dir, Name)
	x, err := open(ctx, path, runs)
	if err == nil {
		return x, nil
	}
	for _, end := range []string{"", "-journal"} { // damaged, or of another version
		if err := os.Remove(path + end); err != nil && !errors.Is(err, os.ErrNotExist) {
			return open(ctx, ":memory:", runs)
		}
	}
	if x, err = open(ctx, path, runs); err == nil {
		return x, nil
	}
	return open(ctx, ":memory:", runs)
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
	db, err := sql.Open("sqlite", path+"?_pragma=busy_timeout(10000)&_pragma=foreign_keys(1)")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1) // a database in memory belongs to its connection
	x := &Index{db, runs}
	if err := x.prepare(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if err := x.Refresh(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return x, nil
}

// Close closes the index.
func (x *Index) Close() error { return x.db.Close() }

func (x *Index) prepare(ctx context.Context) error {
	var found int
	if err := x.db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&found); err != nil {
		return err
	}
	switch found {
	case version:
		return nil
	case 0:
		_, err := x.db.ExecContext(ctx, fmt.Sprintf("BEGIN; %s; PRAGMA user_version = %d; COMMIT", tables, version))
		return err
	}
	return fmt.Errorf("the index is of version %d", found)
}

// Refresh reads the journals that are new or have grown, and forgets those that are gone.
func (x *Index) Refresh(ctx context.Context) error {
	journals, err := x.runs.Journals()
	if err != nil {
		return err
	}
	known, err := x.known(ctx)
	if err != nil {
		return err
	}
	for dir, info := range journals {
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
		if _, err := x.db.ExecContext(ctx, "DELETE FROM runs WHERE dir = ?", dir); err != nil {
			return err
		}
	}
	return nil
}

// stamp tells whether a journal is the one that was read.
type stamp struct{ size, modified int64 }

func stampOf(info os.FileInfo) stamp { return stamp{info.Size(), info.ModTime().UnixNano()} }

func (x *Index) known(ctx context.Context) (map[string]stamp, error) {
	rows, err := x.db.QueryContext(ctx, "SELECT dir, size, modified FROM runs")
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
	tx, err := x.db.BeginTx(ctx, nil)
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

// Run is a run of the folder, finished or not.
type Run struct {
	Name     string // of its folder
	ID       string
	Started  time.Time
	Scenario string
	Verdict  event.Outcome
	Finished bool
	Cells    []string // the names of those that were played to their end
}

// Runs are all runs of the folder, the newest first.
func (x *Index) Runs(ctx context.Context) ([]Run, error) {
	rows, err := x.db.QueryContext(ctx, `SELECT runs.dir, id, started, scenario, verdict, finished,
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
	rows, err := x.db.QueryContext(ctx, "SELECT DISTINCT scenario FROM runs WHERE finished ORDER BY scenario")
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
	rows, err := x.db.QueryContext(ctx, `SELECT cells.cell, cells.box, runs.dir, runs.id, runs.started, runs.verdict,
		cells.circumstances, cells.figures FROM cells JOIN runs USING (dir)
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
