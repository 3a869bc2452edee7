package stats

import (
	"math"
	"slices"
)

// Quadratic is y = A + B·x + C·x², fitted to points whose errors are proportional to y or, if some errors do not grow
// with y, to the root of y² + Flat²: a delay may be as long for a short prompt as for a long one.
type Quadratic struct {
	A, B, C      float64
	Spread       float64 // standard deviation of a point, as a share of y where y is large
	Flat         float64 // y at which both parts of the error are equal; 0: errors are proportional to y
	miss         miss    // of a curve through the other points
	cov          [3][3]float64
	free         float64   // degrees of freedom
	times        float64   // Student's quantile of 97.5 % for them
	x, y         []float64 // the points
	worst        float64   // largest residual, as the logarithm of a factor, divided by the scale there
	below, above float64   // between which the curve lies since it moved, as logarithms of factors; 0 and 0: it did not
}

// terms are the factors of A, B and C in a value.
type terms [3]float64

// FitQuadratic fits points by least squares, each weighed by the reciprocal of the square of what the fit says there
// (iteratively reweighted, Carroll and Ruppert, Transformation and Weighting in Regression, 1988, section 2.2). A curve
// that bends down is fitted as a line. It is false if the points are too few, of too few places, or do not rise.
func FitQuadratic(x, y []float64) (Quadratic, bool) {
	places := map[float64]bool{}
	for i := range x {
		if y[i] <= 0 {
			return Quadratic{}, false
		}
		places[x[i]] = true
	}
	if len(places) < 4 || len(x) < 6 {
		return Quadratic{}, false
	}
	count := 3
	q, ok := fitErrors(x, y, count)
	if ok && q.C < 0 {
		count = 2
		q, ok = fitErrors(x, y, count)
	}
	if !ok || q.B <= 0 {
		return q, false
	}
	q.x, q.y = x, y
	q.miss, q.times = misses(x, y, count, q.Flat), Student(0.975, q.free)
	for i := range x {
		if fitted := q.at(x[i]); fitted > 0 {
			q.worst = max(q.worst, math.Abs(math.Log(y[i]/fitted))/q.scale(fitted))
		}
	}
	return q, true
}

// likelier is how much the log-likelihood must improve before Flat is used. Twice the improvement is chi-squared with
// one degree of freedom, so 6 is exceeded by chance in one fit in 1,900.
const likelier = 6

// fitErrors fits the curve with the Flat that makes the points most likely (pseudo-likelihood, Carroll and Ruppert,
// section 3.2).
func fitErrors(x, y []float64, count int) (best Quadratic, ok bool) {
	best, ok = fitTerms(x, y, count, 0)
	if !ok {
		return best, false
	}
	most := best.likelihood(x, y) + likelier
	for flat := slices.Min(y) / 4; flat <= slices.Max(y); flat *= math.Sqrt2 {
		q, ok := fitTerms(x, y, count, flat)
		if ok && q.B > 0 && q.likelihood(x, y) > most {
			best, most = q, q.likelihood(x, y)
		}
	}
	return best, true
}

// likelihood returns the log-likelihood of the points under the curve, up to a constant.
func (q Quadratic) likelihood(x, y []float64) (sum float64) {
	squares := 0.0
	for i := range x {
		fitted := q.at(x[i])
		variance := fitted*fitted + q.Flat*q.Flat
		squares += (y[i] - fitted) * (y[i] - fitted) / variance
		sum -= math.Log(variance) / 2
	}
	return sum - float64(len(x))/2*math.Log(squares)
}

// scale returns the factor by which the error of a value y exceeds Spread·y.
func (q Quadratic) scale(y float64) float64 { return math.Hypot(1, q.Flat/y) }

func (q Quadratic) at(x float64) float64 { return q.A + q.B*x + q.C*x*x }

// noiseSquares is the square of how many standard errors a mean may miss by noise alone.
const noiseSquares = 4

// miss bounds how far a curve is from the truth where no point is: by no larger share of y than was seen at any place,
// and by no larger difference. A server that computes prompts in batches misses a smooth curve by as many milliseconds
// for a long prompt as for a short one, and one whose batches become slower by as large a share.
type miss struct{ share, most float64 }

