package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"homellm/engine/compare"
	"homellm/engine/exit"
	"homellm/engine/replace"
	"homellm/engine/report"
)

// compareOutputFlags say how a comparison is shown.
type compareOutputFlags struct {
	format string
	outputFlags
}

func (f *compareOutputFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.format, "format", "table", "what to print: "+strings.Join(compareFormatNames(), ", "))
	f.outputFlags.add(c)
}

// compareOutputs is where a comparison goes.
type compareOutputs struct {
	process  process
	format   report.CompareFormat
	targets  []reportTarget
	annotate bool
	summary  string
}

// open checks the flags before anything is read or sent.
func (f compareOutputFlags) open(p process) (*compareOutputs, error) {
	out := &compareOutputs{process: p}
	var err error
	if out.format, err = compareFormatNamed(f.format); err != nil {
		return nil, err
	}
	if out.targets, err = f.targets(compareFormatNames()); err != nil {
		return nil, err
	}
	out.annotate, out.summary, err = f.annotated(p)
	return out, err
}

// conclude shows a comparison in every way that was asked for, and turns its outcome into the exit
// code. A report that cannot be written changes no verdict: it is kept elsewhere, and named.
func (o *compareOutputs) conclude(c compare.Comparison) error {
	if err := o.format.Write(o.process.stdout, c, o.process.reportOptions("")); err != nil {
		return exit.Errorf(exit.Environment, "", "printing the comparison: %w", err)
	}
	verdict, code, _ := c.Outcome()
	opt := report.Options{Path: o.process.repositoryPath}
	var failed []error
	hints := []string{"the verdict stands: " + strings.ToUpper(string(verdict))}
	for _, t := range o.targets {
		format, err := compareFormatNamed(t.name)
		if err != nil {
			return err
		}
		write := func(w io.Writer) error { return format.Write(w, c, opt) }
		if err := writeOutput(t.path, write); err != nil {
			failed = append(failed, fmt.Errorf("writing the %s report %s: %w", t.name, t.path, err))
			if kept, err := keptElsewhere(filepath.Base(t.path), write); err == nil {
				hints = append(hints, "the report is in "+kept)
			}
		}
	}
	if o.annotate {
		format, err := compareFormatNamed("github")
		if err == nil {
			err = format.Write(o.process.stderr, c, opt)
		}
		if err == nil && o.summary != "" {
			err = appendSummary(o.summary, string(verdict), func(w io.Writer) error {
				markdown, ferr := compareFormatNamed("markdown")
				return errors.Join(ferr, markdown.Write(w, c, report.Options{}))
			})
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("annotating: %w", err))
		}
	}
	switch {
	case len(failed) > 0:
		return exit.Errorf(exit.Environment, strings.Join(hints, "\nhomellm: hint: "), "%w", errors.Join(failed...))
	case code != exit.Pass:
		return exit.With(code)
	}
	return nil
}

// keptElsewhere writes a report to a new folder for temporary files, where there is room for one.
func keptElsewhere(name string, write func(io.Writer) error) (string, error) {
	dir, err := os.MkdirTemp("", "homellm-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, name)
	return path, replace.File(path, write)
}
