package metrics

import (
	"fmt"
	"slices"
	"strings"

	"homellm/engine/event"
	"homellm/engine/exit"
	"homellm/engine/text"
)

// The verdicts of a run, besides [event.Pass] and [event.Fail].
const (
	Inconclusive event.Outcome = "inconclusive" // a gate could not be judged, or there was none
	Broken       event.Outcome = "error"        // the environment or too many requests failed
	Interrupted  event.Outcome = "interrupted"  // a signal ended the run, or its journal was cut off
)

// Finding is one reason why a run is not simply passed.
type Finding struct {
	Code    int
	Verdict event.Outcome
	Reason  string
}

// Judged is the meaning of an assertion's verdict for the run.
type Judged string

// The meanings of a verdict.
const (
	Passed  Judged = "passed"
	Failed  Judged = "failed"
	Unknown Judged = "unknown" // undecided, and a gate: the run is inconclusive
	Allowed Judged = "allowed" // unsupported, and its author allows that; or undecided, and not a gate
	Warned  Judged = "warned"  // failed, and not a gate
	Counted Judged = "counted" // only its passes count, for a share of them
	Skipped Judged = "skipped"
)

// Judge applies an assertion's policies to its verdict.
func Judge(v event.Verdict) Judged {
	return JudgedBy(v.Verdict, v.Severity, v.OnUnknown)
}

// JudgedBy applies the policies of an assertion or a gate to an outcome.
func JudgedBy(o event.Outcome, s event.Severity, u event.OnUnknown) Judged {
	switch {
	case o == event.Skipped:
		return Skipped
	case s == event.SeverityCount:
		return Counted
	case o == event.Pass:
		return Passed
	case !o.Undecided() && s.Gates():
		return Failed
	case !o.Undecided():
		return Warned
	case !s.Gates(), o == event.Unsupported && u.Allows():
		return Allowed
	case u == event.UnknownFails:
		return Failed
	}
	return Unknown
}

// Counts tells how many assertions, of each cell and over all cells, came to each judgement.
func (r *Run) Counts() map[Judged]int {
	out := map[Judged]int{}
	for v := range r.verdicts() {
		out[Judge(v)]++
	}
	return out
}

// Outcome decides the outcome of the run. It is the only place that does: the printed verdict, the reports and the
// exit code all come from this call.
func (r *Run) Outcome() (verdict event.Outcome, exitCode int, reason string) {
	f := r.Findings()[0]
	return f.Verdict, f.Code, f.Reason
}

// Findings lists everything that decides the outcome, most serious first. It is never empty.
func (r *Run) Findings() []Finding {
	var out []Finding
	add := func(code int, verdict event.Outcome, format string, args ...any) {
		out = append(out, Finding{code, verdict, fmt.Sprintf(format, args...)})
	}
	r.ending(add)
	r.environment(add)
	for _, c := range r.Cells {
		if why := c.OverBudget(); why != "" {
			add(exit.Requests, Broken, "%s: %s", c.Name(), why)
		}
	}
	counts := r.Counts()
	gating := counts[Passed] + counts[Failed] - r.harmless()
	switch {
	case counts[Failed] > 0:
		add(exit.Fail, event.Fail, "%s failed: %s", text.Plural(counts[Failed], "assertion"),
			strings.Join(r.names(Failed), ", "))
	case r.Done != nil && r.Done.Aborted != "":
		add(exit.Fail, event.Fail, "ended early: %s", r.Done.Aborted)
	}
	if counts[Unknown] > 0 {
		add(exit.Inconclusive, Inconclusive, "%s could not be judged: %s", text.Plural(counts[Unknown], "assertion"),
			strings.Join(r.names(Unknown), ", "))
	} else if gating == 0 {
		add(exit.Inconclusive, Inconclusive, "no assertion that gates was evaluated")
	}
	if len(out) == 0 {
		add(exit.Pass, event.Pass, "%s passed", text.Plural(counts[Passed], "assertion"))
	}
	slices.SortStableFunc(out, func(a, b Finding) int { return exit.Compare(a.Code, b.Code) })
	return out
}

