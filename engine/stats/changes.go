package stats

import (
	"math"
	"slices"
)

// Change is a place in a series from which on its values have another level.
type Change struct {
	At            int     // position of the first value of the new level
	Before, After float64 // median of the values up to the neighbouring changes
	To            int     // position of the last value of a steady rise or fall; 0: the level changed at once
}

// A change needs at least this many values on either side: among fewer, two outliers look like a new level.
const leastSide = 5

// The levels of the two tests. A place is chosen because its sides differ, which the tests do not know: that of the
// t-test is one tenth of what Hunter uses, since one false change in twenty histories of 200 runs is enough.
const (
	rankLevel = 0.001
	meanLevel = 0.0001
)

// rampPlaces is about how many places are tried as the beginning and the end of a steady change.
const rampPlaces = 200

// lenient is how many times its level may be exceeded until the neighbours of a cut are known.
const lenient = 10

// Changes finds where the level of a series changes, in order.
//
// Places are found by the energy statistic of E-divisive (Matteson and James, A nonparametric approach for multiple
// change point analysis of multivariate data, 2014), and judged by Student's t-test in place of permutations, as Hunter
// does (Fleming et al., Hunter: using change point detection to hunt for performance regressions, 2023). Unlike there,
// a rank test must agree, so that single runs that went wrong are no change of level, and a stretch that a straight
// line explains better than steps is one steady change.
func Changes(values []float64) []Change {
	if len(values) < 2*leastSide {
		return nil
	}
	s := series{values: values, sums: distances(values)}
	cuts := s.split(0, len(values))
	slices.Sort(cuts)
	cuts = s.prune(s.move(s.prune(cuts)))
	return s.steady(s.changes(cuts))
}

type series struct {
	values []float64
	sums   [][]float64 // of the distances of values [0, i) from values [0, j)
}

func distances(values []float64) [][]float64 {
	n := len(values)
	sums := make([][]float64, n+1)
	sums[0] = make([]float64, n+1)
	for i, a := range values {
		sums[i+1] = make([]float64, n+1)
		row := 0.0
		for j, b := range values {
			row += math.Abs(a - b)
			sums[i+1][j+1] = sums[i][j+1] + row
		}
	}
	return sums
}

// apart is the sum of the distances between the values of two stretches.
func (s series) apart(a, b, c, d int) float64 {
	return s.sums[b][d] - s.sums[a][d] - s.sums[b][c] + s.sums[a][c]
}

// energy is the statistic of a cut at t of the values from lo to hi; larger: the two sides differ more.
func (s series) energy(lo, t, hi int) float64 {
	m, n := float64(t-lo), float64(hi-t)
	between := 2 * s.apart(lo, t, t, hi) / (m * n)
	within := s.apart(lo, t, lo, t)/(m*(m-1)) + s.apart(t, hi, t, hi)/(n*(n-1))
	return m * n / (m + n) * (between - within)
}

// split cuts a stretch where its sides differ most, and then each side. The right side may end before the stretch does:
// a level that returns to its old value is hidden by what follows.
func (s series) split(lo, hi int) []int {
	at, best := 0, 0.0
	end := hi
	for t := lo + leastSide; t <= hi-leastSide; t++ {
		for e := t + leastSide; e <= hi; e++ {
			if q := s.energy(lo, t, e); q > best {
				at, best, end = t, q, e
			}
		}
	}
	if at == 0 || s.doubt(lo, at, end) > lenient {
		return nil
	}
	return slices.Concat(s.split(lo, at), []int{at}, s.split(at, hi))
}

// doubt is how many times its level the probability of the weaker test is, when chance alone made the sides of a cut
// as different as they are.
func (s series) doubt(lo, t, hi int) float64 {
	a, b := s.values[lo:t], s.values[t:hi]
	ranks := RankSum(a, b).P
	if least := separated(len(a), len(b)); least > rankLevel && ranks <= least*(1+1e-9) {
		ranks = rankLevel // as different as so few can be
	}
	return max(ranks/rankLevel, pooled(a, b)/meanLevel)
}

// separated is the least probability that a rank test of samples of m and n values can have: they do not overlap.
func separated(m, n int) float64 {
	all, _ := math.Lgamma(float64(m + n + 1))
	first, _ := math.Lgamma(float64(m + 1))
	second, _ := math.Lgamma(float64(n + 1))
	return min(1, 2*math.Exp(first+second-all))
}

