package metrics

import (
	"fmt"
	"math"

	"homellm/dsl/figure"
	"homellm/engine/stats"
)

var compares = map[string]func(v, limit float64) bool{
	"<":  func(v, limit float64) bool { return v < limit },
	"<=": func(v, limit float64) bool { return v <= limit },
	">":  func(v, limit float64) bool { return v > limit },
	">=": func(v, limit float64) bool { return v >= limit },
}

// Certainty says whether a sample decides on which side of a limit a percentile lies.
type Certainty struct {
	OK   bool   // it does, or no bound can be computed
	Why  string // why not: the bound, and how many repeats would decide
	More int    // about how many more repeats would decide, at most [mostRepeats]; 0: decided
}

// mostRepeats is the largest number of repeats that a message names: more are not practical.
const mostRepeats = 1000

// Certain compares the bounds of a percentile with a limit. The repeats are the independent sample: the values of one
// repeat share its conditions. If the bounds lie on both sides of the limit, the reason names the bound on the other
// side and about how many more repeats would decide, since an interval shrinks with the square root of the sample
// size. A sample too small for a 95 % bound is judged as it is, because its author has accepted that; More then says
// how many repeats the bound needs.
func (d Dist) Certain(values []float64, p int, op string, limit float64, unit string, repeats int,
	looks stats.Looks) Certainty {
	return d.certain(values, values, p, op, limit, unit, repeats, looks)
}

// certain is Certain for values of which some are only known as intervals: it takes the lowest and the highest values
// they may have, and for each bound the worse.
func (d Dist) certain(low, high []float64, p int, op string, limit float64, unit string, repeats int,
	looks stats.Looks) Certainty {
	between, why := d.limits(fmt.Sprintf("p%d", p))
	holds, known := compares[op]
	if !known || why != "" || holds(between.Low, limit) != holds(between.High, limit) {
		return Certainty{OK: true} // or the unknown values leave it open, and more repeats do not help
	}
	of := fmt.Sprintf("p%d of %d values", p, d.N)
	if d.N != repeats {
		of += fmt.Sprintf(" from %d repeats", repeats)
	}
	// A pass must hold at the worse bound, a failure must fail even at the better one.
	upper := (op == "<" || op == "<=") == holds(between.Low, limit)
	at := between.Low
	if upper {
		at = between.High
	}
	look := 0
	if len(looks) > 0 {
		var enough bool
		look, enough = looks.Counted(func(size, look int) bool {
			return repeats*size/looks[len(looks)-1] >= stats.SmallestSample(p, stats.Confidence(look), upper)
		})
		if !enough {
			look++ // the bound that is missing
		}
	}
	level := stats.Confidence(look)
	bound := stats.PercentileBounds(low, repeats, p, level).Lo
	if upper {
		bound = stats.PercentileBounds(high, repeats, p, level).Hi
	}
	if math.IsInf(bound, 0) {
		missing := max(1, stats.SmallestSample(p, level, upper)-repeats)
		if repeats < stats.SmallestSample(p, stats.Level, upper) {
			return Certainty{OK: true, More: missing}
		}
		return Certainty{More: missing, Why: fmt.Sprintf("%s is %.4g%s, and a bound of %.4g %% confidence takes %d repeats "+
			"more",
			of, at, UnitAfter(unit), 100*level, missing)}
	}
	if holds(bound, limit) == holds(at, limit) {
		return Certainty{OK: true}
	}
	s := Certainty{More: mostRepeats}
	more := fmt.Sprintf("more than %d more repeats", mostRepeats)
	if gap := math.Abs(limit - at); gap > 0 {
		n := max(math.Ceil(float64(repeats)*(math.Pow(math.Abs(bound-at)/gap, 2)-1)), 1)
		if n <= mostRepeats {
			s.More = int(n)
			more = fmt.Sprintf("about %d more repeats", s.More)
		}
	}
	s.Why = fmt.Sprintf("%s is %.4g%s, but with %.4g %% confidence it may be %.4g%s, on the other side of %.4g: %s would "+
		"settle it", of, at, UnitAfter(unit), 100*level, bound, UnitAfter(unit), limit, more)
	return s
}

// UnitAfter is a unit with the space before it, to follow a number; shares have none.
func UnitAfter(unit string) string {
	if unit == "" || unit == "ratio" {
		return ""
	}
	return " " + unit
}

// Certain is [Dist.Certain] for the path of a percentile in scenario scope, such as steps.q1.ttft_ms.p50, and
// [Score.Certain] for that of a score, and the same for a drift. Any other path is decided, because no bound is
// claimed for it.
func (c *Cell) Certain(path, op string, limit float64, looks stats.Looks) Certainty {
	if name, ok := figure.CutScore(path); ok {
		s, _ := c.Score(name)
		return s.Certain(op, limit, looks)
	}
	if out, ok := c.certainDrift(path, op, limit, looks); ok {
		return out
	}
	m, p, ok := c.percentile(path)
	if !ok {
		return Certainty{OK: true}
	}
	low, high := ends(m.ends)
	return m.described("").certain(low, high, p, op, limit, m.def.Unit, m.repeats(), looks)
}

// percentile splits the path of a percentile and returns the values of its metric.
func (c *Cell) percentile(path string) (m members, p int, ok bool) {
	name, stat, found := CutStat(path)
	if _, err := fmt.Sscanf(stat, "p%d", &p); !found || err != nil {
		return m, 0, false
	}
	at, known := figure.Parse(figure.ScenarioScope, name)
	d, defined := Lookup(at.Rest)
	if !known || at.Turns != figure.EachTurn || !defined || !d.Numeric() {
		return m, 0, false
	}
	m, _ = d.chosen(c, groupOf(at))
	return m, p, true
}

// Bounds are the bounds of a path that ends in a percentile, and the number of repeats behind its values; ok is false
// for any other path.
func (c *Cell) Bounds(path string) (b stats.Bounds, repeats int, ok bool) {
	m, p, ok := c.percentile(path)
	if !ok {
		return b, 0, false
	}
	low, high := ends(m.ends)
	n := m.repeats()
	b.Lo = stats.PercentileBounds(low, n, p, stats.Level).Lo
	b.Hi = stats.PercentileBounds(high, n, p, stats.Level).Hi
	return b, n, true
}

// certainDrift compares the bounds of a drift with a limit; ok is false for any other path.
func (c *Cell) certainDrift(path, op string, limit float64, looks stats.Looks) (out Certainty, ok bool) {
	name, known := figure.Parse(figure.ScenarioScope, path)
	if !known || name.Level != figure.RunLevel {
		return out, false
	}
	d, defined := Lookup(name.Rest)
	if !defined || d.drift == "" {
		return out, false
	}
	r, _ := c.rise(d.drift)
	holds, compared := compares[op]
	if !compared || r.n < leastDrift || holds(r.low, limit) != holds(r.high, limit) {
		return Certainty{OK: true}, true // or the unknown values leave it open
	}
	level := stats.Confidence(len(looks))
	low, high := r.bounds(level)
	at, bound := r.low, low
	if upper := (op == "<" || op == "<=") == holds(r.low, limit); upper {
		at, bound = r.high, high
	}
	if holds(bound, limit) == holds(at, limit) {
		return Certainty{OK: true}, true
	}
	unit := UnitAfter(d.Unit)
	return Certainty{More: r.n, Why: fmt.Sprintf("%s is %.4g%s over %d values, but with %.4g %% confidence it may be "+
		"%.4g%s, on the other side of %.4g: a longer run would settle it", d.Name, at, unit, r.n, 100*level, bound, unit,
		limit)}, true
}
