// Package judge turns the fold of a run into verdicts.
//
// The input is a cell's assertions, its measurements, and the looks at them so far. The output is the cell's
// verdicts, their notes, and which verdicts more repeats would make certain. It sends nothing and stores nothing.
// engine/metrics decides the verdict of the whole run and its exit code ([metrics.Run.Outcome]).
package judge

import (
	"slices"
	"strconv"

	"homellm/dsl"
	"homellm/dsl/expr"
	"homellm/dsl/figure"
	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/stats"
)

// Judge holds the evaluations of one cell, in the order of its file.
type Judge struct {
	cell    *dsl.Cell
	tallies []*tally
	repeats []int // that were evaluated

	recanted string // the cell's revision when all repeats were last reevaluated
}

// New returns a judge of a cell without evaluations.
func New(c *dsl.Cell) *Judge {
	j := &Judge{cell: c}
	for i, conv := range c.Scenario.Conversations {
		if c.Scenario.Again(i) {
			continue // its assertions are those of the first item
		}
		for _, step := range conv.Steps {
			for _, a := range step.Assert {
				j.tallies = append(j.tallies, &tally{assertion: a, conversation: conv.ID, step: step.ID})
			}
		}
		for _, a := range conv.Assert {
			j.tallies = append(j.tallies, &tally{assertion: a, conversation: conv.ID})
		}
	}
	for _, a := range c.Scenario.Assert {
		j.tallies = append(j.tallies, &tally{assertion: a})
	}
	return j
}

// Repeat evaluates the assertions of one repeat and returns the name of a failed assertion that aborts the run.
func (j *Judge) Repeat(f *metrics.Run, repeat int) (abort string) {
	cell := f.Cell(j.cell.ID)
	j.repeats = append(j.repeats, repeat)
	for _, t := range j.tallies {
		if t.assertion.Scope == figure.ScenarioScope {
			continue
		}
		if j.repeat(cell, t, repeat) && t.assertion.Abort && abort == "" {
			abort = t.assertion.Name
		}
	}
	return abort
}

// repeat evaluates an assertion of a step or a conversation in one repeat, for every user that plays it and every item
// it is played for, and reports whether it failed for one. In a window a user may begin a conversation several times,
// and the assertion has to hold each time; or never, and there is nothing to evaluate.
func (j *Judge) repeat(cell *metrics.Cell, t *tally, repeat int) (failed bool) {
	for _, part := range j.cell.Scenario.Parts(t.conversation) {
		of := part.Conversation
		in := metrics.Group{Repeat: repeat, User: part.User, Conversation: of.ID, Item: of.ItemN()}
		var worst expr.Result
		for play := range cell.Plays(in) {
			in := in
			in.Step = t.step
			if cell.Windows != nil {
				in.Play = play + 1
			}
			if r := j.eval(cell, t, in, of.Item); play == 0 || graver[r.Verdict] > graver[worst.Verdict] {
				worst = r
			}
		}
		if worst.Verdict != "" {
			t.add(worst, of.ItemN())
			failed = failed || worst.Verdict == expr.Fail
		}
	}
	return failed
}

// Aborts reports whether an assertion of a step or a conversation ends the run when it fails.
func (j *Judge) Aborts() bool {
	return slices.ContainsFunc(j.tallies, func(t *tally) bool {
		return t.assertion.Abort && t.assertion.Scope != figure.ScenarioScope
	})
}

// Play evaluates the assertions with abort of a step, or of a conversation as a whole, in one of its plays in a window,
// and returns the name of one that failed. Nothing is counted: that is done when the window is judged.
func (j *Judge) Play(f *metrics.Run, in metrics.Group, item *dsl.Item) (failed string) {
	cell := f.Cell(j.cell.ID)
	for _, t := range j.tallies {
		if t.assertion.Abort && t.conversation == in.Conversation && t.step == in.Step &&
			j.eval(cell, t, in, item).Verdict == expr.Fail {
			return t.assertion.Name
		}
	}
	return ""
}

// reevaluate evaluates the earlier repeats again if measurements were withdrawn.
func (j *Judge) reevaluate(cell *metrics.Cell) {
	if j.recanted == cell.Revised() {
		return
	}
	j.recanted = cell.Revised()
	for _, t := range j.tallies {
		if t.assertion.Scope == figure.ScenarioScope {
			continue
		}
		*t = tally{assertion: t.assertion, conversation: t.conversation, step: t.step}
		for _, n := range j.repeats {
			j.repeat(cell, t, n)
		}
	}
}

