package compare

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"homellm/dsl"
	"homellm/dsl/expr"
	"homellm/dsl/figure"
	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/stats"
)

// ExpressionGate is a gate written as an expression over the new side and, below base., the old side.
type ExpressionGate struct {
	Gate      Gate // Metric is the expression
	assertion *expr.Assertion
}

// Names after "base." that describe both sides together rather than the old one.
const (
	baseMatches = "matches"
	baseAge     = "age_h"
)

// expressionGates are the compiled expressions of a gates file.
func expressionGates(g *dsl.Gates) []ExpressionGate {
	var out []ExpressionGate
	for _, a := range g.Assert {
		out = append(out, ExpressionGate{
			Gate: Gate{
				Name: a.Name, Metric: a.That, Severity: event.Severity(a.Severity), OnUnknown: event.OnUnknown(a.OnUnknown),
				File: a.Pos.File, Line: a.Pos.Line, Column: a.Pos.Col,
			},
			assertion: a,
		})
	}
	return out
}

// asksForBase says whether the expression reads the old side.
func (g ExpressionGate) asksForBase() bool {
	return slices.ContainsFunc(g.assertion.Paths(), func(path string) bool {
		_, ofOld := figure.CutBase(path)
		return ofOld
	})
}

// reading provides the values of an expression.
type reading struct {
	value func(path string) metrics.Value
	// of a percentile of n values; ok is false for any other path
	bounds func(path string) (b stats.Bounds, n int, ok bool)
}

// mostCorners limits how many percentiles are tried at all combinations of their bounds.
const mostCorners = 6

// corner is a percentile with its bounds.
type corner struct {
	path string
	stats.Bounds
}

// judge evaluates an expression over two sides. A percentile is known only within its 95 % bounds, on either side: if
// the verdict is not the same at all combinations of the bounds, there is none.
func (g ExpressionGate) judge(from reading) (verdict event.Outcome, why string) {
	a := g.assertion
	at := func(path string) expr.Value {
		v := from.value(path)
		out := expr.Value{V: v.V, Unit: v.Unit, Source: v.Source, Why: v.Why, SoFar: v.SoFar,
			Unsupported: v.Unsupported}
		if v.Range != nil {
			out.Range = &expr.Range{Low: v.Range.Low, High: v.Range.High}
		}
		return out
	}
	r := a.Eval(at)
	if r.Verdict != expr.Pass && r.Verdict != expr.Fail {
		return event.Outcome(r.Verdict), r.Why
	}
	var corners []corner
	for _, o := range r.Operands {
		b, n, ok := from.bounds(o.Path)
		switch {
		case !ok || o.V == nil || len(corners) == mostCorners:
		case !math.IsInf(b.Lo, 0) && !math.IsInf(b.Hi, 0):
			corners = append(corners, corner{o.Path, b})
		case !a.SmallN():
			return event.Unknown, fmt.Sprintf("%s rests on %d repeats, too few to bound it: play more (--repeats %d), "+
				"or set allow_small_n: true", o.Path, n, bounding(o.Path))
		}
	}
	if !sameAtCorners(a, at, corners, r.Verdict) {
		var spans []string
		for _, c := range corners {
			spans = append(spans, fmt.Sprintf("%s is from %.4g to %.4g", c.path, c.Lo, c.Hi))
		}
		return event.Unknown, fmt.Sprintf("%s, and so within its 95 %% bounds it both holds and does not (%s): more "+
			"repeats would tell",
			operands(r), strings.Join(spans, ", "))
	}
	why = operands(r)
	if r.Verdict == expr.Fail && a.Message != "" {
		why += ": " + a.Message
	}
	return event.Outcome(r.Verdict), why
}

// bounding is how many repeats bound the percentile of a path from both sides.
func bounding(path string) int {
	_, stat, _ := metrics.CutStat(path)
	p, err := strconv.Atoi(strings.TrimPrefix(stat, "p"))
	if err != nil {
		return DefaultRepeats
	}
	return max(DefaultRepeats, stats.SmallestSample(p, stats.Level, true), stats.SmallestSample(p, stats.Level, false))
}

// sameAtCorners says whether an expression has the same verdict at all combinations of the bounds.
func sameAtCorners(a *expr.Assertion, at func(string) expr.Value, corners []corner, verdict expr.Verdict) bool {
	for mask := range 1 << len(corners) {
		moved := map[string]float64{}
		for i, c := range corners {
			if moved[c.path] = c.Lo; mask>>i&1 == 1 {
				moved[c.path] = c.Hi
			}
		}
		other := a.Eval(func(path string) expr.Value {
			v := at(path)
			if m, ok := moved[path]; ok {
				v.V = m
			}
			return v
		})
		if other.Verdict != verdict {
			return false
		}
	}
	return true
}

// operands describes the values that an expression read.
func operands(r expr.Result) string {
	var out []string
	for _, o := range r.Operands {
		switch v := o.V.(type) {
		case nil:
		case float64:
			text := fmt.Sprintf("%s is %.4g %s", o.Path, v, strings.TrimPrefix(o.Unit, "ratio"))
			out = append(out, strings.TrimSuffix(text, " "))
		default:
			out = append(out, fmt.Sprintf("%s is %v", o.Path, v))
		}
	}
	return strings.Join(out, ", ")
}
