package metrics

import (
	"math"

	"homellm/engine/event"
)

// pair is a numerator and its denominator.
type pair struct{ num, den float64 }

// region is the set of pairs that a turn's numerator and denominator may be if one or both are unknown: the corners
// of a convex set, and the directions in which it is unbounded. A dependence between the two (cached tokens are part
// of the prompt) is in its shape.
type region struct {
	corners []pair
	rays    []pair
	own     *ownNoise // nil: none
}

// ownNoise is how far the independent noise of a turn takes its numerator below and above the corners, and the most
// that the numerator can be. Corners may be beyond that and below 0, because a sum of clipped values would be biased.
type ownNoise struct{ below, above, most float64 }

// certainly is the region of a known pair.
func certainly(num, den float64) region { return region{corners: []pair{{num, den}}} }

// box is the region of two independent intervals. An upper end may be infinite.
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

// part is the region of a part and its whole, where the part is smaller by at least one.
func part(whole event.Range) region {
	r := region{corners: []pair{{0, whole.Low}, {max(whole.Low-1, 0), whole.Low}}}
	if math.IsInf(whole.High, 1) {
		r.rays = []pair{{0, 1}, {1, 1}}
		return r
	}
	r.corners = append(r.corners, pair{0, whole.High}, pair{max(whole.High-1, 0), whole.High})
	return r
}

// quotients is the limits of the sum of the numerators over the sum of the denominators. Both sums use the same
// pairs: a prompt of unknown length counts in numerator and denominator with the same value. Noise that is each turn's
// own adds up as the root of the sum of its squares.
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
	return noisy(all, out)
}

// noisy widens a quotient of sums by the noise of single turns, up to what all of them may have at most.
func noisy(all []region, out event.Range) event.Range {
	var below, above, most, whole float64
	some := false
	for _, r := range all {
		high, den := 0.0, math.Inf(1)
		for _, p := range r.corners {
			high, den = max(high, p.num), min(den, p.den)
		}
		if len(r.rays) > 0 {
			high = math.Inf(1)
		}
		if own := r.own; own != nil {
			below, above, some = math.Hypot(below, own.below), math.Hypot(above, own.above), true
			high = own.most
		}
		most, whole = most+high, whole+den
	}
	if !some || whole <= 0 {
		return out
	}
	return event.Range{Low: out.Low - below/whole, High: min(out.High+above/whole, most/whole)}
}

// extreme is the smallest quotient of sums over the corners for sign 1, and the largest for -1, by Dinkelbach's
// method: in each region take the corner that improves most on the quotient found so far, until none improves it.
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

// sum adds up the corners that maximise the given function in their regions.
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
