package judge

import (
	"fmt"
	"unicode/utf8"

	"homellm/dsl/expr"
	"homellm/engine/event"
)

// textKept bounds how much of a reply an operand keeps: enough to see why a text assertion
// failed. The whole reply is in the request's own event.
const textKept = 240

// tally counts the outcomes of one assertion over the repeats of a cell.
type tally struct {
	assertion    *expr.Assertion
	conversation string
	step         string

	evaluated, passed int
	unknown           int         // those that are undecided
	unsupported       int         // of them, those that nobody can tell
	decisive          expr.Result // the first of the gravest, of passes the latest
	open              expr.Result // the first of the gravest that are undecided
}

// graver orders the verdicts of evaluations by what they say of an assertion.
var graver = map[expr.Verdict]int{expr.Pass: 0, expr.Unsupported: 1, expr.Unknown: 2, expr.Fail: 3}

func (t *tally) add(r expr.Result) {
	t.evaluated++
	switch r.Verdict {
	case expr.Pass:
		t.passed++
	case expr.Unsupported, expr.Unknown:
		if t.unknown++; r.Verdict == expr.Unsupported {
			t.unsupported++
		}
		if t.unknown == 1 || graver[r.Verdict] > graver[t.open.Verdict] {
			t.open = r
		}
	}
	if t.evaluated == 1 || graver[r.Verdict] > graver[t.decisive.Verdict] ||
		(r.Verdict == expr.Pass && t.decisive.Verdict == expr.Pass) {
		t.decisive = r
	}
}

// verdict is one judgement over all evaluations. It does not guess what is unknown: the share of
// passes is reached if it is even when every unknown evaluation counts as a failure, and missed if
// it is even when every one counts as a pass. In between it is unknown.
func (t *tally) verdict() (verdict event.Outcome, why string) {
	least := t.assertion.MinPassRate
	// 11 of 20 is 0.55, but 20 times 0.55 is more than 11
	share := func(passed int) float64 { return float64(passed) / float64(t.evaluated) }
	switch {
	case t.evaluated == 0:
		return event.Unknown, "no repeat was played"
	case share(t.passed+t.unknown) < least:
		return event.Fail, t.decisive.Why
	case t.passed == 0 && t.unknown > 0, share(t.passed) < least:
		return event.Outcome(t.open.Verdict), t.whyOpen()
	}
	return event.Pass, ""
}

// whyOpen says why it is unknown whether enough repeats passed.
func (t *tally) whyOpen() string {
	why := t.open.Why
	if t.assertion.MinPassRate >= 1 || t.unknown == t.evaluated {
		return why
	}
	return fmt.Sprintf("%d of %d passed and %d are unknown, so that %.4g %% are neither reached nor out of reach: %s",
		t.passed, t.evaluated, t.unknown, 100*t.assertion.MinPassRate, why)
}

func (t *tally) event() event.Verdict {
	a := t.assertion
	v := event.Verdict{
		Name: a.Name, That: a.That, Scope: string(a.Scope), Conversation: t.conversation, Step: t.step,
		Severity: event.Severity(a.Severity), OnUnknown: event.OnUnknown(a.OnUnknown), Message: a.Message, Abort: a.Abort,
		Evaluated: t.evaluated, Passed: t.passed, Unknown: t.unknown, Unsupported: t.unsupported, MinPassRate: a.MinPassRate,
		File: a.Pos.File, Line: a.Pos.Line, Column: a.Pos.Col,
	}
	v.Verdict, v.Why = t.verdict()
	for _, o := range t.decisive.Operands {
		v.Operands = append(v.Operands, operand(o))
	}
	if v.Verdict != event.Pass {
		v.Excerpt = a.Excerpt()
	}
	return v
}

// operand is a value that was compared, as the journal keeps it.
func operand(o expr.Operand) event.Operand {
	out := event.Operand{Path: o.Path, Value: o.V, Unit: o.Unit, Source: o.Source, Why: o.Why, Unsupported: o.Unsupported}
	if text, ok := o.V.(string); ok {
		out.Value = shorten(text)
	}
	if o.Range != nil {
		out.Range = &event.Range{Low: o.Range.Low, High: o.Range.High}
	}
	if text, ok := o.SoFar.(string); ok {
		out.Beginning = new(shorten(text))
	}
	return out
}

func shorten(s string) string {
	if utf8.RuneCountInString(s) <= textKept {
		return s
	}
	return string([]rune(s)[:textKept]) + "…"
}
