package expr

import (
	"math"
)

// Range is an interval that contains a number, both ends included. Low is -Inf and High +Inf if it has no bound
// there.
type Range struct{ Low, High float64 }

// anything is the interval of an unknown number.
var anything = Range{math.Inf(-1), math.Inf(1)}

func point(v float64) Range { return Range{v, v} }

// aroundZero says whether the interval contains 0.
func (r Range) aroundZero() bool { return r.Low <= 0 && 0 <= r.High }

// within is the intersection of two intervals; if it is empty, the first of them.
func (r Range) within(of Range) Range {
	both := Range{math.Max(r.Low, of.Low), math.Min(r.High, of.High)}
	if both.Low > both.High {
		return r
	}
	return both
}

// hull is the smallest interval that contains both.
func (r Range) hull(other Range) Range {
	return Range{math.Min(r.Low, other.Low), math.Max(r.High, other.High)}
}

// The operations below return the interval of all results for numbers in their operands, and false if some numbers
// have no result. Rounding of a sum, a product and a quotient is monotone, so the results for inner numbers are
// within the results for the ends.

func sum(a, b Range) (Range, bool) { return Range{a.Low + b.Low, a.High + b.High}, true }

func less(a, b Range) (Range, bool) { return sum(a, negative(b)) }

func negative(a Range) Range { return Range{-a.High, -a.Low} }

func product(a, b Range) (Range, bool) {
	return corners(a, b, func(x, y float64) float64 {
		if x == 0 || y == 0 {
			return 0 // the other end may be infinite, but numbers are finite
		}
		return x * y
	})
}

func quotient(a, b Range) (Range, bool) {
	if b.aroundZero() {
		return anything, false
	}
	return corners(a, b, func(x, y float64) float64 { return x / y })
}

// relative is (a - b) / b.
func relative(a, b Range) (Range, bool) {
	if b.aroundZero() {
		return anything, false
	}
	r, ok := corners(a, b, func(x, y float64) float64 {
		if math.IsInf(y, 0) && !math.IsInf(x, 0) {
			return -1
		}
		return (x - y) / y
	})
	return r.wider(), ok
}

func remainder(a, b Range) (Range, bool) {
	if b.aroundZero() {
		return anything, false
	}
	if a.Low == a.High && b.Low == b.High {
		return point(math.Mod(a.Low, b.Low)), true
	}
	most := math.Max(math.Abs(b.Low), math.Abs(b.High)) - 1
	out := Range{math.Max(-most, math.Min(a.Low, 0)), math.Min(most, math.Max(a.High, 0))}
	return out, true
}

func raised(a, b Range) (Range, bool) {
	whole := b.Low == b.High && b.Low == math.Trunc(b.Low)
	switch {
	case a.Low > 0, a.Low >= 0 && b.Low > 0:
		r, ok := corners(a, b, math.Pow)
		return r.wider(), ok
	case !whole, b.Low < 0:
		return anything, false // a negative number to a fractional power, or 0 to a negative one
	case b.Low == 0:
		return point(1), true
	}
	r, _ := corners(a, b, math.Pow)
	if r.Low > 0 && a.aroundZero() {
		r.Low = 0 // of an even power
	}
	return r.wider(), true
}

// corners is the hull of an operation at the ends of its operands. Ends without a value are left out.
func corners(a, b Range, of func(x, y float64) float64) (Range, bool) {
	out := Range{math.Inf(1), math.Inf(-1)}
	for _, x := range []float64{a.Low, a.High} {
		for _, y := range []float64{b.Low, b.High} {
			if v := of(x, y); !math.IsNaN(v) {
				out = out.hull(point(v))
			}
		}
	}
	if out.Low > out.High {
		return anything, false
	}
	return out, true
}

// wider extends an interval by the rounding errors of an operation that is not monotone.
func (r Range) wider() Range {
	const roundings = 8
	for range roundings {
		r.Low, r.High = math.Nextafter(r.Low, math.Inf(-1)), math.Nextafter(r.High, math.Inf(1))
	}
	return r
}

// magnitude is the interval of absolute values.
func (r Range) magnitude() Range {
	switch {
	case r.Low >= 0:
		return r
	case r.High <= 0:
		return negative(r)
	}
	return Range{0, math.Max(-r.Low, r.High)}
}

// growing applies a monotone function to both ends.
func (r Range) growing(of func(float64) float64) Range { return Range{of(r.Low), of(r.High)} }
