// Package report renders a folded run: for the terminal, for programs, for spreadsheets and for
// pull requests.
//
// It refuses to know how a run came about. A report depends on the fold and on its [Options]
// alone, so that the report of a replayed journal equals the live one byte for byte.
package report

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"homellm/engine/metrics"
)

// Options says how a report is shown; it never changes what it says.
type Options struct {
	Width int    // columns of the terminal; 0: 100
	Color bool   // colour the verdicts; for terminals only
	Dir   string // the results folder, named in the last line; empty: not named

	// Path says how annotations name a file of the run; nil: as the run does. GitHub finds files
	// by their path in the repository, which only the caller knows.
	Path func(file string) string
}

// Format is one way to render a run.
type Format struct {
	Name  string
	Doc   string
	File  string // what [WriteDir] calls it; empty: not written there
	Write func(io.Writer, *metrics.Run, Options) error
}

// Formats lists every format. A new one is a new file of this package and one line here.
var Formats = []Format{
	{"table", "one screen for people", "", whole(table)},
	{"json", "everything, for programs; its schema is schema/result.v1.json", "result.json", whole(result)},
	{"csv", "one row a request, warm-ups and failures included", "turns.csv", whole(turnsCSV)},
	{"summary", "CSV: one row for each group and metric of a cell", "summary.csv", whole(summaryCSV)},
	{"markdown", "for pull requests and wikis", "report.md", whole(markdown)},
	{"html", "one page with charts, for browsers; loads nothing", "report.html", whole(html)},
	{"junit", "JUnit XML: one test case for each assertion", "junit.xml", whole(junit)},
	{"github", "annotations of a GitHub Actions step", "", whole(github)},
}

// whole renders into memory first and writes once: a report is written whole, or its error is
// returned.
func whole(render func(*bytes.Buffer, *metrics.Run, Options) error) func(io.Writer, *metrics.Run, Options) error {
	return func(w io.Writer, r *metrics.Run, opt Options) error {
		var b bytes.Buffer
		if err := render(&b, r, opt); err != nil {
			return err
		}
		n, err := w.Write(b.Bytes())
		if err == nil && n < b.Len() {
			err = io.ErrShortWrite
		}
		if err != nil {
			return fmt.Errorf("writing the report: %w", err)
		}
		return nil
	}
}

// WriteDir writes every format that has a file into a results folder. Each file appears whole
// or not at all; what another report left there is replaced.
func WriteDir(dir string, r *metrics.Run) error {
	for _, f := range Formats {
		if f.File == "" {
			continue
		}
		if err := writeFile(filepath.Join(dir, f.File), func(w io.Writer) error { return f.Write(w, r, Options{}) }); err != nil {
			return fmt.Errorf("writing %s: %w", f.File, err)
		}
	}
	return nil
}

// WriteFile writes a file that appears whole or not at all, in the place of an older one. It is for its owner alone:
// reports hold whole chats.
func WriteFile(path string, write func(io.Writer) error) error { return writeFile(path, write) }

func writeFile(path string, write func(io.Writer) error) (err error) {
	t, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(t.Name()))
		}
	}()
	err = errors.Join(write(t), t.Sync(), t.Close())
	if err != nil {
		return err
	}
	return os.Rename(t.Name(), path)
}
