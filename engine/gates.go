package engine

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"homellm/dsl"
	"homellm/dsl/expr"
	"homellm/engine/metrics"
)

// mostCorners bounds the percentiles whose bounds are tried in all combinations.
const mostCorners = 6

// FreeGates are the expressions of a gates file, ready to be judged.
func FreeGates(g *dsl.Gates) []metrics.FreeGate {
	var out []metrics.FreeGate
	for _, a := range g.Assert {
		out = append(out, metrics.FreeGate{
			Gate: metrics.Gate{
				Name: a.Name, Metric: a.That, Severity: a.Severity, OnUnknown: a.OnUnknown,
				File: a.Pos.File, Line: a.Pos.Line, Column: a.Pos.Col,
			},
			Paths: a.Paths(),
			Judge: func(see metrics.See) (string, string) { return judgeFree(a, see) },
		})
	}
	return out
}

// Figures are the paths that the expressions name of what a run is compared with.
func Figures(gates []metrics.FreeGate) []string {
	var out []string
	for _, g := range gates {
		for _, path := range g.Paths {
			rest, ok := strings.CutPrefix(path, "base.")
			if ok && rest != "matches" && rest != "age_h" && !slices.Contains(out, rest) {
				out = append(out, rest)
			}
		}
	}
	return out
}

// judgeFree evaluates an expression over two sides. A percentile is known no better than by its
// 95 % bounds, on either side: a verdict that is not the same at all combinations of them is none.
func judgeFree(a *expr.Assertion, see metrics.See) (verdict, why string) {
	at := func(path string) expr.Value {
		v := see.Value(path)
		return expr.Value{V: v.V, Unit: v.Unit, Source: v.Source, Why: v.Why}
	}
	r := a.Eval(at)
	if r.Verdict == expr.Unknown {
		return r.Verdict, r.Why
	}
	type corner struct {
		path   string
		lo, hi float64
	}
	var corners []corner
	for _, o := range r.Operands {
		b, n, ok := see.Bounds(o.Path)
		switch {
		case !ok || o.V == nil || len(corners) == mostCorners:
		case !math.IsInf(b.Lo, 0) && !math.IsInf(b.Hi, 0):
			corners = append(corners, corner{o.Path, b.Lo, b.Hi})
		case !a.SmallN():
			return expr.Unknown, fmt.Sprintf("%s is of %d values, which do not bound it: play more repeats (--repeats %d), or set allow_small_n: true", o.Path, n, metrics.DefaultRepeats)
		}
	}
	for mask := range 1 << len(corners) {
		moved := map[string]float64{}
		for i, c := range corners {
			if moved[c.path] = c.lo; mask>>i&1 == 1 {
				moved[c.path] = c.hi
			}
		}
		other := a.Eval(func(path string) expr.Value {
			v := at(path)
			if m, ok := moved[path]; ok {
				v.V = m
			}
			return v
		})
		if other.Verdict != r.Verdict {
			var spans []string
			for _, c := range corners {
				spans = append(spans, fmt.Sprintf("%s is from %.4g to %.4g", c.path, c.lo, c.hi))
			}
			return expr.Unknown, fmt.Sprintf("%s, and so within its 95 %% bounds it both holds and does not (%s): more repeats would tell", operands(r), strings.Join(spans, ", "))
		}
	}
	why = operands(r)
	if r.Verdict == expr.Fail && a.Message != "" {
		why += ": " + a.Message
	}
	return r.Verdict, why
}

// operands are the values that an expression read, in words.
func operands(r expr.Result) string {
	var out []string
	for _, o := range r.Operands {
		switch v := o.V.(type) {
		case nil:
		case float64:
			out = append(out, strings.TrimSuffix(fmt.Sprintf("%s is %.4g %s", o.Path, v, strings.TrimPrefix(o.Unit, "ratio")), " "))
		default:
			out = append(out, fmt.Sprintf("%s is %v", o.Path, v))
		}
	}
	return strings.Join(out, ", ")
}
