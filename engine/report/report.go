// Package report renders a folded run or a comparison: for the terminal, for programs, for spreadsheets and for pull
// requests. A fold and [Options] come in, the bytes of one format go out: those of a replayed journal equal the
// live ones.
// It refuses to know how a run came about. engine/report/chart draws the figures of its pages.
package report

import (
	"fmt"
	"io"
	"path/filepath"

	"homellm/engine/compare"
	"homellm/engine/metrics"
	"homellm/engine/replace"
)

// Format is one way to render a run.
type Format struct {
	Name  string
	Doc   string
	File  string // what [WriteDir] calls it; empty: not written there
	Write func(io.Writer, *metrics.Run, Options) error
	// writes several runs as one document; nil: they stand one below the other
	Several func(io.Writer, Several, Options) error
	Lines   bool // it is read by people: the line that several runs come to may stand below it
	Alone   bool // a document is of one run, and several would be several documents
}

// Formats lists every format. A new one is a new file of this package and one line here.
var Formats = []Format{
	{"table", "one screen for people", "", whole(table), nil, true, false},
	{"json", "everything, for programs: schema/result.v1.json, of several scenarios schema/results.v1.json",
		"result.json", streamed(result), whole(severalJSON), false, false},
	{"csv", "one row a request, warm-ups and failures included", "turns.csv", streamed(turnsCSV),
		whole(severalTables(turnsCSV)), false, false},
	{"summary", "CSV: one row for each group and metric of a cell", "summary.csv", streamed(summaryCSV),
		whole(severalTables(summaryCSV)), false, false},
	{"markdown", "for pull requests and wikis", "report.md", whole(markdown), nil, true, false},
	{"html", "one page with charts, for browsers; loads nothing", "report.html", whole(html), nil, false, true},
	{"junit", "JUnit XML: one test case for each assertion", "junit.xml", whole(junit), whole(severalJUnit),
		false, false},
	{"github", "annotations of a GitHub Actions step", "", whole(github), nil, false, false},
}

// CompareFormat renders a comparison.
type CompareFormat struct {
	Name, Doc string
	Write     func(io.Writer, compare.Comparison, Options) error
}

// CompareFormats lists how a comparison can be shown.
var CompareFormats = []CompareFormat{
	{"table", "for the terminal", whole(compareTable)},
	{"json", "for machines: " + compareSchema, whole(compareJSON)},
	{"markdown", "the verdict first, fit for a comment on a pull request", whole(compareMarkdown)},
	{"html", "a page with the verdicts and charts of both sides; loads nothing", whole(compareHTML)},
	{"github", "annotations of a GitHub Actions step", whole(compareGitHub)},
}

// WriteDir writes every format that has a file into a results folder. Each file appears whole
// or not at all; what another report left there is replaced.
func WriteDir(dir string, r *metrics.Run) error {
	for _, f := range Formats {
		if f.File == "" {
			continue
		}
		if err := replace.File(filepath.Join(dir, f.File),
			func(w io.Writer) error { return f.Write(w, r, Options{}) }); err != nil {
			return fmt.Errorf("writing %s: %w", f.File, err)
		}
	}
	return nil
}
