package judge

import (
	"fmt"

	"homellm/dsl/expr"
	"homellm/engine/event"
)

// textKept bounds how much of a reply an operand keeps: enough to see why an assertion about text failed. The whole
// reply is in the request's event.
const textKept = 240

// tally counts the outcomes of one assertion over a cell's repeats.
type tally struct {
	assertion    *expr.Assertion
	conversation string
	step         string

	evaluated, passed int
	unknown           int         // the undecided ones
	unsupported       int         // of those, the ones that the server does not support
	decisive          expr.Result // the first of the most serious; of passes the latest
	open              expr.Result // the first of the most serious undecided ones
}

// graver orders outcomes by how serious they are for an assertion.
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

// verdict combines all evaluations. Unknown evaluations are not guessed: the required share of passes is reached if
// it is reached even with every unknown as a failure, and missed if it is missed even with every unknown as a pass.
// In between the verdict is unknown.
func (t *tally) verdict() (verdict event.Outcome, why string) {
	least := t.assertion.MinPassRate
	// multiplying 20 by 0.55 gives more than 11
	share := func(passed int) float64 { return float64(passed) / float64(t.evaluated) }
	switch {
	case t.evaluated == 0:
		return event.Unknown, "no repeat was played"
	case share(t.passed+t.unknown) < least:
		return event.Fail, t.decisive.Why
	case t.passed == 0 && t.unknown > 0, share(t.passed) < least:
		return event.Outcome(t.open.Verdict), t.whyUndecided()
	}
	return event.Pass, ""
}

// whyUndecided says why it is unknown whether enough repeats passed.
func (t *tally) whyUndecided() string {
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

// operand converts a compared value for the journal.
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
	n := 0
	for i := range s {
		if n++; n > textKept {
			return string([]rune(s[:i])) + "…" // a copy, so that the rest of a large text is not kept
		}
	}
	return s
}
