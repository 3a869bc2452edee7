package engine

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"homellm/dsl"
	"homellm/engine/event"
	"homellm/engine/metrics"
)

// textKept bounds how much of a reply an operand keeps: enough to see why a text assertion
// failed. The whole reply is in the request's own event.
const textKept = 240

// tally counts the outcomes of one assertion over the repeats of a cell.
type tally struct {
	assertion    *dsl.Assertion
	conversation string
	step         string

	evaluated, passed, unknown int
	decisive                   dsl.Result // the first failure, else the first unknown, else the latest pass
	blank                      string     // why the first unknown is
}

func (t *tally) add(r dsl.Result) {
	t.evaluated++
	rank := map[string]int{"pass": 0, "unknown": 1, "fail": 2}
	switch r.Verdict {
	case "pass":
		t.passed++
	case "unknown":
		if t.unknown++; t.unknown == 1 {
			t.blank = r.Why
		}
	}
	if t.evaluated == 1 || rank[r.Verdict] > rank[t.decisive.Verdict] || (r.Verdict == "pass" && t.decisive.Verdict == "pass") {
		t.decisive = r
	}
}

// verdict is one judgement over all evaluations. It does not guess what is unknown: the share of
// passes is reached if it is even when every unknown evaluation counts as a failure, and missed if
// it is even when every one counts as a pass. In between nobody can tell.
func (t *tally) verdict() (verdict, why string) {
	least := t.assertion.MinPassRate
	share := func(passed int) float64 { return float64(passed) / float64(t.evaluated) } // 11 of 20 is 0.55, but 20 times 0.55 is more than 11
	switch {
	case t.evaluated == 0:
		return "unknown", "no repeat was played"
	case share(t.passed+t.unknown) < least:
		return "fail", t.decisive.Why
	case t.passed == 0 && t.unknown > 0, share(t.passed) < least:
		return "unknown", t.unsettled()
	}
	return "pass", ""
}

// unsettled says why it is unknown whether enough repeats passed.
func (t *tally) unsettled() string {
	why := t.decisive.Why
	if t.blank != "" {
		why = t.blank
	}
	if t.assertion.MinPassRate >= 1 || t.unknown == t.evaluated {
		return why
	}
	return fmt.Sprintf("%d of %d passed and %d are unknown, so that %.4g %% are neither reached nor out of reach: %s",
		t.passed, t.evaluated, t.unknown, 100*t.assertion.MinPassRate, why)
}

// judged holds the tallies of a cell in the order of its file.
type judged struct{ tallies []*tally }

