package stats

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"golang.org/x/perf/benchmath"
)

// errNoSample says that a test had nothing to work on.
var errNoSample = errors.New("there is no sample")

// Shift is how far the values of one sample lie from those of another, and how sure that is.
type Shift struct {
	By     float64 // best estimate, in the unit of the values
	Lo, Hi float64 // confidence interval of By; infinite where the samples are too few for one
	P      float64 // two-sided probability of a difference like this between equal samples
}

// Unpaired estimates the shift from a to b without assuming a distribution: P is that of the
// Mann-Whitney U test, By the median of all differences b[j]-a[i] (Hodges and Lehmann 1963), which
// is the estimate that belongs to the test, and the interval inverts the test: the differences of
// rank k and mn+1-k, where k is the largest rank with P(U < k) <= (1-confidence)/2.
func Unpaired(a, b []float64, confidence float64) (Shift, error) {
	if len(a) == 0 || len(b) == 0 {
		return Shift{}, errNoSample
	}
	p, err := mannWhitney(a, b)
	if err != nil {
		return Shift{}, err
	}
	diffs := make([]float64, 0, len(a)*len(b))
	for _, x := range a {
		for _, y := range b {
			diffs = append(diffs, y-x)
		}
	}
	slices.Sort(diffs)
	s := Shift{By: middle(diffs), P: p}
	s.Lo, s.Hi = ranked(diffs, lowRank(uCounts(len(a), len(b)), (1-confidence)/2))
	return s, nil
}

// mannWhitney is the p-value of the two-sided U test.
func mannWhitney(a, b []float64) (float64, error) {
	if slices.Min(slices.Concat(a, b)) == slices.Max(slices.Concat(a, b)) {
		return 1, nil // every value is the same: the test is not defined, the answer is
	}
	t := benchmath.DefaultThresholds
	c := benchmath.AssumeNothing.Compare(benchmath.NewSample(slices.Clone(a), &t),
		benchmath.NewSample(slices.Clone(b), &t))
	if math.IsNaN(c.P) {
		return 0, fmt.Errorf("the U test of %d and %d values has no result", len(a), len(b))
	}
	return c.P, nil
}

// Paired estimates the shift from a[i] to b[i] of samples that were taken in turn, so that what
// both share, such as a drift of the machine, cancels. P is that of the Wilcoxon signed-rank test
// under the exact distribution given the ties (differences of 0 are left out), By the median of
// the Walsh averages, and the interval inverts the test as above.
func Paired(a, b []float64, confidence float64) (Shift, error) {
	if len(a) != len(b) {
		return Shift{}, fmt.Errorf("a paired test needs as many values on both sides, and there are %d and %d", len(a),
			len(b))
	}
	if len(a) == 0 {
		return Shift{}, errNoSample
	}
	diffs := make([]float64, len(a))
	for i := range a {
		diffs[i] = b[i] - a[i]
	}
	walsh := make([]float64, 0, len(diffs)*(len(diffs)+1)/2)
	for i, x := range diffs {
		for _, y := range diffs[i:] {
			walsh = append(walsh, (x+y)/2)
		}
	}
	slices.Sort(walsh)
	s := Shift{By: middle(walsh), P: signedRank(diffs)}
	s.Lo, s.Hi = ranked(walsh, lowRank(wCounts(len(diffs)), (1-confidence)/2))
	return s, nil
}

// signedRank is the two-sided p-value of the Wilcoxon signed-rank test: under the null hypothesis
// each difference is as likely to be positive as negative, whatever its size. Ranks are doubled,
// so that the middle rank of a tie is a whole number.
func signedRank(diffs []float64) float64 {
	type rank struct {
		size     float64
		positive bool
		twice    int
	}
	var r []rank
	for _, d := range diffs {
		if d != 0 {
			r = append(r, rank{math.Abs(d), d > 0, 0})
		}
	}
	if len(r) == 0 {
		return 1
	}
	slices.SortFunc(r, func(a, b rank) int { return cmp.Compare(a.size, b.size) })
	for i := 0; i < len(r); {
		j := i
		for j < len(r) && r[j].size == r[i].size {
			j++
		}
		for k := i; k < j; k++ {
			r[k].twice = i + 1 + j // the mean of the ranks i+1 … j, doubled
		}
		i = j
	}
	ways, total, w := []float64{1}, 0, 0
	for _, v := range r {
		total += v.twice
		if v.positive {
			w += v.twice
		}
		ways = withTerm(ways, v.twice)
	}
	w = min(w, total-w)
	var below, all float64
	for s, n := range ways {
		all += n
		if s <= w {
			below += n
		}
	}
	return math.Min(1, 2*below/all)
}

// ranked returns the values of rank k and of rank k from the end; infinite where k is 0.
func ranked(sorted []float64, k int) (lo, hi float64) {
	if k == 0 {
		return math.Inf(-1), math.Inf(1)
	}
	return sorted[k-1], sorted[len(sorted)-k]
}

// Means estimates the shift of the means, with Welch's interval. P stays that of the U test,
// which does not rest on a normal distribution.
func Means(a, b []float64, confidence float64) (Shift, error) {
	s, err := Unpaired(a, b, confidence)
	if err != nil {
		return s, err
	}
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)) // the sum does not depend on the order
	s.By, s.Lo, s.Hi = Mean(b)-Mean(a), math.Inf(-1), math.Inf(1)
	if len(a) > 1 && len(b) > 1 {
		na, nb := float64(len(a)), float64(len(b))
		da, db := Deviation(a), Deviation(b)
		va, vb := da*da/na, db*db/nb
		half := 0.0
		if va+vb > 0 {
			df := (va + vb) * (va + vb) / (va*va/(na-1) + vb*vb/(nb-1))
			half = studentQuantile(1-(1-confidence)/2, df) * math.Sqrt(va+vb)
		}
		s.Lo, s.Hi = s.By-half, s.By+half
	}
	return s, nil
}

// PairedMeans is [Means] for samples taken in turn; P is that of the signed-rank test.
func PairedMeans(a, b []float64, confidence float64) (Shift, error) {
	s, err := Paired(a, b, confidence)
	if err != nil {
		return s, err
	}
	diffs := make([]float64, len(a))
	for i := range a {
		diffs[i] = b[i] - a[i]
	}
	slices.Sort(diffs) // the sum does not depend on the order
	s.By, s.Lo, s.Hi = Mean(diffs), math.Inf(-1), math.Inf(1)
	if n := float64(len(diffs)); n > 1 {
		half := studentQuantile(1-(1-confidence)/2, n-1) * Deviation(diffs) / math.Sqrt(n)
		s.Lo, s.Hi = s.By-half, s.By+half
	}
	return s, nil
}
