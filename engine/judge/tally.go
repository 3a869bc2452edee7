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

	evaluated, passed, unknown int
	decisive                   expr.Result // the first failure, else the first unknown, else the latest pass
	blank                      string      // why the first unknown is
}

func (t *tally) add(r expr.Result) {
	t.evaluated++
	rank := map[expr.Verdict]int{expr.Pass: 0, expr.Unknown: 1, expr.Fail: 2}
	switch r.Verdict {
	case expr.Pass:
		t.passed++
	case expr.Unknown:
		if t.unknown++; t.unknown == 1 {
			t.blank = r.Why
		}
	}
	if t.evaluated == 1 || rank[r.Verdict] > rank[t.decisive.Verdict] ||
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
		return event.Unknown, t.whyOpen()
	}
	return event.Pass, ""
}

// whyOpen says why it is unknown whether enough repeats passed.
func (t *tally) whyOpen() string {
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

func (t *tally) event() event.Verdict {
	a := t.assertion
	v := event.Verdict{
		Name: a.Name, That: a.That, Scope: string(a.Scope), Conversation: t.conversation, Step: t.step,
		Severity: event.Severity(a.Severity), OnUnknown: event.OnUnknown(a.OnUnknown), Message: a.Message, Abort: a.Abort,
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
	if v.Verdict != event.Pass {
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