func newJudged(c *dsl.Cell) judged {
	var j judged
	for _, conv := range c.Scenario.Conversations {
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

// judgeRepeat evaluates what one repeat can tell and returns the name of a failed assertion that
// wants the run to end.
func (s *session) judgeRepeat(out *collector, repeat int) (abort string) {
	out.read(func(f *metrics.Run) {
		cell := f.Cell(s.cell.ID)
		for _, t := range s.judged.tallies {
			if t.assertion.Scope == dsl.ScenarioScope {
				continue
			}
			r := t.assertion.Eval(s.lookup(cell, t, repeat))
			t.add(r)
			if r.Verdict == "fail" && t.assertion.Abort && abort == "" {
				abort = t.assertion.Name
			}
		}
	})
	return abort
}

// judgeCell evaluates what only all repeats can tell, emits every verdict of the cell and returns
// the name of the first failed gate.
func (s *session) judgeCell(out *collector) (failed string) {
	s.remarks()
	var floor float64
	var unsteady []string
	out.read(func(f *metrics.Run) {
		cell := f.Cell(s.cell.ID)
		for _, t := range s.judged.tallies {
			if t.assertion.Scope == dsl.ScenarioScope && t.evaluated == 0 {
				r, _ := settled(cell, t.assertion, t.assertion.Eval(s.lookup(cell, t, 0)), s.looks)
				t.add(r)
			}
		}
		unsteady = cell.Unsteady()
		floor, _ = cell.Observed("client.ttft_bias_p99_ms").Number()
	})
	for _, text := range unsteady {
		out.emit(s.cell.ID, event.Note{Code: "unsteady", Text: text})
	}
	for _, t := range s.judged.tallies {
		v := t.event()
		if v.Verdict == "fail" && v.Severity == "fail" && failed == "" {
			failed = v.Name
		}
		out.emit(s.cell.ID, v)
		for _, text := range indistinct(v, t.assertion.Differences(), floor) {
			out.emit(s.cell.ID, event.Note{Code: "indistinct", Text: text})
		}
	}
	return failed
}

// indistinct says which comparisons of measured times come out closer than this client can tell: it
// may be late by its floor for each of them, times its factor. The floor is in ms, 0 if not known.
func indistinct(v event.Verdict, differences []dsl.Difference, floor float64) (texts []string) {
	times := map[string]float64{}
	for _, o := range v.Operands {
		if x, number := o.Value.(float64); number && o.Unit == "ms" && o.Why == "" {
			times[o.Path] = x
		}
	}
	for _, d := range differences {
		apart, reach := d.Offset, 0.0
		known := true
		for i, path := range d.Paths {
			x, ok := times[path]
			known = known && ok
			apart += d.Factors[i] * x
			reach += floor * math.Abs(d.Factors[i])
		}
		text := fmt.Sprintf("%s: the sides of the comparison of %s are %.3g ms apart, which this client cannot tell from nothing on this machine (its floor is %.3g ms)",
			v.Name, strings.Join(d.Paths, " and "), math.Abs(apart), floor)
		if known && math.Abs(apart) < reach && !slices.Contains(texts, text) {
			texts = append(texts, text)
		}
	}
	return texts
}

func (t *tally) event() event.Verdict {
	a := t.assertion
	v := event.Verdict{
		Name: a.Name, That: a.That, Scope: string(a.Scope), Conversation: t.conversation, Step: t.step,
		Severity: a.Severity, OnUnknown: a.OnUnknown, Message: a.Message, Abort: a.Abort,
		Evaluated: t.evaluated, Passed: t.passed, Unknown: t.unknown, MinPassRate: a.MinPassRate,
		File: a.Pos.File, Line: a.Pos.Line, Column: a.Pos.Col,
	}
	v.Verdict, v.Why = t.verdict()
	for _, o := range t.decisive.Operands {
		value := o.V
		if text, ok := value.(string); ok {
			value = shorten(text)
		}
		v.Operands = append(v.Operands, event.Operand{Path: o.Path, Value: value, Unit: o.Unit, Source: o.Source, Why: o.Why})
	}
	if v.Verdict != "pass" {
		v.Excerpt = a.Excerpt()
	}
	return v
}

func shorten(s string) string {
	if utf8.RuneCountInString(s) <= textKept {
		return s
	}
	return string([]rune(s)[:textKept]) + "…"
}

// lookup resolves the paths of an expression: what the files say, and what was measured.
func (s *session) lookup(cell *metrics.Cell, t *tally, repeat int) dsl.Lookup {
	measured := cell.Lookup(string(t.assertion.Scope), repeat, t.conversation, t.step)
	return func(path string) dsl.Value {
		if name, ok := strings.CutPrefix(path, "model."); ok {
			return s.modelFact(cell, name)
		}
		v, unit, source, why := measured(path)
		return dsl.Value{V: v, Unit: unit, Source: source, Why: why}
	}
}

func (s *session) modelFact(cell *metrics.Cell, name string) dsl.Value {
	if v, ok := s.cell.ModelFact(name); ok {
		return dsl.Value{V: v, Source: "models file"}
	}
	switch {
	case s.cell.Model != nil:
		return dsl.Value{Why: "the models file does not say the " + name + " of " + s.cell.Model.Name}
	case name == "name" && cell.Started != nil && cell.Started.Server.Model != "":
		return dsl.Value{V: cell.Started.Server.Model, Source: "server"}
	}
	return dsl.Value{Why: "the model is not in the models file"}
}
