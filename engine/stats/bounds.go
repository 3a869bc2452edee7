package stats

import (
	"math"
	"slices"

	"golang.org/x/perf/benchmath"
)

// Level is the confidence of every one-sided bound, and of every interval of a sample that is judged once.
const Level = 0.95

// Bounds are one-sided bounds of a true percentile, from the order of the values alone: with the given confidence it
// is not below Lo, and with the same confidence not above Hi. A bound is infinite if the sample is too small for it.
type Bounds struct{ Lo, Hi float64 }

// PercentileBounds bounds the p-th percentile of values from n repeats. The repeats are the independent sample, not
// the values: the values of one repeat share its conditions. The number of repeats below the true percentile is
// binomial with n and p/100 for any distribution. Hi is the smallest rank k with P(B < k) >= confidence, Lo the
// largest with P(B >= k) >= confidence, each taken at its share of the pooled values. With one value per repeat the
// bounds are the values of these ranks.
func PercentileBounds(values []float64, n, p int, confidence float64) Bounds {
	s := slices.Sorted(slices.Values(values))
	b := Bounds{math.Inf(-1), math.Inf(1)}
	q := float64(p) / 100
	below := 0.0 // P(B < k)
	for k := 1; k <= n && len(s) > 0; k++ {
		below += binomial(n, k-1, q)
		if 1-below >= confidence {
			b.Lo = s[(k-1)*len(s)/n]
		}
		if below >= confidence {
			b.Hi = s[max((k*len(s)+n-1)/n, 1)-1]
			break
		}
	}
	return b
}

// SmallestSample is the sample size from which the upper or lower bound of a percentile is finite, which is when the
// probability that all values lie on its other side is at most 1 - confidence.
func SmallestSample(p int, confidence float64, upper bool) int {
	q := float64(p) / 100
	if !upper {
		q = 1 - q
	}
	return int(math.Ceil(math.Log(1-confidence)/math.Log(q) - 1e-9))
}

func binomial(n, k int, q float64) float64 {
	a, _ := math.Lgamma(float64(n + 1))
	b, _ := math.Lgamma(float64(k + 1))
	c, _ := math.Lgamma(float64(n - k + 1))
	return math.Exp(a - b - c + float64(k)*math.Log(q) + float64(n-k)*math.Log(1-q))
}

// MedianInterval is the median of a sample and its confidence interval, from the order of the values alone; infinite
// if the sample is too small for one.
func MedianInterval(values []float64, confidence float64) (median, lo, hi float64) {
	t := benchmath.DefaultThresholds
	sum := benchmath.AssumeNothing.Summary(benchmath.NewSample(slices.Clone(values), &t), confidence)
	return sum.Center, sum.Lo, sum.Hi
}
