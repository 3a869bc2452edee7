package stats

import (
	"math"
	"slices"
)

// A curve is made of points of another time if they are at least leastOwn and leave gaps hardly wider than those of the
// first points: between two of them nothing shows how far the curve is from the truth.
const (
	leastOwn = 16
	widerGap = 1.2
)

// At returns the curve at the time of other points. That is this curve moved to them; or, if that is narrower, the one
// that they make together with the points of this curve, if their level is the same, or the one that they make alone,
// if they are many, reach as far and leave no wider gaps.
func (q Quadratic) At(x, y []float64) Quadratic {
	longest := slices.Max(q.x)
	best := q.Moved(x, y)
	try := func(x, y []float64) {
		if own, ok := FitQuadratic(x, y); ok && own.width(longest) < best.width(longest) {
			best = own
		}
	}
	if best.below == 0 && best.above == 0 {
		try(slices.Concat(q.x, x), slices.Concat(q.y, y))
	}
	if len(x) >= leastOwn && slices.Max(x) >= longest && gap(x) <= widerGap*gap(q.x) {
		try(x, y)
	}
	return best
}

// gap returns the largest factor between a number and the next larger one.
func gap(x []float64) (factor float64) {
	sorted := slices.Sorted(slices.Values(x))
	for i, larger := range sorted[1:] {
		factor = max(factor, larger/sorted[i])
	}
	return factor
}

// width is how far apart the bounds of a value lie, as the logarithm of a factor.
func (q Quadratic) width(x float64) float64 { return 2*q.reach(x, x, 1) + q.above - q.below }

// Moved returns the curve as points show it that were measured at another time. If one level explains all of them, the
// curve has that level: it is moved there, unless the first points explain it as well. If no level does, the conditions
// changed between the points, and any state between theirs and that of the first points is possible.
func (q Quadratic) Moved(x, y []float64) Quadratic {
	var offs, reaches []float64
	for i := range x {
		if fitted := q.at(x[i]); fitted > 0 && y[i] > 0 {
			offs, reaches = append(offs, q.Off(x[i], y[i])), append(reaches, q.reach(x[i], x[i], 1))
		}
	}
	level, of := Mean(offs), float64(len(offs))
	all := Student(1-0.025/of, q.free) / q.times // the interval that holds all of the points (Bonferroni), not one
	one, within := true, 0.0                     // the mean lies within so much of its level
	for i, off := range offs {
		one, within = one && math.Abs(off-level) <= all*reaches[i], max(within, reaches[i]/math.Sqrt(of))
	}
	if one {
		if math.Abs(level) > within {
			q.below, q.above = level-within, level+within
		}
		return q
	}
	for i, off := range offs {
		if math.Abs(off) > reaches[i] {
			q.below, q.above = min(q.below, off), max(q.above, off)
		}
	}
	return q
}

// Off returns how far a point lies from the curve, as the logarithm of a factor.
func (q Quadratic) Off(x, y float64) float64 { return math.Log(y / q.at(x)) }

// Since returns by which shares points took more and less at most when the curve was moved; 0 if it was not.
func (q Quadratic) Since() (more, less float64) {
	return math.Expm1(max(q.above, 0)), -math.Expm1(min(q.below, 0))
}

// noise returns how far a single point may lie from the curve at y, as the logarithm of a factor: Student's interval or
// the largest residual seen, because noise on a shared machine has longer tails than a normal distribution.
func (q Quadratic) noise(y float64) float64 { return max(q.times*q.Spread, q.worst) * q.scale(y) }

// reach returns how far a value may lie from the curve where u of n is left to do, as the logarithm of a factor. It
// combines the uncertainty of the curve with the noise of a single point if own is 1, or without it if own is 0.
func (q Quadratic) reach(n, u, own float64) float64 {
	u = min(max(u, 0), n)
	v := q.left(n, u)
	if v <= 0 {
		return math.Inf(1)
	}
	return math.Hypot(q.times*math.Sqrt(max(q.variance(n, u), 0))/v, own*q.noise(v)) + math.Log1p(q.miss.at(v))
}

// variance returns the variance of the curve where u of n is left to do, without that of a single point.
func (q Quadratic) variance(n, u float64) (v float64) {
	row := terms{1, u, 2*n*u - u*u}
	for j := range row {
		for k := range row {
			v += row[j] * row[k] * q.cov[j][k]
		}
	}
	return v
}

// left returns the value where u of n is left to do: A + B·u + C·(n² - (n-u)²), and beyond 0 and n a straight line.
func (q Quadratic) left(n, u float64) float64 {
	at := min(max(u, 0), n)
	slope := q.B + 2*q.C*(n-at)
	return q.A + q.B*at + q.C*(2*n*at-at*at) + slope*(u-at)
}

// Rest bounds the number u that is left to do of n: between Least and Most by the uncertainty of the curve. The noise
// of a single value widens this by Below and Above, so that the whole interval holds the truth with a probability of 95
// %. A mean of several values on one curve reduces their noise, but not the uncertainty of the curve, which they share.
// The bounds are not clipped to 0 and n, because a mean of clipped bounds would be biased.
type Rest struct{ Least, Most, Below, Above float64 }

// Rest bounds what was left to do of n, given a value between low and high. It returns false if the value is too large
// even for all of n.
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

// crossing returns where a rising function reaches y, between -n and 2n.
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

// cachedCost is how long it takes at most to read a token from the cache, as a share of computing one. A GPU that
// computes 20,000 tokens a second reads the keys and values of a million, which is a fiftieth; half as much again is
// allowed for caches in the memory of the host.
const cachedCost = 0.03

// Unseen widens the bounds by what the points do not show: what so few take that no point has less, and what it costs
// to read from the cache what was not left to do of n.
func (r Rest) Unseen(n, shortest float64) Rest {
	r.Least -= cachedCost * max(n-r.Least, 0)
	if r.Least < shortest {
		r.Least -= shortest
	}
	r.Most = max(r.Most, min(shortest, n))
	return r
}

// Alone returns the bounds of u for a single value with its noise, from 1 to n.
func (r Rest) Alone(n float64) (least, most float64) {
	return min(max(r.Least-r.Below, 1), n), min(max(r.Most+r.Above, 1), n)
}

// And adds another value of the same curve. Their common error adds up linearly, because it is the same in both, and
// their noise adds up as the root of the sum of squares, because it is independent (JCGM 100:2008, Guide to the
// expression of uncertainty in measurement, 5.1.2 and the first note of 5.2.2): in a mean of R values the noise shrinks
// by the root of R, and the error of the curve stays.
func (r Rest) And(o Rest) Rest {
	return Rest{
		Least: r.Least + o.Least, Below: math.Hypot(r.Below, o.Below),
		Most: r.Most + o.Most, Above: math.Hypot(r.Above, o.Above),
	}
}
