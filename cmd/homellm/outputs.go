package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"homellm/dsl/syntax"
	"homellm/engine/exit"
	"homellm/engine/metrics"
	"homellm/engine/replace"
	"homellm/engine/report"
	"homellm/engine/secret"
)

// outputFlags ask for reports outside of the results folder.
type outputFlags struct {
	reports     []string
	annotations string
}

func (o *outputFlags) add(c *cobra.Command) {
	c.Flags().
		StringArrayVar(&o.reports, "report", nil,
			"FORMAT=PATH: write a report there as well, such as junit=junit.xml; may be given several times")
	c.Flags().
		StringVar(&o.annotations, "annotations", "auto",
			"auto: annotate the pull request and its step summary when GITHUB_ACTIONS=true; off: never")
}

// outputs collects the runs of one command line and writes what was asked for at its end: one
// JUnit file holds all of them, and GitHub's limit of annotations counts for all of them.
type outputs struct {
	process  process
	targets  []reportTarget
	annotate bool
	summary  string // GitHub's file for the step's summary; empty: none
	runs     []playedRun
}

type playedRun struct {
	fold *metrics.Run
	dir  string
}

// reportTarget is one --report FORMAT=PATH.
type reportTarget struct{ name, path string }

// targets reads the --report flags and checks them against the formats.
func (o outputFlags) targets(formats []string) ([]reportTarget, error) {
	var out []reportTarget
	for _, r := range o.reports {
		name, path, ok := strings.Cut(r, "=")
		if !ok || path == "" {
			return nil, exit.Errorf(
				exit.Usage,
				"write --report FORMAT=PATH, such as --report "+formats[0]+"=report.txt",
				"--report %q names no file",
				r,
			)
		}
		if !slices.Contains(formats, name) {
			return nil, exit.Errorf(exit.Usage, "formats: "+strings.Join(formats, ", "), "unknown format %q", name)
		}
		if slices.ContainsFunc(out, func(t reportTarget) bool { return filepath.Clean(t.path) == filepath.Clean(path) }) {
			return nil, exit.Errorf(exit.Usage, "", "two reports would be written to %s", path)
		}
		out = append(out, reportTarget{name, path})
	}
	return out, nil
}

// annotated says whether a pull request is annotated, and where its step's summary goes.
func (o outputFlags) annotated(p process) (annotate bool, summary string, err error) {
	switch o.annotations {
	case "auto":
		annotate = p.getenv("GITHUB_ACTIONS") == "true"
	case "off":
	default:
		return false, "", exit.Errorf(exit.Usage, "auto or off", "--annotations=%s is not known", o.annotations)
	}
	if annotate {
		summary = p.getenv("GITHUB_STEP_SUMMARY")
	}
	return annotate, summary, nil
}

// open checks the flags before anything is sent.
func (o outputFlags) open(p process) (*outputs, error) {
	out := &outputs{process: p}
	var err error
	if out.targets, err = o.targets(formatNames()); err != nil {
		return nil, err
	}
	out.annotate, out.summary, err = o.annotated(p)
	return out, err
}

// played adds a run before it is played, so that one that breaks off is reported too.
func (o *outputs) played(fold *metrics.Run, dir string) {
	if o != nil {
		o.runs = append(o.runs, playedRun{fold, dir})
	}
}

