package publish

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"homellm/engine/compare"
	"homellm/engine/exit"
	"homellm/engine/replace"
	"homellm/engine/report"
)

// Comparison is where a comparison goes.
type Comparison struct {
	outlets
	format report.CompareFormat
}

// Comparison checks the requested outputs before anything is read or sent.
func (a Asked) Comparison(p Place, format string) (*Comparison, error) {
	f, err := comparisonNamed(format)
	if err != nil {
		return nil, err
	}
	o, err := a.outlets(p, ComparisonNames())
	return &Comparison{outlets: o, format: f}, err
}

// Conclude writes a comparison in every requested form, and turns its outcome into the exit code. A report that
// cannot be written changes no verdict: it goes to another folder, which is named.
func (o *Comparison) Conclude(c compare.Comparison) error {
	if err := o.format.Write(o.Stdout, c, o.Shown); err != nil {
		return exit.Errorf(exit.Environment, "", "printing the comparison: %w", err)
	}
	verdict, code, _ := c.Outcome()
	opt := report.Options{Path: o.path}
	var failed []error
	hints := []string{"the verdict stands: " + strings.ToUpper(string(verdict))}
	for _, t := range o.targets {
		format, err := comparisonNamed(t.name)
		if err != nil {
			return err
		}
		write := func(w io.Writer) error { return format.Write(w, c, opt) }
		if err := writeFile(t.path, write); err != nil {
			failed = append(failed, fmt.Errorf("writing the %s report %s: %w", t.name, t.path, err))
			if kept, err := keptElsewhere(filepath.Base(t.path), write); err == nil {
				hints = append(hints, "the report is in "+kept)
			}
		}
	}
	if o.annotate {
		format, err := comparisonNamed("github")
		if err == nil {
			err = format.Write(o.Stderr, c, opt)
		}
		if err == nil && o.summary != "" {
			err = appendSummary(o.summary, string(verdict), func(w io.Writer) error {
				markdown, ferr := comparisonNamed("markdown")
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

// keptElsewhere writes a report to a new folder for temporary files.
func keptElsewhere(name string, write func(io.Writer) error) (string, error) {
	dir, err := os.MkdirTemp("", "homellm-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, name)
	return path, replace.File(path, write)
}
