package stats

import "math"

// Quadratic is y = A + B·x + C·x², fitted to points whose errors are in proportion to y.
type Quadratic struct {
	A, B, C float64
	Spread  float64 // standard deviation of a point, as a share of y
	Misfit  float64 // by how much a curve through the others misses a point, as a share of y
	cov     [3][3]float64
	free    float64 // degrees of freedom
	times   float64 // Student's quantile of 97.5 % for them
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
	q, ok := fitTerms(x, y, count)
	if ok && q.C < 0 {
		count = 2
		q, ok = fitTerms(x, y, count)
	}
	q.Misfit, q.times = misfit(x, y, count), Student(0.975, q.free)
	return q, ok && q.B > 0
}

func (q Quadratic) at(x float64) float64 { return q.A + q.B*x + q.C*x*x }

// misfit is by how much, as a share, a curve through all other points misses those of a place: that is how far it
// can be
// from what lies between the places. The first and the last place have nothing beyond them and do not count.
func misfit(x, y []float64, count int) (largest float64) {
	for _, place := range x {
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
		q, ok := fitTerms(restX, restY, count)
		if !ok || !above || !below {
			continue
		}
		miss := 0.0
		for _, j := range here {
			miss += (y[j]/q.at(x[j]) - 1) / float64(len(here))
		}
		largest = max(largest, 2*math.Abs(miss)) // what lies between two places can be as far again
	}
	return largest
}

// fitTerms fits the first terms of the curve.
func fitTerms(x, y []float64, count int) (q Quadratic, ok bool) {
	expected := append([]float64(nil), y...)
	scale := 0.0 // of x, so that no sum is of numbers of very different size
	for _, v := range x {
		scale = max(scale, v)
	}
	for range 8 {
		var left [3][3]float64
		var right terms
		for i := range x {
			row, w := terms{1, x[i] / scale, (x[i] / scale) * (x[i] / scale)}, 1/(expected[i]*expected[i])
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
			sum += (y[i] - e) * (y[i] - e) / (e * e)
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

// Rest returns between which numbers u lies, out of 1 to n, where a value from low to high was seen of what is left to
// do of n when all but u is done: A + B·u + C·(n² - (n-u)²). It holds the true u with a probability of 95 %, by the
// error of the fit, that of a single value, and by how far the points are from the curve. It is false if no u explains
// the value: it is too large for all of n.
func (q Quadratic) Rest(n, low, high float64) (least, most float64, ok bool) {
	band := func(u float64) (value, error float64) {
		row := terms{1, u, 2*n*u - u*u}
		v := q.A*row[0] + q.B*row[1] + q.C*row[2]
		variance := q.Spread * q.Spread * v * v
		for j := range row {
			for k := range row {
				variance += row[j] * row[k] * q.cov[j][k]
			}
		}
		return v, q.times*math.Sqrt(variance) + q.Misfit*v
	}
	upper := func(u float64) float64 { v, e := band(u); return v + e }
	lower := func(u float64) float64 { v, e := band(u); return v - e }
	switch {
	case n < 1 || q.times*q.Spread+q.Misfit >= 1:
		return 1, max(n, 1), true
	case upper(n) < low:
		return 0, 0, false
	}
	return firstAbove(upper, low, n), lastBelow(lower, high, n), true
}

// firstAbove is the smallest number from 1 to n at which a rising function is at least y.
func firstAbove(f func(float64) float64, y, n float64) float64 {
	if f(1) >= y {
		return 1
	}
	low, high := 1.0, n
	for range 60 {
		if mid := (low + high) / 2; f(mid) >= y {
			high = mid
		} else {
			low = mid
		}
	}
	return high
}

// lastBelow is the largest number from 1 to n at which a rising function is at most y; 1 if it is larger there already.
func lastBelow(f func(float64) float64, y, n float64) float64 {
	if f(n) <= y {
		return n
	}
	low, high := 1.0, n
	for range 60 {
		if mid := (low + high) / 2; f(mid) <= y {
			low = mid
		} else {
			high = mid
		}
	}
	return low
}
