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

// bounds says whether a sample decides on which side of a limit a figure lies: a cell does, and a judge for scores.
type bounds interface {
	Certain(path, op string, limit float64, looks stats.Looks) metrics.Certainty
}

// certain withdraws a verdict for which the sample is too small: if the 95 % bound of a percentile lies on the other
// side of the limit, the assertion has neither passed nor failed. An infinite bound withdraws nothing, because the
// author accepted few samples.
//
// Looks are the judgements that decide whether to play on, including this one; none if the sample is judged once.
// More is about how many more repeats would decide the open limits.
func certain(cell bounds, a *expr.Assertion, r expr.Result, looks stats.Looks) (out expr.Result, more int) {
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
			continue // an unknown value leaves the limit open and did not decide the result
		}
		if r.Verdict == expr.Fail && holds {
			continue // this limit did not fail
		}
		s := cell.Certain(l.Path, l.Op, l.Value, looks)
		if s.OK && s.More == 0 && r.Verdict == expr.Fail {
			return r, 0 // one limit is certainly broken, so the others do not matter
		}
		if !s.OK {
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

// decides says whether a limit holds over a whole interval; open if it holds over a part only.
func decides(v expr.Range, l expr.Limit) (holds, open bool) {
	at := func(v float64) bool {
		return map[string]bool{"<": v < l.Value, "<=": v <= l.Value, ">": v > l.Value, ">=": v >= l.Value,
			"==": v == l.Value}[l.Op]
	}
	return at(v.Low), at(v.Low) != at(v.High) || l.Op == "==" && v.Low != v.High
}

// indistinct describes comparisons of measured times whose sides are closer than this client can tell apart: each
// side may be late by the floor, times its factor. The floor is in ms; 0 if unknown.
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