// finish writes the reports. A report that cannot be written changes no verdict: the results are
// in their folder, and the error names both.
func (o *outputs) finish(err error, args []string) error {
	var broken []report.Broken
	if err != nil && len(o.runs) == 0 {
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
	for _, r := range o.runs {
		verdict, _, _ := r.fold.Outcome()
		hint = append(
			hint,
			fmt.Sprintf("the verdict stands: %s; the results are in %s", strings.ToUpper(string(verdict)), r.dir),
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

// write writes one report. JUnit holds every run; of the other formats each run has its own file.
// If nothing was played, for the reason err, the formats of a pull request say why.
func (o *outputs) write(t reportTarget, broken []report.Broken, err error) error {
	if len(o.runs) == 0 {
		switch t.name {
		case "github":
			return writeOutput(t.path, func(w io.Writer) error { return o.badFiles(err).WriteGitHub(w) })
		case "markdown":
			return writeOutput(t.path, func(w io.Writer) error { return report.BrokenMarkdown(w, broken) })
		}
	}
	format, ferr := formatNamed(t.name)
	if ferr != nil {
		return ferr
	}
	if t.name == "junit" {
		var runs []*metrics.Run
		for _, r := range o.runs {
			runs = append(runs, r.fold)
		}
		return writeOutput(t.path, func(w io.Writer) error { return report.JUnit(w, runs, broken) })
	}
	used := map[string]int{}
	for _, r := range o.runs {
		path := t.path
		if len(o.runs) > 1 {
			name := r.fold.Started.Scenario.Name
			used[name]++
			if used[name] > 1 {
				name += fmt.Sprintf("-%d", used[name])
			}
			ext := filepath.Ext(path)
			path = strings.TrimSuffix(path, ext) + "-" + name + ext
		}
		write := func(w io.Writer) error { return format.Write(w, r.fold, o.options(r.dir)) }
		if err := writeOutput(path, write); err != nil {
			return err
		}
	}
	return nil
}

// writeOutput writes a file whole or not at all, in the place of an older one. What is not a
// regular file, such as a link, a pipe or /dev/stderr, is written through instead of replaced.
func writeOutput(path string, unmasked func(io.Writer) error) error {
	write := func(w io.Writer) error {
		m := secret.NewWriter(w)
		return errors.Join(unmasked(m), m.Close())
	}
	info, err := os.Lstat(path)
	if err == nil && info.IsDir() {
		return errors.New("it is a folder")
	}
	if err == nil && !info.Mode().IsRegular() {
		how := os.O_WRONLY | os.O_TRUNC
		if strings.HasPrefix(filepath.Clean(path), "/dev/") || strings.HasPrefix(filepath.Clean(path), "/proc/") {
			how = os.O_WRONLY | os.O_APPEND // a log that others write to
		}
		f, err := os.OpenFile(path, how, 0)
		if err != nil {
			return err
		}
		return errors.Join(write(f), f.Close())
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return replace.File(path, write)
}

func (o *outputs) options(dir string) report.Options {
	return report.Options{Dir: dir, Path: o.process.repositoryPath}
}

// badFiles are the findings that kept everything from being played, by the paths of the repository.
func (o *outputs) badFiles(err error) syntax.Diagnostics {
	var bad syntax.Diagnostics
	if !errors.As(err, &bad) {
		return nil
	}
	bad = slices.Clone(bad)
	for i := range bad {
		bad[i].Pos.File = o.process.repositoryPath(bad[i].Pos.File)
	}
	return bad
}

// summaryLimit is what GitHub takes as the summary of a step.
const summaryLimit = 1 << 20

// annotations writes workflow commands to stderr, which GitHub reads like stdout and which is not
// piped into programs, and appends the Markdown report to the step's summary.
func (o *outputs) annotations(broken []report.Broken, err error) error {
	if len(o.runs) == 0 {
		werr := o.badFiles(err).WriteGitHub(o.process.stderr)
		if len(broken) > 0 && o.summary != "" {
			werr = errors.Join(
				werr,
				appendSummary(o.summary, "error", func(w io.Writer) error { return report.BrokenMarkdown(w, broken) }),
			)
		}
		return werr
	}
	var runs []*metrics.Run
	for _, r := range o.runs {
		runs = append(runs, r.fold)
	}
	if err := report.Annotations(o.process.stderr, o.options(""), runs...); err != nil {
		return err
	}
	if o.summary == "" {
		return nil
	}
	for _, r := range o.runs {
		verdict, _, _ := r.fold.Outcome()
		if err := appendSummary(o.summary, string(verdict), func(w io.Writer) error {
			format, ferr := formatNamed("markdown")
			return errors.Join(ferr, format.Write(w, r.fold, report.Options{}))
		}); err != nil {
			return err
		}
	}
	return nil
}

// appendSummary adds a report to the summary of a step. What would not fit is left out whole, and
// said: GitHub refuses a summary that is too long altogether.
func appendSummary(path, verdict string, write func(io.Writer) error) error {
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return err
	}
	b.WriteByte('\n')
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	room := summaryLimit
	if info, err := f.Stat(); err == nil {
		room -= int(info.Size())
	}
	if b.Len() > room-200 {
		b.Reset()
		fmt.Fprintf(
			&b,
			"## %s\n\nThe report is too long for a summary: see report.md in the results folder.\n\n",
			strings.ToUpper(verdict),
		)
	}
	_, err = f.Write(b.Bytes())
	return errors.Join(err, f.Close())
}
