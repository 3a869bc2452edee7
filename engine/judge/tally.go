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

	items []event.OfItem // of the conversation's data set, in the order in which they are played
	at    map[int]int    // indices of items, by their numbers
	item  int            // of the decisive result
}

// graver orders outcomes by how serious they are for an assertion.
var graver = map[expr.Verdict]int{expr.Pass: 0, expr.Unsupported: 1, expr.Unknown: 2, expr.Fail: 3}

// add counts an evaluation; item is that of the data set, 0 without one.
func (t *tally) add(r expr.Result, item int) {
	t.evaluated++
	if item > 0 {
		t.addItem(r.Verdict, item)
	}
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
		t.decisive, t.item = r, item
	}
}

// addItem counts an evaluation for its item.
func (t *tally) addItem(verdict expr.Verdict, item int) {
	at, seen := t.at[item]
	if !seen {
		if t.at == nil {
			t.at = map[int]int{}
		}
		at, t.at[item] = len(t.items), len(t.items)
		t.items = append(t.items, event.OfItem{Item: item})
	}
	one := &t.items[at]
	one.Evaluated++
	switch verdict {
	case expr.Pass:
		one.Passed++
	case expr.Unknown, expr.Unsupported:
		one.Unknown++
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
	v.Items, v.Item = t.items, t.item
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
			return string([]rune(s[:i])) + "…" // a copy, so that the rest of a large text can be freed
		}
	}
	return s
}