// Cell evaluates the assertions over all repeats. It returns every verdict of the cell with its notes, and the name
// of the first failed gate.
//
// Looks are the judgements that decided whether to play on, including this one; none if this is the only one.
func (j *Judge) Cell(f *metrics.Run, looks stats.Looks) (out []event.Body, failed string) {
	cell := f.Cell(j.cell.ID)
	j.reevaluate(cell)
	for _, t := range j.tallies {
		if t.assertion.Scope == figure.ScenarioScope && t.evaluated == 0 {
			r, _ := certain(scored{j, cell}, t.assertion, j.eval(cell, t, metrics.Group{}, nil), looks)
			t.add(r, 0)
		}
	}
	for _, text := range cell.Unsteady() {
		out = append(out, event.Note{Code: "unsteady", Text: text})
	}
	for _, n := range cell.Delays() {
		out = append(out, n)
	}
	floor, _ := cell.Observed("client.ttft_bias_p99_ms").Number()
	for _, t := range j.tallies {
		v := t.event()
		if v.Verdict == event.Fail && v.Severity.Gates() && failed == "" {
			failed = v.Name
		}
		out = append(out, v)
		for _, text := range indistinct(v, t.assertion.Differences(), floor) {
			out = append(out, event.Note{Code: "indistinct", Text: text})
		}
	}
	return out, failed
}

// Again judges a cell once more after its server's report of cached tokens was withdrawn.
func Again(c *dsl.Cell, f *metrics.Run) (verdicts []event.Body, failed string) {
	j, cell := New(c), f.Cell(c.ID)
	for _, n := range cell.Judged() {
		j.Repeat(f, n)
	}
	all, failed := j.Cell(f, cell.Looks())
	for _, b := range all {
		if v, ok := b.(event.Verdict); ok { // the notes were made the first time
			verdicts = append(verdicts, v)
		}
	}
	return verdicts, failed
}

// Holds judges a condition that is none of the scenario's, over what a cell has measured so far. Looks are the numbers
// of repeats at each judgement of it, including this one.
func Holds(c *dsl.Cell, f *metrics.Run, a *expr.Assertion, looks stats.Looks) event.Verdict {
	j, cell := New(c), f.Cell(c.ID)
	for _, n := range cell.Repeats() {
		j.Repeat(f, n)
	}
	t := &tally{assertion: a}
	r, _ := certain(scored{j, cell}, a, j.eval(cell, t, metrics.Group{}, nil), looks)
	t.add(r, 0)
	return t.event()
}

// lookup resolves the names of an expression: from the files, and from the measurements.
func (j *Judge) lookup(cell *metrics.Cell, t *tally, in metrics.Group, item *dsl.Item) expr.Lookup {
	measured := cell.LookupIn(t.assertion.Scope, in)
	return func(path string) expr.Value {
		if v, ok := item.Value(path); ok {
			return expr.Value{V: v, Source: "item " + strconv.Itoa(item.N)}
		}
		if s, ok := j.score(path); ok {
			return valueOf(s.Value())
		}
		if name, ok := figure.Parse(t.assertion.Scope, path); ok && name.Level == figure.ModelFacts {
			return j.modelFact(cell, name.Rest)
		}
		return valueOf(measured(path))
	}
}

// valueOf converts a measured value to a value of the language.
func valueOf(v metrics.Value) expr.Value {
	out := expr.Value{V: v.V, Unit: v.Unit, Source: v.Source, Why: v.Why, SoFar: v.SoFar,
		Unsupported: v.Unsupported}
	if v.Range != nil {
		out.Range = &expr.Range{Low: v.Range.Low, High: v.Range.High}
	}
	return out
}

func (j *Judge) modelFact(cell *metrics.Cell, name string) expr.Value {
	if v, ok := j.cell.ModelFact(name); ok {
		return expr.Value{V: v, Source: "models file"}
	}
	switch {
	case j.cell.Model != nil:
		return expr.Value{Why: "the models file does not say the " + name + " of " + j.cell.Model.Name}
	case name == "name" && cell.Started != nil && cell.Started.Server.Model != "":
		return expr.Value{V: cell.Started.Server.Model, Source: "server"}
	}
	return expr.Value{Why: "the model is not in the models file"}
}
