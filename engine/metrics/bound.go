package metrics

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// confidence is that of every one-sided bound and of every interval of a run that is judged once.
const confidence = 0.95

// share is the part of the error allowed in all that the n-th look at a growing sample may use up
// (n from 1; 0 is the only look there is). Whoever looks again and again and stops at the first
// look that satisfies him is wrong far more often than the 5 % of one look. The shares 1/(n(n+1))
// add up to 1 over any number of looks, so the chance of ever being wrong stays what it is for one
// (Bonferroni's inequality, which asks for no independence).
func share(look int) float64 {
	if look <= 0 {
		return 1
	}
	return 1 / float64(look*(look+1))
}

// Confidence is that of a bound at the n-th look, such that all looks together keep 95 %.
func Confidence(look int) float64 { return 1 - (1-confidence)*share(look) }

// Looks are the sizes that a growing sample had, in repeats, whenever it was judged to decide whether it grows on,
// up to now. None: it is judged once.
type Looks []int

// counted is the number of looks at which the sample was large enough for a judgement. The others
// could decide nothing, whatever was measured, and so use up nothing. enough says whether it is now.
func (l Looks) counted(large func(size, look int) bool) (look int, enough bool) {
	for _, size := range l {
		if enough = large(size, look+1); enough {
			look++
		}
	}
	return look, enough
}

// NextLook is the sample size at which a sample of n is looked at again: half as many more. Looks
// that far apart cost little, since each must be the surer the more there are.
func NextLook(n int) int { return n + max(1, n/2) }

// Bounds are one-sided bounds of a true percentile, taken from the order of the values alone: with
// the confidence asked for it is not below Lo, and with the same not above Hi. A bound that the
// sample is too small for is infinite.
type Bounds struct{ Lo, Hi float64 }

// PercentileBounds bounds the p-th percentile. The number of values below the true percentile is
// binomial with n and p/100, whatever the distribution; Hi is the smallest value whose rank k has
// P(B < k) >= confidence, Lo the largest with P(B >= k) >= confidence.
func PercentileBounds(values []float64, p int, confidence float64) Bounds {
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

// smallest is the sample size from which the upper or lower bound of a percentile is finite: the
// chance that all values lie on its other side is at most 1 - confidence.
func smallest(p int, confidence float64, upper bool) int {
	q := float64(p) / 100
	if !upper {
		q = 1 - q
	}
	return int(math.Ceil(math.Log(1-confidence)/math.Log(q) - 1e-9))
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

// Settled says whether a sample decides on which side of a limit a percentile lies.
type Settled struct {
	OK   bool   // it does, or nothing better can be asked of it
	Why  string // why not: the bound, and what would settle it
	More int    // about how many more repeats would settle it; 0: it is settled, or no number is known
}

// Settles holds the bounds of a percentile against a limit. If they lie on both sides the reason
// names the bound and about how many more repeats would settle it, with as many values in each: an
// interval shrinks with the root of the sample. A sample too small for a 95 % bound settles nothing and everything: it is judged as
// it stands, which its author has accepted, and More says what the bound takes.
func (d Dist) Settles(values []float64, p int, op string, limit float64, unit string, repeats int, looks Looks) Settled {
	inRepeats := func(n int) int { return (n*repeats + d.N - 1) / d.N }
	at, _ := d.Stat(fmt.Sprintf("p%d", p))
	holds, known := compares[op]
	if !known || d.N == 0 {
		return Settled{OK: true}
	}
	// A pass must hold at the worst bound, a failure must fail at the best one.
	upper := (op == "<" || op == "<=") == holds(at, limit)
	look := 0
	if len(looks) > 0 {
		var enough bool
		look, enough = looks.counted(func(size, look int) bool {
			return d.N*size/looks[len(looks)-1] >= smallest(p, Confidence(look), upper)
		})
		if !enough {
			look++ // the one that is missing
		}
	}
	level := Confidence(look)
	b := PercentileBounds(values, p, level)
	bound := b.Lo
	if upper {
		bound = b.Hi
	}
	if math.IsInf(bound, 0) {
		missing := inRepeats(max(1, smallest(p, level, upper)-d.N))
		if d.N < smallest(p, confidence, upper) {
			return Settled{OK: true, More: missing}
		}
		return Settled{More: missing, Why: fmt.Sprintf("p%d of %d values is %.4g%s, and a bound of %.4g %% confidence takes %d repeats more",
			p, d.N, at, spaced(unit), 100*level, missing)}
	}
	if holds(bound, limit) == holds(at, limit) {
		return Settled{OK: true}
	}
	s := Settled{}
	more := "more repeats"
	if gap := math.Abs(limit - at); gap > 0 {
		n := max(math.Ceil(float64(d.N)*(math.Pow(math.Abs(bound-at)/gap, 2)-1)), 1)
		if more = "more than 1000 more repeats"; n <= 1e6 && inRepeats(int(n)) <= 1000 {
			s.More = inRepeats(int(n))
			more = fmt.Sprintf("about %d more repeats", s.More)
		}
	}
	s.Why = fmt.Sprintf("p%d of %d values is %.4g%s, but with %.4g %% confidence it may be %.4g%s, on the other side of %.4g: %s would settle it",
		p, d.N, at, spaced(unit), 100*level, bound, spaced(unit), limit, more)
	return s
}

func spaced(unit string) string {
	if unit == "" || unit == "ratio" {
		return ""
	}
	return " " + unit
}

// Settles is [Dist.Settles] for the path of a percentile in scenario scope, such as
// steps.q1.ttft_ms.p50. Any other path is settled: no bound is claimed for it.
func (c *Cell) Settles(path, op string, limit float64, looks Looks) Settled {
	values, p, unit, ok := c.percentile(path)
	if !ok {
		return Settled{OK: true}
	}
	return NewDist(values).Settles(values, p, op, limit, unit, len(c.Repeats()), looks)
}

// percentile takes the path of a percentile apart and returns the values that it is one of.
func (c *Cell) percentile(path string) (values []float64, p int, unit string, ok bool) {
	name, stat, found := cutStat(path)
	if _, err := fmt.Sscanf(stat, "p%d", &p); !found || err != nil {
		return nil, 0, "", false
	}
	root, rest, _ := strings.Cut(name, ".")
	id, metric, _ := strings.Cut(rest, ".")
	g, known := map[string]Group{"steps": {Step: id}, "phases": {Phase: id}, "conversations": {Conversation: id}}[root]
	d, defined := Lookup(metric)
	if !known || !defined || !d.Numeric() {
		return nil, 0, "", false
	}
	if g.Step == "" && (d.over != nil || d.Fold == Sum) {
		return c.Sample(name).Values, p, d.Unit, true
	}
	for _, q := range d.asked(c.Measured(g)) {
		if v, ok := d.Each(c, q).Number(); ok {
			values = append(values, v)
		}
	}
	return values, p, d.Unit, true
}