// at returns the bound at y, as a share of it.
func (m miss) at(y float64) float64 { return min(m.share, m.most/y) }

// misses returns by how much a curve through all other points misses those of one place at most: it may be as far from
// the truth between the places. The first and the last place have nothing beyond them and do not count.
func misses(x, y []float64, count int, flat float64) (m miss) {
	for i, place := range x {
		if slices.Contains(x[:i], place) {
			continue
		}
		var restX, restY []float64
		var here []int
		above, below := false, false
		for j := range x {
			if math.Abs(x[j]-place) <= place/10 { // one place
				here = append(here, j)
				continue
			}
			restX, restY = append(restX, x[j]), append(restY, y[j])
			above, below = above || x[j] > place, below || x[j] < place
		}
		q, ok := fitTerms(restX, restY, count, flat)
		if !ok || !above || !below {
			continue
		}
		off, fitted := 0.0, q.at(x[i])
		for _, j := range here {
			off += (y[j]/q.at(x[j]) - 1) / float64(len(here))
		}
		// The part of a mean's deviation that noise alone explains is not a misfit.
		own := q.Spread * q.scale(fitted)
		own *= own / float64(len(here))
		fit := q.variance(x[i], x[i]) / (fitted * fitted)
		if sq := off*off - noiseSquares*(own+fit); sq > 0 {
			share := 2 * math.Sqrt(sq) // between two places the curve may be off by as much again
			m.share, m.most = max(m.share, share), max(m.most, share*fitted)
		}
	}
	return m
}

// fitTerms fits the first terms of the curve.
func fitTerms(x, y []float64, count int, flat float64) (q Quadratic, ok bool) {
	q.Flat = flat
	expected := append([]float64(nil), y...)
	scale := 0.0 // of x, so that no sum is of numbers of very different size
	for _, v := range x {
		scale = max(scale, v)
	}
	for range 8 {
		var left [3][3]float64
		var right terms
		for i := range x {
			row, w := terms{1, x[i] / scale, (x[i] / scale) * (x[i] / scale)}, 1/(expected[i]*expected[i]+flat*flat)
			for j := range count {
				right[j] += w * row[j] * y[i]
				for k := range count {
					left[j][k] += w * row[j] * row[k]
				}
			}
		}
		inverse, solvable := invert(left, count)
		if !solvable {
			return Quadratic{}, false
		}
		by := [3]float64{1, 1 / scale, 1 / (scale * scale)}
		var at terms
		for j := range count {
			for k := range count {
				at[j] += inverse[j][k] * right[k] * by[j]
				q.cov[j][k] = inverse[j][k] * by[j] * by[k]
			}
		}
		q.A, q.B, q.C = at[0], at[1], at[2]
		sum := 0.0
		for i := range x {
			e := q.at(x[i])
			if e <= 0 {
				e = y[i]
			}
			expected[i] = e
			sum += (y[i] - e) * (y[i] - e) / (e*e + flat*flat)
		}
		q.free = float64(len(x) - count)
		q.Spread = math.Sqrt(sum / q.free)
	}
	for j := range q.cov {
		for k := range q.cov[j] {
			q.cov[j][k] *= q.Spread * q.Spread
		}
	}
	return q, true
}

// invert inverts the upper left part of a symmetric matrix by Gauss and Jordan.
func invert(m [3][3]float64, n int) (out [3][3]float64, ok bool) {
	for i := range n {
		out[i][i] = 1
	}
	for i := range n {
		best := i
		for j := i; j < n; j++ {
			if math.Abs(m[j][i]) > math.Abs(m[best][i]) {
				best = j
			}
		}
		m[i], m[best] = m[best], m[i]
		out[i], out[best] = out[best], out[i]
		if math.Abs(m[i][i]) < 1e-300 {
			return out, false
		}
		by := m[i][i]
		for k := range n {
			m[i][k] /= by
			out[i][k] /= by
		}
		for j := range n {
			if j == i {
				continue
			}
			by := m[j][i]
			for k := range n {
				m[j][k] -= by * m[i][k]
				out[j][k] -= by * out[i][k]
			}
		}
	}
	return out, true
}
