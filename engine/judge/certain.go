package judge

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"homellm/dsl/expr"
	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/stats"
)

// certain withdraws a verdict that the sample is too small for: a percentile whose 95 % bound lies on
// the other side of its limit has neither passed nor failed. A bound that the sample cannot give
// at all withdraws nothing; there the author has accepted few samples.
//
// Looks are the judgements that decide whether more is played, this one included; none where
// there is only one. More is about how many more repeats would decide what is open.
func certain(cell *metrics.Cell, a *expr.Assertion, r expr.Result, looks stats.Looks) (out expr.Result, more int) {
	if r.Verdict != expr.Pass && r.Verdict != expr.Fail {
		return r, 0
	}
	values := map[string]expr.Range{}
	for _, o := range r.Operands {
		switch v := o.V.(type) {
		case float64:
			values[o.Path] = expr.Range{Low: v, High: v}
		case int:
			values[o.Path] = expr.Range{Low: float64(v), High: float64(v)}
		default:
			if o.Range != nil {
				values[o.Path] = *o.Range
			}
		}
	}
	why := ""
	for _, l := range a.Limits() {
		v, known := values[l.Path]
		if !known {
			continue
		}
		holds, open := decides(v, l)
		if open {
			continue // what is unknown leaves it open, and it did not decide
		}
		if r.Verdict == expr.Fail && holds {
			continue // it is not what failed
		}
		s := cell.Certain(l.Path, l.Op, l.Value, looks)
		if s.OK && s.More == 0 && r.Verdict == expr.Fail {
			return r, 0 // one limit is surely broken, whatever the others are
		}
		if !s.OK {
			s.More = max(s.More, 1)
			if why == "" {
				why = s.Why
			}
		}
		more = max(more, s.More)
	}
	if why != "" {
		r.Verdict, r.Why = expr.Unknown, why
	}
	return r, more
}

// decides says whether a limit holds over all of an interval; open where it holds over a part of it.
func decides(v expr.Range, l expr.Limit) (holds, open bool) {
	at := func(v float64) bool {
		return map[string]bool{"<": v < l.Value, "<=": v <= l.Value, ">": v > l.Value, ">=": v >= l.Value,
			"==": v == l.Value}[l.Op]
	}
	return at(v.Low), at(v.Low) != at(v.High) || l.Op == "==" && v.Low != v.High
}

// indistinct says which comparisons of measured times come out closer than this client can tell: it
// may be late by its floor for each of them, times its factor. The floor is in ms, 0 if not known.
func indistinct(v event.Verdict, differences []expr.Difference, floor float64) (texts []string) {
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
		text := fmt.Sprintf("%s: the sides of the comparison of %s are %.3g ms apart, which this client cannot tell from "+
			"nothing on this machine (its floor is %.3g ms)",
			v.Name, strings.Join(d.Paths, " and "), math.Abs(apart), floor)
		if known && math.Abs(apart) < reach && !slices.Contains(texts, text) {
			texts = append(texts, text)
		}
	}
	return texts
}