// ending finds what ended the run early.
func (r *Run) ending(add func(int, event.Outcome, string, ...any)) {
	if r.Done == nil {
		add(exit.Interrupted, Interrupted, "the journal ends before the run did")
		return
	}
	if signal := r.Done.Interrupted; signal != "" {
		add(exit.OfSignal(signal), Interrupted, "ended by %s", signal)
	}
}

// environment finds cells that were not measured. A cell that was requested and could not be opened never passes,
// whatever the others do.
func (r *Run) environment(add func(int, event.Outcome, string, ...any)) {
	skipped := 0
	over := r.Done != nil && r.Done.Interrupted == "" && r.Done.Aborted == ""
	for _, c := range r.Cells {
		switch {
		case c.Planned.Skip != "":
			skipped++
		case c.Failed != nil:
			add(exit.Environment, Broken, "%s: %s", c.Name(), c.Failed.Err)
		case c.Done != nil && c.Done.Err != "":
			add(exit.Environment, Broken, "%s ended early: %s", c.Name(), c.Done.Err)
		case c.Done == nil && over:
			add(exit.Environment, Broken, "%s was never played to its end", c.Name())
		}
	}
	switch {
	case over && len(r.Cells) == 0:
		add(exit.Environment, Broken, "nothing was planned")
	case skipped > 0 && skipped == len(r.Cells):
		add(exit.Environment, Broken, "every cell was skipped: %s", r.Cells[0].Planned.Skip)
	}
}

// harmless counts passes of assertions that would not gate if they failed.
func (r *Run) harmless() int {
	n := 0
	for v := range r.verdicts() {
		if !v.Severity.Gates() && Judge(v) == Passed {
			n++
		}
	}
	return n
}

func (r *Run) names(j Judged) []string {
	var out []string
	for v := range r.verdicts() {
		if Judge(v) == j && !slices.Contains(out, v.Title()) {
			out = append(out, v.Title())
		}
	}
	return out
}

// OverBudget says how many requests of the cell failed if they are more than the scenario allows; empty if not.
func (c *Cell) OverBudget() string {
	g, budget := c.Measured(Group{}), c.run.Started.Scenario.ErrorBudget
	if !overBudget(g, budget) {
		return ""
	}
	return fmt.Sprintf("%d of %d requests failed, the error budget is %.4g %%", CountFailed(g), len(g), 100*budget)
}

// overBudget compares shares by division: 29/100 equals the number 0.29, but 0.29 times 100 is slightly less than 29.
func overBudget(g []*event.Request, budget float64) bool {
	return len(g) > 0 && float64(CountFailed(g))/float64(len(g)) > budget
}

// Labels are the cell's coordinates as it was played: if the plan names no model, or the server answers under another
// name, the label is the name in the replies.
func (c *Cell) Labels() []event.Label {
	labels := slices.Clone(c.Planned.Labels)
	if c.Started == nil {
		return labels
	}
	s := c.Started.Server
	of := func(name string) int {
		return slices.IndexFunc(labels, func(l event.Label) bool { return l.Name == name })
	}
	model, server := of("model"), of("server")
	switch {
	case model >= 0 && s.Answered != "":
		labels[model].Value = s.Answered
	case model < 0 && server >= 0 && s.Model != "":
		labels = slices.Insert(labels, server+1, event.Label{Name: "model", Value: s.Model})
	}
	if box := boxOf(*c.Started); box != "" && of("box") < 0 {
		labels = append(labels, event.Label{Name: "box", Value: box})
	}
	return labels
}

// Host is what is known of the machine that the cell was played on.
func (c *Cell) Host() map[string]any {
	switch {
	case c.Started != nil && c.Started.Box != nil:
		return c.Started.Box.Host
	case c.run != nil:
		return c.run.Started.Host
	}
	return nil
}

// Name is the cell's name in reports: its server and model, then its other coordinates.
func (c *Cell) Name() string {
	if c.ID == "" {
		return allCells
	}
	var main, rest []string
	for _, l := range c.Labels() {
		switch l.Name {
		case "server", "model":
			main = append(main, l.Value)
		default:
			rest = append(rest, l.Name+"="+l.Value)
		}
	}
	all := append(main, rest...)
	if len(all) == 0 {
		return c.ID
	}
	return strings.Join(all, " x ")
}
