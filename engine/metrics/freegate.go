package metrics

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// FreeGate is a gate written as an expression over the new side and, below base., the old one.
type FreeGate struct {
	Gate  Gate // Metric is the expression
	Paths []string
	Judge func(See) (verdict, why string) // pass, fail or unknown
}

// See gives an expression of a gates file its values.
type See struct {
	Value  func(path string) Value
	Bounds func(path string) (b Bounds, n int, ok bool) // of a percentile of n values; ok is false for any other path
}

// basePrefix begins the paths of the old side.
const basePrefix = "base."

// judge evaluates the free-form gates. What is below base. is unknown where why is not empty.
func (r Rules) judge(p *Pair, old, new Source, now time.Time, why string) {
	see := See{
		Value: func(path string) Value {
			rest, ofOld := strings.CutPrefix(path, basePrefix)
			switch {
			case !ofOld:
				return new.Figure(path)
			case rest == "matches" && p.Missing == "":
				return Value{V: p.comparable(), Source: "fingerprints"}
			case rest == "age_h" && p.Missing == "" && !old.Recorded.IsZero():
				return Value{V: now.Sub(old.Recorded).Hours(), Unit: "h", Source: "the baseline"}
			case rest == "age_h" && p.Missing == "":
				return Value{Why: "the old side is a run, which has no age"}
			case why != "":
				return Value{Why: why}
			}
			return old.Figure(rest)
		},
		Bounds: func(path string) (Bounds, int, bool) {
			if rest, ofOld := strings.CutPrefix(path, basePrefix); ofOld {
				return old.Bounds(rest)
			}
			return new.Bounds(path)
		},
	}
	for _, g := range r.Free {
		if p.Missing != "" && slices.ContainsFunc(g.Paths, func(path string) bool { return strings.HasPrefix(path, basePrefix) }) {
			continue // the pair says itself that there is nothing to compare with
		}
		d := Delta{Gate: g.Gate, Test: "expression"}
		d.Verdict, d.Why = g.Judge(see)
		p.Deltas = append(p.Deltas, d)
	}
}

// Absent is the pair of a cell that has nothing to be compared with: only what does not ask for
// the old side is judged.
func (r Rules) Absent(p Pair, new Source, now time.Time) Pair {
	p.Sides[1] = new
	r.judge(&p, Source{}, new, now, p.Missing)
	return p
}

// figure is the value of a path in scenario scope.
func (c *Cell) figure(path string) Value { return (&look{cell: c}).find("scenario", path) }

// bounds are those of a path that ends in a percentile.
func (c *Cell) bounds(path string) (Bounds, int, bool) {
	values, p, _, ok := c.percentile(path)
	if !ok {
		return Bounds{}, 0, false
	}
	return PercentileBounds(values, p, confidence), len(values), true
}

// Figures are what expressions read of a baseline beside its samples: full paths in scenario scope, such as
// steps.q1.ttft_ms.p95. The bounds of a percentile stand beside it as .lo and .hi where they are finite, the
// number of its values as .n of its metric.
type Figures map[string]float64

// Figures reads these paths, or says which one is not known.
func (c *Cell) Figures(paths []string) (Figures, error) {
	if len(paths) == 0 {
		return nil, nil
	}
	out := Figures{}
	for _, path := range paths {
		v := c.figure(path)
		f, ok := v.Number()
		if !ok {
			return nil, fmt.Errorf("the run has no value of %s: %s", path, v.Why)
		}
		out[path] = f
		if b, n, ok := c.bounds(path); ok {
			name, _, _ := cutStat(path)
			out[name+".n"] = float64(n)
			for key, bound := range map[string]float64{".lo": b.Lo, ".hi": b.Hi} {
				if !math.IsInf(bound, 0) {
					out[path+key] = bound
				}
			}
		}
	}
	return out, nil
}

// value is one figure.
func (f Figures) value(path string) Value {
	v, ok := f[path]
	if !ok {
		return Value{Why: "the baseline does not hold " + path + ": record it anew with this gates file"}
	}
	return Value{V: v, Source: "baseline"}
}

func (f Figures) bounds(path string) (Bounds, int, bool) {
	name, stat, ok := cutStat(path)
	if !ok || !strings.HasPrefix(stat, "p") {
		return Bounds{}, 0, false
	}
	b := Bounds{math.Inf(-1), math.Inf(1)}
	if lo, ok := f[path+".lo"]; ok {
		b.Lo = lo
	}
	if hi, ok := f[path+".hi"]; ok {
		b.Hi = hi
	}
	return b, int(f[name+".n"]), true
}
