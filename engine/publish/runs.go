package publish

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"homellm/dsl/syntax"
	"homellm/engine/exit"
	"homellm/engine/metrics"
	"homellm/engine/report"
)

// Runs collects the runs of one command line and writes the requested outputs at its end: one JUnit file holds all of
// them, and GitHub's limit of annotations applies to all of them together.
type Runs struct {
	outlets
	Played []Run
}

// Run is a run and its folder.
type Run struct {
	Fold *metrics.Run
	Dir  string
}

// Runs checks the requested outputs before anything is sent.
func (a Asked) Runs(p Place) (*Runs, error) {
	o, err := a.outlets(p, Names())
	return &Runs{outlets: o}, err
}

// Add adds a run before it is played, so that an interrupted one is reported too.
func (o *Runs) Add(fold *metrics.Run, dir string) {
	if o != nil {
		o.Played = append(o.Played, Run{fold, dir})
	}
}

// Finish writes the reports. A report that cannot be written changes no verdict: the results are in their folder, and
// the error names both.
func (o *Runs) Finish(err error, args []string) error {
	var broken []report.Broken
	if err != nil && len(o.Played) == 0 {
		broken = brokenFiles(err, args)
	}
	var failed []error
	for _, t := range o.targets {
		if werr := o.write(t, broken, err); werr != nil {
			failed = append(failed, fmt.Errorf("writing the %s report %s: %w", t.name, t.path, werr))
		}
	}
	if o.annotate {
		if werr := o.annotations(broken, err); werr != nil {
			failed = append(failed, fmt.Errorf("annotating: %w", werr))
		}
	}
	if len(failed) == 0 {
		return err
	}
	var hint []string
	for _, r := range o.Played {
		verdict, _, _ := r.Fold.Outcome()
		hint = append(
			hint,
			fmt.Sprintf("the verdict stands: %s; the results are in %s", strings.ToUpper(string(verdict)), r.Dir),
		)
	}
	var bad syntax.Diagnostics
	if errors.As(err, &bad) || err != nil && err.Error() != "" {
		failed = append(failed, err)
	}
	code := exit.Environment
	if f, ok := errors.AsType[*exit.Failure](err); ok {
		code = exit.Worst(code, f.Code) // an interrupted run stays one
	}
	return exit.Errorf(code, strings.Join(hint, "\nhomellm: hint: "), "%w", errors.Join(failed...))
}

// brokenFiles says for each file why it could not be played.
func brokenFiles(err error, args []string) []report.Broken {
	var all syntax.Diagnostics
	if !errors.As(err, &all) {
		return []report.Broken{{File: strings.Join(args, " "), Message: "nothing could be played", Text: err.Error()}}
	}
	var out []report.Broken
	for _, d := range all {
		if d.Severity != syntax.Error ||
			slices.ContainsFunc(out, func(b report.Broken) bool { return b.File == d.Pos.File }) {
			continue
		}
		of := slices.DeleteFunc(slices.Clone(all), func(o syntax.Diagnostic) bool { return o.Pos.File != d.Pos.File })
		out = append(out, report.Broken{File: d.Pos.File, Message: "the file is invalid", Text: of.Error()})
	}
	return out
}

// write writes one report. JUnit holds every run; in other formats each run has a file. If nothing was played because
// of err, the formats for pull requests say so.
func (o *Runs) write(t target, broken []report.Broken, err error) error {
	if len(o.Played) == 0 {
		switch t.name {
		case "github":
			return writeFile(t.path, func(w io.Writer) error { return o.badFiles(err).WriteGitHub(w) })
		case "markdown":
			return writeFile(t.path, func(w io.Writer) error { return report.BrokenMarkdown(w, broken) })
		}
	}
	format, ferr := Named(t.name)
	if ferr != nil {
		return ferr
	}
	if t.name == "junit" {
		var runs []*metrics.Run
		for _, r := range o.Played {
			runs = append(runs, r.Fold)
		}
		return writeFile(t.path, func(w io.Writer) error { return report.JUnit(w, runs, broken) })
	}
	used := map[string]int{}
	for _, r := range o.Played {
		path := t.path
		if len(o.Played) > 1 {
			name := r.Fold.Started.Scenario.Name
			used[name]++
			if used[name] > 1 {
				name += fmt.Sprintf("-%d", used[name])
			}
			ext := filepath.Ext(path)
			path = strings.TrimSuffix(path, ext) + "-" + name + ext
		}
		write := func(w io.Writer) error { return format.Write(w, r.Fold, report.Options{Dir: r.Dir, Path: o.path}) }
		if err := writeFile(path, write); err != nil {
			return err
		}
	}
	return nil
}

// badFiles are the findings that prevented everything from being played, with paths in the repository.
func (o *Runs) badFiles(err error) syntax.Diagnostics {
	var bad syntax.Diagnostics
	if !errors.As(err, &bad) {
		return nil
	}
	bad = slices.Clone(bad)
	for i := range bad {
		bad[i].Pos.File = o.path(bad[i].Pos.File)
	}
	return bad
}

// annotations writes workflow commands to stderr, which GitHub reads like stdout and which is not piped into
// programs, and appends the Markdown report to the step's summary.
func (o *Runs) annotations(broken []report.Broken, err error) error {
	if len(o.Played) == 0 {
		werr := o.badFiles(err).WriteGitHub(o.Stderr)
		if len(broken) > 0 && o.summary != "" {
			werr = errors.Join(
				werr,
				appendSummary(o.summary, "error", func(w io.Writer) error { return report.BrokenMarkdown(w, broken) }),
			)
		}
		return werr
	}
	var runs []*metrics.Run
	for _, r := range o.Played {
		runs = append(runs, r.Fold)
	}
	if err := report.Annotations(o.Stderr, report.Options{Path: o.path}, runs...); err != nil {
		return err
	}
	if o.summary == "" {
		return nil
	}
	for _, r := range o.Played {
		verdict, _, _ := r.Fold.Outcome()
		if err := appendSummary(o.summary, string(verdict), func(w io.Writer) error {
			format, ferr := Named("markdown")
			return errors.Join(ferr, format.Write(w, r.Fold, report.Options{}))
		}); err != nil {
			return err
		}
	}
	return nil
}
