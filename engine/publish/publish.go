// Package publish writes the reports of a command line to their destinations: into files, as annotations of a pull
// request, into the summary of its step.
//
// The input is the requested outputs and, at the end, what was played or compared; the output is complete files.
// engine/report decides what a report looks like. A report that cannot be written changes no verdict.
package publish

import (
	"io"
	"path/filepath"
	"slices"
	"strings"

	"homellm/engine/exit"
	"homellm/engine/report"
)

// Asked is the requested reports, besides those of the results folder.
type Asked struct {
	Reports     []string // FORMAT=PATH
	Annotations string   // auto or off
}

// Place is where the output of a command line goes.
type Place struct {
	Stdout, Stderr io.Writer
	Getenv         func(string) string
	Shown          report.Options // how stdout shows reports
}

// outlets are the requested outputs, checked before anything is sent.
type outlets struct {
	Place
	targets  []target
	annotate bool
	summary  string // GitHub's file for the step's summary; empty: none
}

func (a Asked) outlets(p Place, formats []string) (outlets, error) {
	out := outlets{Place: p}
	var err error
	if out.targets, err = a.targets(formats); err != nil {
		return out, err
	}
	out.annotate, out.summary, err = a.annotated(p.Getenv)
	return out, err
}

// target is one --report FORMAT=PATH.
type target struct{ name, path string }

// targets reads the --report flags and checks them against the formats.
func (a Asked) targets(formats []string) ([]target, error) {
	var out []target
	for _, r := range a.Reports {
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
		if slices.ContainsFunc(out, func(t target) bool { return filepath.Clean(t.path) == filepath.Clean(path) }) {
			return nil, exit.Errorf(exit.Usage, "", "two reports would be written to %s", path)
		}
		out = append(out, target{name, path})
	}
	return out, nil
}

// annotated says whether a pull request is annotated, and where its step's summary is.
func (a Asked) annotated(getenv func(string) string) (annotate bool, summary string, err error) {
	switch a.Annotations {
	case "auto":
		annotate = getenv("GITHUB_ACTIONS") == "true"
	case "off":
	default:
		return false, "", exit.Errorf(exit.Usage, "auto or off", "--annotations=%s is not known", a.Annotations)
	}
	if annotate {
		summary = getenv("GITHUB_STEP_SUMMARY")
	}
	return annotate, summary, nil
}

// path is the path of a file in the repository that GitHub checked out.
func (p Place) path(file string) string {
	workspace := p.Getenv("GITHUB_WORKSPACE")
	if workspace == "" || filepath.IsAbs(file) && !strings.HasPrefix(file, workspace+"/") {
		return filepath.ToSlash(file)
	}
	abs, err := filepath.Abs(file)
	if err != nil {
		return filepath.ToSlash(file)
	}
	rel, err := filepath.Rel(workspace, abs)
	if err != nil || strings.HasPrefix(rel, "..") {
		return filepath.ToSlash(file)
	}
	return filepath.ToSlash(rel)
}
