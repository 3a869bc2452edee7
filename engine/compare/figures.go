package compare

import (
	"fmt"
	"math"
	"strings"

	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/stats"
)

// Figures are the values that expressions read of a baseline, besides its samples: full paths in scenario scope, such
// as steps.q1.ttft_ms.p95. For a value that is not exact, .least and .most are its limits, if it has any. For a
// percentile, .lo and .hi are its finite bounds; .n of a metric is the number of its repeats.
type Figures map[string]float64

// The suffixes of limits.
const (
	least = ".least"
	most  = ".most"
)

// figuresOf reads these paths of a cell, or names a required one that is unknown.
func figuresOf(c *metrics.Cell, paths []wanted) (Figures, error) {
	if len(paths) == 0 {
		return nil, nil
	}
	out := Figures{}
	for _, w := range paths {
		path, v := w.path, figures(c)(w.path)
		f, ok := v.Number()
		switch {
		case ok:
			out[path] = f
		case v.Range != nil:
			out.keep(path+least, v.Range.Low)
			out.keep(path+most, v.Range.High)
		case w.missed(v.Unsupported):
			return nil, fmt.Errorf("the run has no value of %s: %s", path, v.Why)
		default:
			continue
		}
		if b, n, ok := c.Bounds(path); ok {
			name, _, _ := metrics.CutStat(path)
			out[name+".n"] = float64(n)
			out.keep(path+".lo", b.Lo)
			out.keep(path+".hi", b.Hi)
		}
	}
	return out, nil
}

// keepLimit stores a finite limit.
func (f Figures) keep(name string, limit float64) {
	if !math.IsInf(limit, 0) {
		f[name] = limit
	}
}

// limit is a stored limit, or infinity if none is stored.
func (f Figures) limit(name string, none float64) float64 {
	if v, ok := f[name]; ok {
		return v
	}
	return none
}

// notKept is the reason if a baseline was recorded with another gates file.
func notKept(path string) string {
	return "the baseline does not hold " + path + ": record it anew with this gates file"
}

// value is one figure.
func (f Figures) value(path string) metrics.Value {
	if v, ok := f[path]; ok {
		return metrics.Value{V: v, Source: "baseline"}
	}
	within := event.Range{Low: f.limit(path+least, math.Inf(-1)), High: f.limit(path+most, math.Inf(1))}
	if math.IsInf(within.Low, 0) && math.IsInf(within.High, 0) {
		return metrics.Value{Why: notKept(path)}
	}
	return metrics.Value{Why: "not known exactly when the baseline was recorded", Range: &within}
}

func (f Figures) bounds(path string) (stats.Bounds, int, bool) {
	name, stat, ok := metrics.CutStat(path)
	if !ok || !strings.HasPrefix(stat, "p") {
		return stats.Bounds{}, 0, false
	}
	b := stats.Bounds{Lo: f.limit(path+".lo", math.Inf(-1)), Hi: f.limit(path+".hi", math.Inf(1))}
	return b, int(f[name+".n"]), true
}

// figures finds the value of a path in scenario scope.
func figures(c *metrics.Cell) func(path string) metrics.Value { return c.Lookup("scenario", 0, "", "") }
