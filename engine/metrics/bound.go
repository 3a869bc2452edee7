package metrics

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// confidence is that of every one-sided bound and, doubled on its two sides, of every interval.
const confidence = 0.95

// Bounds are one-sided bounds of a true percentile, taken from the order of the values alone:
// with at least 95 % confidence it is not below Lo, and with the same not above Hi. A bound that the
// sample is too small for is infinite.
type Bounds struct{ Lo, Hi float64 }

// PercentileBounds bounds the p-th percentile. The number of values below the true percentile is
// binomial with n and p/100, whatever the distribution; Hi is the smallest value whose rank k has
// P(B < k) >= 0.95, Lo the largest with P(B >= k) >= 0.95.
func PercentileBounds(values []float64, p int) Bounds {
	s := slices.Sorted(slices.Values(values))
	b := Bounds{math.Inf(-1), math.Inf(1)}
	n, q := len(s), float64(p)/100
	below := 0.0 // P(B < k)
	for k := 1; k <= n; k++ {
		below += binomial(n, k-1, q)
		if 1-below >= confidence {
			b.Lo = s[k-1]
		}
		if below >= confidence {
			b.Hi = s[k-1]
			break
		}
	}
	return b
}

var compares = map[string]func(v, limit float64) bool{
	"<":  func(v, limit float64) bool { return v < limit },
	"<=": func(v, limit float64) bool { return v <= limit },
	">":  func(v, limit float64) bool { return v > limit },
	">=": func(v, limit float64) bool { return v >= limit },
}

func binomial(n, k int, q float64) float64 {
	a, _ := math.Lgamma(float64(n + 1))
	b, _ := math.Lgamma(float64(k + 1))
	c, _ := math.Lgamma(float64(n - k + 1))
	return math.Exp(a - b - c + float64(k)*math.Log(q) + float64(n-k)*math.Log(1-q))
}

// Settles says whether the bounds of a percentile lie on one side of a limit. If not, the reason
// names the bound and about how many more values would settle it: an interval shrinks with the
// root of the sample. A sample too small for the bound that matters settles nothing and everything:
// the percentile's floor has been accepted before, by the author.
func (d Dist) Settles(values []float64, p int, op string, limit float64, unit string) (ok bool, why string) {
	b := PercentileBounds(values, p)
	at, _ := d.Stat(fmt.Sprintf("p%d", p))
	holds, known := compares[op]
	if !known {
		return true, ""
	}
	// A pass must hold at the worst bound, a failure must fail at the best one.
	low := op == "<" || op == "<="
	bound := b.Lo
	if low == holds(at, limit) {
		bound = b.Hi
	}
	if math.IsInf(bound, 0) || holds(bound, limit) == holds(at, limit) {
		return true, ""
	}
	more := "more repeats"
	if gap := math.Abs(limit - at); gap > 0 {
		n := math.Ceil(float64(d.N) * (math.Pow(math.Abs(bound-at)/gap, 2) - 1))
		if n = max(n, 1); n <= 1000 {
			more = fmt.Sprintf("about %.0f more values", n)
		} else {
			more = "more than 1000 more values"
		}
	}
	return false, fmt.Sprintf("p%d of %d values is %.4g%s, but with 95 %% confidence it may be %.4g%s, on the other side of %.4g: %s would settle it",
		p, d.N, at, spaced(unit), bound, spaced(unit), limit, more)
}

func spaced(unit string) string {
	if unit == "" || unit == "ratio" {
		return ""
	}
	return " " + unit
}

// Settles is [Dist.Settles] for the path of a percentile in scenario scope, such as
// steps.q1.ttft_ms.p50. Any other path is settled: no bound is claimed for it.
func (c *Cell) Settles(path, op string, limit float64) (ok bool, why string) {
	name, stat, found := cutStat(path)
	var p int
	if _, err := fmt.Sscanf(stat, "p%d", &p); !found || err != nil {
		return true, ""
	}
	root, rest, _ := strings.Cut(name, ".")
	id, metric, _ := strings.Cut(rest, ".")
	g, known := map[string]Group{"steps": {Step: id}, "phases": {Phase: id}, "conversations": {Conversation: id}}[root]
	d, defined := Lookup(metric)
	if !known || !defined || !d.Numeric() {
		return true, ""
	}
	var values []float64
	if g.Step == "" && (d.over != nil || d.Fold == Sum) {
		values = c.Sample(name).Values
	} else {
		for _, q := range d.asked(c.Measured(g)) {
			if v, ok := d.Each(c, q).Number(); ok {
				values = append(values, v)
			}
		}
	}
	return NewDist(values).Settles(values, p, op, limit, d.Unit)
}
