package stats

import "math"

// Moved is the curve as further points show it that were seen elsewhere in time: where one lies outside what a single
// point may, what made the first points has changed, and any state between the two is possible. Which of the points
// are of that kind does not matter, so that one suffices.
func (q Quadratic) Moved(x, y []float64) Quadratic {
	for i := range x {
		fitted := q.at(x[i])
		if fitted <= 0 || y[i] <= 0 {
			continue
		}
		off := math.Log(y[i] / fitted)
		if math.Abs(off) > q.reach(x[i], x[i], 1) {
			q.below, q.above = min(q.below, off), max(q.above, off)
		}
	}
	return q
}

// Since is by what share the further points took more than the curve says and less, where one lies outside of it.
func (q Quadratic) Since() (more, less float64) { return math.Expm1(q.above), -math.Expm1(q.below) }

// noise is how far a single point may lie from the curve at y, as the logarithm of a factor: Student's interval or the
// farthest of those seen, as noise on a machine that others use has longer tails than any that is normal.
func (q Quadratic) noise(y float64) float64 { return max(q.times*q.Spread, q.worst) * q.scale(y) }

// reach is how far a value may lie from the curve where u is left to do of n, as the logarithm of a factor, by how
// well the curve is known and, with own 1, by what a point adds to it; with own 0 without that.
func (q Quadratic) reach(n, u, own float64) float64 {
	u = min(max(u, 0), n)
	v := q.left(n, u)
	if v <= 0 {
		return math.Inf(1)
	}
	return math.Hypot(q.times*math.Sqrt(max(q.variance(n, u), 0))/v, own*q.noise(v)) + math.Log1p(q.Misfit)
}

// variance is that of the curve, without a single point's own, where u is left to do of n.
func (q Quadratic) variance(n, u float64) (v float64) {
	row := terms{1, u, 2*n*u - u*u}
	for j := range row {
		for k := range row {
			v += row[j] * row[k] * q.cov[j][k]
		}
	}
	return v
}

// left is the value where u is left to do of n: A + B·u + C·(n² - (n-u)²), and beyond 0 and n a straight line.
func (q Quadratic) left(n, u float64) float64 {
	at := min(max(u, 0), n)
	slope := q.B + 2*q.C*(n-at)
	return q.A + q.B*at + q.C*(2*n*at-at*at) + slope*(u-at)
}

// Rest is between which numbers u lies that is left to do of n. A single value's own noise takes it further: Below
// under Least, and Above over Most, so that the whole holds the truth with a probability of 95 %. What several
// values of one curve have in common, which is how well the curve is known, does not shrink by taking them together;
// their own noise does. None of this is cut to 0 and n, for a mean of what was cut would be biased.
type Rest struct{ Least, Most, Below, Above float64 }

// Rest explains a value from low to high of what is left to do of n. It is false if no part explains it: it is too
// large for all of n.
func (q Quadratic) Rest(n, low, high float64) (Rest, bool) {
	// by the curve alone, and with what a single point adds
	upper := func(own float64) func(float64) float64 {
		return func(u float64) float64 { return q.left(n, u) * math.Exp(q.above+q.reach(n, u, own)) }
	}
	lower := func(own float64) func(float64) float64 {
		return func(u float64) float64 { return q.left(n, u) * math.Exp(q.below-q.reach(n, u, own)) }
	}
	if n < 1 || upper(1)(n) < low {
		return Rest{}, false
	}
	least, most := crossing(upper(0), low, n), crossing(lower(0), high, n)
	return Rest{
		Least: least, Below: max(least-crossing(upper(1), low, n), 0),
		Most: most, Above: max(crossing(lower(1), high, n)-most, 0),
	}, true
}

// crossing is where a rising function reaches y, from as far below 0 as n is above it to twice n.
func crossing(f func(float64) float64, y, n float64) float64 {
	low, high := -n, 2*n
	for range 60 {
		if mid := (low + high) / 2; f(mid) >= y {
			high = mid
		} else {
			low = mid
		}
	}
	return high
}

// Alone is between which numbers u lies by one value with its noise, from 1 to n.
func (r Rest) Alone(n float64) (least, most float64) {
	return min(max(r.Least-r.Below, 1), n), min(max(r.Most+r.Above, 1), n)
}

// And adds another value of the same curve. What they have in common adds up as it is, for it is the same in both, and
// the noise of each as the root of the sum of squares, for it is not (JCGM 100:2008, Guide to the expression of
// uncertainty in measurement, 5.1.2 and the first note of 5.2.2): in a mean of R values the noise shrinks by the root
// of R, and the error of the curve stays.
func (r Rest) And(o Rest) Rest {
	return Rest{
		Least: r.Least + o.Least, Below: math.Hypot(r.Below, o.Below),
		Most: r.Most + o.Most, Above: math.Hypot(r.Above, o.Above),
	}
}
