package metrics

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
	By     float64 // best estimate, in the metric's unit
	Lo, Hi float64 // confidence interval of By; infinite where the samples are too few for one
	P      float64 // two-sided probability of a difference like this between equal samples
}

// unpaired estimates the shift from a to b without assuming a distribution: P is that of the
// Mann-Whitney U test, By the median of all differences b[j]-a[i] (Hodges and Lehmann 1963), which
// is the estimate that belongs to the test, and the interval inverts the test: the differences of
// rank k and mn+1-k, where k is the largest rank with P(U < k) <= (1-confidence)/2.
func unpaired(a, b []float64, confidence float64) (Shift, error) {
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
	c := benchmath.AssumeNothing.Compare(benchmath.NewSample(slices.Clone(a), &t), benchmath.NewSample(slices.Clone(b), &t))
	if math.IsNaN(c.P) {
		return 0, fmt.Errorf("the U test of %d and %d values has no result", len(a), len(b))
	}
	return c.P, nil
}

// paired estimates the shift from a[i] to b[i] of samples that were taken in turn, so that what
// both share, such as a drift of the machine, cancels. P is that of the Wilcoxon signed-rank test
// under the exact distribution given the ties (differences of 0 are left out), By the median of
// the Walsh averages, and the interval inverts the test as above.
func paired(a, b []float64, confidence float64) (Shift, error) {
	if len(a) != len(b) {
		return Shift{}, fmt.Errorf("a paired test needs as many values on both sides, and there are %d and %d", len(a), len(b))
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
		ways = spread(ways, v.twice)
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

// spread is the number of ways to reach each sum once a term may be added or left out.
func spread(ways []float64, term int) []float64 {
	out := make([]float64, len(ways)+term)
	for s, n := range ways {
		out[s] += n / 2 // halved each time, so that large samples do not overflow
		out[s+term] += n / 2
	}
	return out
}

// wCounts is the distribution of the signed-rank sum of n values.
func wCounts(n int) []float64 {
	ways := []float64{1}
	for i := 1; i <= n; i++ {
		ways = spread(ways, i)
	}
	return ways
}

// uCounts is the distribution of U of samples of m and n values: the coefficients of the Gaussian
// binomial, built from its recurrence f(m, n) = q^n f(m-1, n) + f(m, n-1) with the probabilities
// of the last value as weights.
func uCounts(m, n int) []float64 {
	row := make([][]float64, n+1) // row[j] is the distribution for i and j values
	for j := range row {
		row[j] = []float64{1}
	}
	for i := 1; i <= m; i++ {
		for j := 1; j <= n; j++ {
			out := make([]float64, i*j+1)
			last := float64(i) / float64(i+j)
			for u, p := range row[j] { // i-1 and j values: the largest of all is of the first sample
				out[u+j] += last * p
			}
			for u, p := range row[j-1] { // i and j-1 values
				out[u] += (1 - last) * p
			}
			row[j] = out
		}
	}
	return row[n]
}

// lowRank is the largest k with P(X < k) <= tail.
func lowRank(dist []float64, tail float64) int {
	var below float64
	for k, p := range dist {
		if below+p > tail*(1+1e-12) {
			return k
		}
		below += p
	}
	return len(dist)
}

// ranked returns the values of rank k and of rank k from the end; infinite where k is 0.
func ranked(sorted []float64, k int) (lo, hi float64) {
	if k == 0 {
		return math.Inf(-1), math.Inf(1)
	}
	return sorted[k-1], sorted[len(sorted)-k]
}

// middle is the median: of an even number of values the mean of the middle two.
func middle(sorted []float64) float64 {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// means estimates the shift of the means, with Welch's interval. P stays that of the U test,
// which does not rest on a normal distribution.
func means(a, b []float64, confidence float64) (Shift, error) {
	s, err := unpaired(a, b, confidence)
	if err != nil {
		return s, err
	}
	da, db := NewDist(a), NewDist(b)
	s.By, s.Lo, s.Hi = db.Mean-da.Mean, math.Inf(-1), math.Inf(1)
	if da.N > 1 && db.N > 1 {
		va, vb := da.Stddev*da.Stddev/float64(da.N), db.Stddev*db.Stddev/float64(db.N)
		half := 0.0
		if va+vb > 0 {
			df := (va + vb) * (va + vb) / (va*va/float64(da.N-1) + vb*vb/float64(db.N-1))
			half = studentQuantile(1-(1-confidence)/2, df) * math.Sqrt(va+vb)
		}
		s.Lo, s.Hi = s.By-half, s.By+half
	}
	return s, nil
}

// pairedMeans is means for samples taken in turn; P is that of the signed-rank test.
func pairedMeans(a, b []float64, confidence float64) (Shift, error) {
	s, err := paired(a, b, confidence)
	if err != nil {
		return s, err
	}
	diffs := make([]float64, len(a))
	for i := range a {
		diffs[i] = b[i] - a[i]
	}
	d := NewDist(diffs)
	s.By, s.Lo, s.Hi = d.Mean, math.Inf(-1), math.Inf(1)
	if d.N > 1 {
		half := studentQuantile(1-(1-confidence)/2, float64(d.N-1)) * d.Stddev / math.Sqrt(float64(d.N))
		s.Lo, s.Hi = s.By-half, s.By+half
	}
	return s, nil
}

// studentQuantile is the quantile of Student's t distribution, found by bisection of its
// distribution function, which Simpson's rule integrates from 0.
func studentQuantile(p, df float64) float64 {
	lg1, _ := math.Lgamma((df + 1) / 2)
	lg2, _ := math.Lgamma(df / 2)
	scale := math.Exp(lg1-lg2) / math.Sqrt(df*math.Pi)
	// With t = sqrt(df)*tan(x) the density is a bounded cosine power: no long tail to integrate.
	f := func(x float64) float64 { return scale * math.Sqrt(df) * math.Pow(math.Cos(x), df-1) }
	area := func(to float64) float64 {
		const n = 400
		h := to / n
		s := f(0) + f(to)
		for i := 1; i < n; i++ {
			s += float64(2+2*(i%2)) * f(float64(i)*h)
		}
		return s * h / 3
	}
	lo, hi := 0.0, math.Pi/2
	for range 60 {
		mid := (lo + hi) / 2
		if 0.5+area(mid) < p {
			lo = mid
		} else {
			hi = mid
		}
	}
	return math.Sqrt(df) * math.Tan((lo+hi)/2)
}
