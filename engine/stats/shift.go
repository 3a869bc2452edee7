package stats

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// errNoSample says that a test had no values.
var errNoSample = errors.New("there is no sample")

// Shift is how far the values of one sample lie from those of another, and how certain that is.
type Shift struct {
	By     float64 // best estimate, in the unit of the values
	Lo, Hi float64 // confidence interval of By; infinite if the samples are too small for one
	Probabilities
}

// Unpaired estimates the shift from a to b without assuming a distribution. The probabilities are those of [RankSum].
// By is the median of all differences b[j]-a[i] (Hodges and Lehmann 1963), the estimate that belongs to this test.
// The interval inverts the test without ties: it spans the differences of rank k and mn+1-k, where k is the largest
// rank with P(U < k) <= (1-confidence)/2.
func Unpaired(a, b []float64, confidence float64) (Shift, error) {
	m, n := len(a), len(b)
	if m == 0 || n == 0 {
		return Shift{}, errNoSample
	}
	diffs := make([]float64, 0, m*n)
	for _, x := range a {
		for _, y := range b {
			diffs = append(diffs, y-x)
		}
	}
	slices.Sort(diffs)
	s := Shift{By: middle(diffs), Probabilities: RankSum(a, b)}
	tail := (1 - confidence) / 2
	var k int
	if dist := uCounts(m, n); dist != nil {
		k = lowRank(dist, tail)
	} else {
		pairs := float64(m * n)
		k = normalRank(pairs/2, math.Sqrt(pairs*float64(m+n+1)/12), tail)
	}
	s.Lo, s.Hi = ranked(diffs, k)
	return s, nil
}

// Paired estimates the shift from a[i] to b[i] of samples that were taken in turn, so that what both share, such as a
// drift of the machine, cancels. P is that of the Wilcoxon signed-rank test under the exact distribution given the
// ties (differences of 0 are left out), By the median of the Walsh averages, and the interval inverts the test as
// above.
func Paired(a, b []float64, confidence float64) (Shift, error) {
	diffs, err := differences(a, b)
	if err != nil {
		return Shift{}, err
	}
	n := len(diffs)
	walsh := make([]float64, 0, n*(n+1)/2)
	for i, x := range diffs {
		for _, y := range diffs[i:] {
			walsh = append(walsh, (x+y)/2)
		}
	}
	slices.Sort(walsh)
	s := Shift{By: middle(walsh), Probabilities: signedRank(diffs)}
	tail := (1 - confidence) / 2
	k := 0
	if n <= mostSigns {
		k = lowRank(wCounts(n), tail)
	} else {
		mean := float64(n*(n+1)) / 4
		k = normalRank(mean, math.Sqrt(mean*float64(2*n+1)/6), tail)
	}
	s.Lo, s.Hi = ranked(walsh, k)
	return s, nil
}

// differences are b[i]-a[i].
func differences(a, b []float64) ([]float64, error) {
	if len(a) != len(b) {
		return nil, fmt.Errorf("a paired test needs as many values on both sides, and there are %d and %d", len(a), len(b))
	}
	if len(a) == 0 {
		return nil, errNoSample
	}
	diffs := make([]float64, len(a))
	for i := range a {
		diffs[i] = b[i] - a[i]
	}
	return diffs, nil
}

// mostSigns is the number of differences up to which all signs are counted; above it the sum of ranks is taken as
// normal.
const mostSigns = 200

// signedRank is the Wilcoxon signed-rank test: under the null hypothesis each difference is as likely to be
// positive as negative, whatever its size. Ranks are doubled, so that the middle rank of a tie is a whole number.
func signedRank(diffs []float64) Probabilities {
	var sizes []float64
	var positive []bool
	for _, d := range diffs {
		if d != 0 {
			sizes, positive = append(sizes, math.Abs(d)), append(positive, d > 0)
		}
	}
	if len(sizes) == 0 {
		return Probabilities{1, 1, 1}
	}
	ranks, _ := doubledRanks(sizes)
	total, w := 0, 0
	squares := 0.0
	for i, r := range ranks {
		total += r
		squares += float64(r * r)
		if positive[i] {
			w += r
		}
	}
	if len(ranks) > mostSigns {
		sd := math.Sqrt(squares) / 2
		d := float64(w) - float64(total)/2
		upper := func(d float64) float64 { return math.Erfc((d-1)/sd/math.Sqrt2) / 2 } // half a rank, doubled, is 1
		return Probabilities{P: math.Min(1, 2*upper(math.Abs(d))), Up: math.Min(1, upper(d)), Down: math.Min(1, upper(-d))}
	}
	ways := []float64{1}
	for _, r := range ranks {
		ways = withTerm(ways, r)
	}
	return tails(ways, 2, total, w)
}

// ranked returns the values of rank k and of rank k from the end; infinite where k is 0.
func ranked(sorted []float64, k int) (lo, hi float64) {
	if k == 0 {
		return math.Inf(-1), math.Inf(1)
	}
	return sorted[k-1], sorted[len(sorted)-k]
}
