package report

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"strings"

	"homellm/engine/event"
	"homellm/engine/exit"
	"homellm/engine/metrics"
)

// perSeverity is how many annotations of one severity GitHub shows per step.
const perSeverity = 10

// GitHub's runner cuts longer messages off, even inside a character, and rejects longer titles. Both limits count the
// text before escaping.
const (
	annotationMessage = 4000 // bytes
	annotationTitle   = 200
)

// annotation is one workflow command.
type annotation struct {
	severity     string // error | warning | notice
	file         string
	line, column int
	title        string
	lines        []string
}

// Annotations writes workflow commands for all runs of one step, because GitHub's limit applies to the step. The
// lines must be in the log of the step, on stdout or stderr.
func Annotations(w io.Writer, opt Options, runs ...*metrics.Run) error {
	return whole(func(b *bytes.Buffer, runs []*metrics.Run, opt Options) error {
		annotate(b, opt, runs)
		return nil
	})(w, runs, opt)
}

func github(b *bytes.Buffer, r *metrics.Run, opt Options) error {
	annotate(b, opt, []*metrics.Run{r})
	return nil
}

func annotate(b *bytes.Buffer, opt Options, runs []*metrics.Run) {
	var all []annotation
	for _, r := range runs {
		all = append(all, annotations(r)...)
	}
	writeAnnotations(b, opt, all)
}

// writeAnnotations writes at most as many of each severity as GitHub shows; if there are more, the last one says how
// many are omitted.
func writeAnnotations(b *bytes.Buffer, opt Options, all []annotation) {
	for _, severity := range []string{"error", "warning", "notice"} {
		var of []annotation
		for _, a := range all {
			if a.severity == severity {
				of = append(of, a)
			}
		}
		rest := 0
		if len(of) > perSeverity {
			rest = len(of) - (perSeverity - 1)
			of = of[:perSeverity-1]
		}
		for _, a := range of {
			a.write(b, opt)
		}
		if rest > 0 {
			fmt.Fprintf(b, "::%s::and %d more, see summary\n", severity, rest)
		}
	}
}

// annotations lists the annotations of a run, most serious first.
func annotations(r *metrics.Run) []annotation {
	var out []annotation
	name := r.Started.Scenario.Name
	for _, c := range r.WithAllCells() {
		for _, v := range c.Verdicts {
			if severity := severityOf(metrics.Judge(v)); severity != "" {
				out = append(out, annotation{severity, v.File, v.Line, v.Column, v.Title(), annotationText(c, v)})
			}
		}
	}
	for _, c := range r.Cells {
		for _, n := range c.Notes {
			if disturbing[n.Code] {
				out = append(out, annotation{"warning", "", 0, 0, n.Code, []string{c.Name(), n.Text}})
			}
		}
	}
	for _, n := range r.Notes {
		if disturbing[n.Code] {
			out = append(out, annotation{"warning", "", 0, 0, n.Code, []string{n.Text}})
		}
	}
	for _, f := range r.Findings() {
		switch f.Code {
		case exit.Pass, exit.Fail: // its assertions are there already
		case exit.Inconclusive:
			if r.Counts()[metrics.Unknown] == 0 {
				out = append(out, annotation{"error", r.Started.Scenario.File, 0, 0, cmp.Or(name, "homellm"),
					[]string{string(f.Verdict) + ": " + f.Reason}})
			}
		default:
			out = append(out, annotation{"error", r.Started.Scenario.File, 0, 0, cmp.Or(name, "homellm"),
				[]string{string(f.Verdict) + ": " + f.Reason}})
		}
	}
	verdict, _, _ := r.Outcome()
	lines := []string{strings.ToUpper(string(verdict)) + "  " + tally(r)}
	for _, on := range servers(r) {
		lines = append(lines, "on "+on)
	}
	out = append(out, annotation{"notice", "", 0, 0, cmp.Or(name, "homellm"), lines})
	if what := simulated(r); what != "" {
		out = append(out, annotation{"notice", "", 0, 0, "SIMULATED", []string{what}})
	}
	return out
}

// disturbing are the codes of notes after which a figure does not describe the server alone, which a reader of the
// verdict has to know.
var disturbing = map[string]bool{
	"foreign_traffic": true, "server_restarted": true, "model_swapped": true, "usage_wrong": true,
	"context_truncated": true,
	"clock_jump":        true, "throttled": true, "gpu_shared": true,
	"unchecked": true,
}

func severityOf(j metrics.Judged) string {
	switch j {
	case metrics.Failed, metrics.Unknown:
		return "error"
	case metrics.Warned:
		return "warning"
	case metrics.Passed, metrics.Allowed, metrics.Skipped, metrics.Counted:
		return ""
	}
	return ""
}

// annotationText says what did not hold, with the values. It leaves out the model's reply, which is long and may
// contain anything.
func annotationText(c *metrics.Cell, v event.Verdict) []string {
	lines := []string{c.Name()}
	if v.Verdict.Undecided() {
		lines = append(lines, v.That, string(v.Verdict)+": "+reasonOf(v))
	} else {
		lines = append(lines, untrue(v))
	}
	if v.Message != "" {
		lines = append(lines, v.Message)
	}
	if !quotesText(v) {
		lines = append(lines, operands(v)...)
	}
	return lines
}

func (a annotation) write(b *bytes.Buffer, opt Options) {
	var properties []string
	add := func(name, value string) {
		if value != "" {
			properties = append(properties, name+"="+commandProperty(value))
		}
	}
	if a.file != "" && opt.Path != nil {
		a.file = opt.Path(a.file)
	}
	add("file", terminal(a.file))
	if a.file != "" && a.line > 0 {
		add("line", fmt.Sprint(a.line))
		if a.column > 0 {
			add("col", fmt.Sprint(a.column))
		}
	}
	add("title", cut(terminal(a.title), annotationTitle))
	var text []string
	for _, l := range a.lines {
		text = append(text, terminal(l))
	}
	fmt.Fprintf(b, "::%s %s::%s\n", a.severity, strings.Join(properties, ","),
		commandData(cut(strings.Join(text, "\n"), annotationMessage)))
}

// cut shortens a text to a number of bytes, between characters, with an ellipsis.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit-len("…")], "") + "…" // part of a character at the end is dropped
}

// commandData escapes the message of a workflow command.
func commandData(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
}

// commandProperty escapes a property of a workflow command.
func commandProperty(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C").Replace(s)
}
