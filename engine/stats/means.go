package stats

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
)

// All permutations of a mean are counted if there are no more than this; otherwise this many random ones are drawn.
const meanPermutations = 20_000

// enough is the number of random permutations as extreme as the observed one after which drawing stops: their share
// is then precise (Besag and Clifford 1991, whose estimate is a valid p-value).
const enough = 200

// mostSignsOfMeans is the number of differences up to which all combinations of signs are counted, in less than a
// millisecond.
const mostSignsOfMeans = 16

// Means estimates the shift of the means, with Welch's interval. The probabilities are those of the studentised
// permutation test (Janssen 1997): exact if both samples come from one distribution, and right in the limit if they
// differ in spread alone.
func Means(a, b []float64, confidence float64) (Shift, error) {
	if len(a) == 0 || len(b) == 0 {
		return Shift{}, errNoSample
	}
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)) // for a sum that does not depend on the order
	s := Shift{Probabilities: studentised(a, b)}
	s.By, s.Lo, s.Hi = MeansInterval(a, b, confidence)
	return s, nil
}

// MeansInterval is how far the mean of b lies from that of a, with Welch's interval; infinite if a sample has fewer
// than two values.
func MeansInterval(a, b []float64, confidence float64) (by, lo, hi float64) {
	by = Mean(b) - Mean(a)
	if len(a) < 2 || len(b) < 2 {
		return by, math.Inf(-1), math.Inf(1)
	}
	na, nb := float64(len(a)), float64(len(b))
	da, db := Deviation(a), Deviation(b)
	va, vb := da*da/na, db*db/nb
	half := 0.0
	if va+vb > 0 {
		df := (va + vb) * (va + vb) / (va*va/(na-1) + vb*vb/(nb-1))
		half = Student(1-(1-confidence)/2, df) * math.Sqrt(va+vb)
	}
	return by, by - half, by + half
}

// MeanInterval is the mean of a sample with Student's interval; infinite if it has fewer than two values.
func MeanInterval(values []float64, confidence float64) (mean, lo, hi float64) {
	mean = Mean(values)
	n := float64(len(values))
	if n < 2 {
		return mean, math.Inf(-1), math.Inf(1)
	}
	half := Student(1-(1-confidence)/2, n-1) * Deviation(values) / math.Sqrt(n)
	return mean, mean - half, mean + half
}

// PairedMeans is [Means] for samples taken in turn. The probabilities come from the differences with each sign
// equally likely, the interval is Student's. Studentising would change nothing: the mean square of the differences
// does not depend on their signs.
func PairedMeans(a, b []float64, confidence float64) (Shift, error) {
	diffs, err := differences(a, b)
	if err != nil {
		return Shift{}, err
	}
	slices.Sort(diffs) // for a sum that does not depend on the order
	var s Shift
	s.By, s.Lo, s.Hi = MeanInterval(diffs, confidence)
	c := counter{seen: Sum(diffs)}
	n := len(diffs)
	if n <= mostSignsOfMeans {
		sum := -c.seen
		signs := make([]float64, n)
		for i := range signs {
			signs[i] = -1
		}
		c.add(sum)
		for step := 1; step < 1<<n; step++ { // each set of signs differs in one sign from the last (Gray code)
			i := bits.TrailingZeros(uint(step))
			signs[i] = -signs[i]
			sum += 2 * signs[i] * diffs[i]
			c.add(sum)
		}
		s.Probabilities = c.probabilities()
		return s, nil
	}
	random := rand.New(rand.NewPCG(uint64(n), 1))
	for c.add(c.seen); c.open(); {
		var sum float64
		var coins uint64
		for i, d := range diffs {
			if i%64 == 0 {
				coins = random.Uint64()
			}
			if coins>>(i%64)&1 == 1 {
				d = -d
			}
			sum += d
		}
		c.add(sum)
	}
	s.Probabilities = c.probabilities()
	return s, nil
}

// studentised permutes the values of both samples and counts how often Welch's statistic is as extreme.
func studentised(a, b []float64) Probabilities {
	all := slices.Concat(a, b)
	center := Mean(all)
	var total, squares float64
	for i := range all {
		all[i] -= center
		total += all[i]
		squares += all[i] * all[i]
	}
	m, n := len(a), len(b)
	// statistic is Welch's, from the sum and the sum of squares of the values of b.
	statistic := func(sum, square float64) float64 {
		rest, restSquare := total-sum, squares-square
		diff := sum/float64(n) - rest/float64(m)
		if m < 2 || n < 2 {
			return diff
		}
		variance := max(0, square-sum*sum/float64(n))/float64(n-1)/float64(n) +
			max(0, restSquare-rest*rest/float64(m))/float64(m-1)/float64(m)
		if variance <= 1e-24*squares {
			variance = 1e-24 * squares // each side is constant: more extreme than any spread gives
		}
		if variance == 0 {
			return 0
		}
		return diff / math.Sqrt(variance)
	}
	of := func(values []float64) float64 {
		var sum, square float64
		for _, v := range values {
			sum += v
			square += v * v
		}
		return statistic(sum, square)
	}
	c := counter{seen: of(all[m:])}
	if choices(m+n, n) <= meanPermutations {
		var choose func(from, left int, sum, square float64)
		choose = func(from, left int, sum, square float64) {
			if left == 0 {
				c.add(statistic(sum, square))
				return
			}
			for i := from; i <= len(all)-left; i++ {
				choose(i+1, left-1, sum+all[i], square+all[i]*all[i])
			}
		}
		choose(0, n, 0, 0)
		return c.probabilities()
	}
	c.add(c.seen)
	eachChoice(m+n, n, func(order []int32) bool {
		var sum, square float64
		for _, at := range order {
			v := all[at]
			sum += v
			square += v * v
		}
		c.add(statistic(sum, square))
		return c.open()
	})
	return c.probabilities()
}

// choices is the number of ways to choose k of n.
func choices(n, k int) float64 {
	c := 1.0
	for i := range min(k, n-k) {
		c *= float64(n-i) / float64(i+1)
	}
	return math.Round(c)
}

// counter counts permutations that are as extreme as the observed one. Its tolerance makes equal statistics equal
// despite rounding.
type counter struct {
	seen               float64
	far, up, down, all int
}

func (c *counter) add(v float64) {
	const rounding = 1e-9
	near := rounding * math.Abs(c.seen)
	c.all++
	if math.Abs(v) >= math.Abs(c.seen)-near {
		c.far++
	}
	if v >= c.seen-near {
		c.up++
	}
	if v <= c.seen+near {
		c.down++
	}
}

// open says whether more random permutations are needed.
func (c *counter) open() bool { return c.far < enough && c.all < meanPermutations }

func (c *counter) probabilities() Probabilities {
	n := float64(c.all)
	return Probabilities{P: float64(c.far) / n, Up: float64(c.up) / n, Down: float64(c.down) / n}
}
