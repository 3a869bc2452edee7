// Package report renders a folded run or a comparison: for the terminal, for programs, for spreadsheets and for pull
// requests. The input is a fold and [Options], the output the bytes of one format, the same for a live run and for
// its replayed journal. It does not know how a run is made. engine/report/chart draws the figures of its pages.
package report

import (
	"fmt"
	"io"
	"path/filepath"

	"homellm/engine/compare"
	"homellm/engine/metrics"
	"homellm/engine/replace"
)

// Format is one form of a report on a run.
type Format struct {
	Name  string
	Doc   string
	File  string // its file in [WriteDir]; empty: it has none
	Write func(io.Writer, *metrics.Run, Options) error
	// writes several runs as one document; nil: they follow one another
	Several func(io.Writer, Several, Options) error
	Lines   bool // for people: the combined outcome of several runs may follow
	Alone   bool // a document holds one run, so several runs give several documents
}

// Formats lists every format. To add one, write a file in this package and a line here.
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

// CompareFormats lists the formats of comparisons.
var CompareFormats = []CompareFormat{
	{"table", "for the terminal", whole(compareTable)},
	{"json", "for machines: " + compareSchema, whole(compareJSON)},
	{"markdown", "the verdict first, fit for a comment on a pull request", whole(compareMarkdown)},
	{"html", "a page with the verdicts and charts of both sides; loads nothing", whole(compareHTML)},
	{"github", "annotations of a GitHub Actions step", whole(compareGitHub)},
}

// WriteDir writes every format that has a file into a results folder. Each file appears complete or not at all, and
// replaces an earlier report.
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
