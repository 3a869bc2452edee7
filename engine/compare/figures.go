package compare

import (
	"fmt"
	"math"
	"strings"

	"homellm/engine/metrics"
	"homellm/engine/stats"
)

// Figures are what expressions read of a baseline beside its samples: full paths in scenario scope, such as
// steps.q1.ttft_ms.p95. The bounds of a percentile stand beside it as .lo and .hi where they are finite, the
// number of its repeats as .n of its metric.
type Figures map[string]float64

// figuresOf reads these paths of a cell, or says which one is not known.
func figuresOf(c *metrics.Cell, paths []string) (Figures, error) {
	if len(paths) == 0 {
		return nil, nil
	}
	out := Figures{}
	for _, path := range paths {
		v := figures(c)(path)
		f, ok := v.Number()
		if !ok {
			return nil, fmt.Errorf("the run has no value of %s: %s", path, v.Why)
		}
		out[path] = f
		if b, n, ok := c.Bounds(path); ok {
			name, _, _ := metrics.CutStat(path)
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

// notKept says that a baseline was recorded with another gates file.
func notKept(path string) string {
	return "the baseline does not hold " + path + ": record it anew with this gates file"
}

// value is one figure.
func (f Figures) value(path string) metrics.Value {
	v, ok := f[path]
	if !ok {
		return metrics.Value{Why: notKept(path)}
	}
	return metrics.Value{V: v, Source: "baseline"}
}

func (f Figures) bounds(path string) (stats.Bounds, int, bool) {
	name, stat, ok := metrics.CutStat(path)
	if !ok || !strings.HasPrefix(stat, "p") {
		return stats.Bounds{}, 0, false
	}
	b := stats.Bounds{Lo: math.Inf(-1), Hi: math.Inf(1)}
	if lo, ok := f[path+".lo"]; ok {
		b.Lo = lo
	}
	if hi, ok := f[path+".hi"]; ok {
		b.Hi = hi
	}
	return b, int(f[name+".n"]), true
}

// figures finds the value of a path in scenario scope.
func figures(c *metrics.Cell) func(path string) metrics.Value { return c.Lookup("scenario", 0, "", "") }
