package metrics

import (
	"math"

	"homellm/engine/event"
)

// pair is a numerator and its denominator.
type pair struct{ num, den float64 }

// region holds every pair that a turn's numerator and denominator may be, of which one or both are unknown: the
// corners of a convex set, and the directions in which nothing bounds it. What ties the two together (no more is
// cached than the prompt has) is in its shape.
type region struct {
	corners []pair
	rays    []pair
}

// certainly is the region of a pair that is known.
func certainly(num, den float64) region { return region{corners: []pair{{num, den}}} }

// box is a region whose sides say nothing of each other. A high end may be infinite.
func box(num, den event.Range) region {
	var r region
	numEnds, denEnds := []float64{num.Low}, []float64{den.Low}
	if math.IsInf(num.High, 1) {
		r.rays = append(r.rays, pair{1, 0})
	} else {
		numEnds = append(numEnds, num.High)
	}
	if math.IsInf(den.High, 1) {
		r.rays = append(r.rays, pair{0, 1})
	} else {
		denEnds = append(denEnds, den.High)
	}
	for _, n := range numEnds {
		for _, d := range denEnds {
			r.corners = append(r.corners, pair{n, d})
		}
	}
	return r
}

// part is the region of a part and its whole, where the part is at least one less than the whole.
func part(whole event.Range) region {
	r := region{corners: []pair{{0, whole.Low}, {max(whole.Low-1, 0), whole.Low}}}
	if math.IsInf(whole.High, 1) {
		r.rays = []pair{{0, 1}, {1, 1}}
		return r
	}
	r.corners = append(r.corners, pair{0, whole.High}, pair{max(whole.High-1, 0), whole.High})
	return r
}

// quotients is between which limits the sum of the numerators over the sum of the denominators lies. Both sums are
// taken of the same pairs: a turn whose prompt may be long has its part in numerator and denominator at once.
func quotients(all []region) event.Range {
	out := event.Range{Low: extreme(all, 1), High: extreme(all, -1)}
	for _, r := range all {
		for _, ray := range r.rays {
			q := math.Inf(1)
			if ray.den > 0 {
				q = ray.num / ray.den
			}
			out.Low, out.High = min(out.Low, q), max(out.High, q)
		}
	}
	return out
}

// extreme is the smallest quotient of sums over the corners for the sign 1, and the largest for -1, by Dinkelbach's
// method: of each region the corner is taken that improves on the quotient found so far, until none does.
func extreme(all []region, sign float64) float64 {
	widest := sum(all, func(p pair) float64 { return p.den })
	if widest.den <= 0 {
		return -sign * math.Inf(1)
	}
	q := widest.num / widest.den
	for range 64 {
		best := sum(all, func(p pair) float64 { return -sign * (p.num - q*p.den) })
		if best.den <= 0 && best.num > 0 {
			return math.Inf(1)
		}
		next := best.num / best.den
		if math.IsNaN(next) || sign*(q-next) <= 0 {
			return q
		}
		q = next
	}
	return q
}

// sum adds up the corners of which each has the most of something in its region.
func sum(all []region, most func(pair) float64) pair {
	var out pair
	for _, r := range all {
		best := r.corners[0]
		for _, c := range r.corners[1:] {
			if most(c) > most(best) {
				best = c
			}
		}
		out.num, out.den = out.num+best.num, out.den+best.den
	}
	return out
}