// pooled is the two-sided probability of Student's t-test with a common variance.
func pooled(a, b []float64) float64 {
	m, n := float64(len(a)), float64(len(b))
	df := m + n - 2
	within := (m-1)*squared(Deviation(a)) + (n-1)*squared(Deviation(b))
	by := squared(Mean(b) - Mean(a))
	if by == 0 {
		return 1
	}
	if within == 0 {
		return 0
	}
	t2 := by / (within / df * (1/m + 1/n))
	return incompleteBeta(df/(df+t2), df/2, 0.5)
}

func squared(x float64) float64 { return x * x }

// neighbours are the limits of the stretches that the i-th cut parts.
func (s series) neighbours(cuts []int, i int) (lo, hi int) {
	lo, hi = 0, len(s.values)
	if i > 0 {
		lo = cuts[i-1]
	}
	if i+1 < len(cuts) {
		hi = cuts[i+1]
	}
	return lo, hi
}

// prune takes out the least sure cut as long as there is one that may be chance.
func (s series) prune(cuts []int) []int {
	for len(cuts) > 0 {
		worst, at := 1.0, -1
		for i, t := range cuts {
			lo, hi := s.neighbours(cuts, i)
			if d := s.doubt(lo, t, hi); d > worst {
				worst, at = d, i
			}
		}
		if at < 0 {
			break
		}
		cuts = slices.Delete(cuts, at, at+1)
	}
	return cuts
}

// move puts each cut where the sides that are left differ most.
func (s series) move(cuts []int) []int {
	for i := range cuts {
		lo, hi := s.neighbours(cuts, i)
		best := -1.0
		for t := lo + leastSide; t <= hi-leastSide; t++ {
			if q := s.energy(lo, t, hi); q > best {
				best, cuts[i] = q, t
			}
		}
	}
	return cuts
}

func (s series) changes(cuts []int) []Change {
	out := make([]Change, len(cuts))
	for i, t := range cuts {
		lo, hi := s.neighbours(cuts, i)
		out[i] = Change{At: t, Before: Median(s.values[lo:t]), After: Median(s.values[t:hi])}
	}
	return out
}

// steady replaces changes in one direction by a single one where a straight line fits them better.
func (s series) steady(changes []Change) (out []Change) {
	for i := 0; i < len(changes); {
		j := i + 1
		for j < len(changes) && (changes[j].After > changes[j].Before) == (changes[i].After > changes[i].Before) {
			j++
		}
		lo, hi := 0, len(s.values)
		if i > 0 {
			lo = changes[i-1].At
		}
		if j < len(changes) {
			hi = changes[j].At
		}
		if one, ok := s.ramp(lo, hi, changes[i:j]); ok {
			out = append(out, one)
		} else {
			out = append(out, changes[i:j]...)
		}
		i = j
	}
	return out
}

// ramp fits a level, a straight line and another level to a stretch. It is true if that explains the stretch better
// than steps do, by the Bayesian information criterion (Schwarz, Estimating the dimension of a model, 1978).
func (s series) ramp(lo, hi int, steps []Change) (Change, bool) {
	v := s.values[lo:hi]
	n := float64(len(v))
	left := 0.0
	for i, at := 0, lo; i <= len(steps); i++ {
		end := hi
		if i < len(steps) {
			end = steps[i].At
		}
		left += float64(end-at-1) * squared(Deviation(s.values[at:end]))
		at = end
	}
	k := float64(2*len(steps) + 1) // levels and places
	best, from, to := n*math.Log(left/n)+k*math.Log(n), -1, -1
	stride := 1 + len(v)/rampPlaces
	for a := 0; a < len(v); a += stride {
		for b := a + 2*leastSide; b < len(v); b += stride {
			if rest, ok := rampRest(v, a, b); ok {
				if c := n*math.Log(rest/n) + 4*math.Log(n); c < best {
					best, from, to = c, a, b
				}
			}
		}
	}
	if from < 0 {
		return Change{}, false
	}
	before, after := steps[0].Before, steps[len(steps)-1].After
	return Change{At: lo + from, To: lo + to, Before: before, After: after}, true
}

// rampRest returns the remaining sum of squares when x rises from 0 at a to 1 at b and is level outside.
func rampRest(v []float64, a, b int) (float64, bool) {
	n := float64(len(v))
	var sx, sy, sxx, sxy, syy float64
	for i, y := range v {
		x := min(1, max(0, float64(i-a)/float64(b-a)))
		sx, sy, sxx, sxy, syy = sx+x, sy+y, sxx+x*x, sxy+x*y, syy+y*y
	}
	vx := sxx - sx*sx/n
	if vx <= 0 {
		return 0, false
	}
	cxy := sxy - sx*sy/n
	return max(syy-sy*sy/n-cxy*cxy/vx, 1e-300), true
}
