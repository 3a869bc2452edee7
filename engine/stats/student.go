package stats

import "math"

// Student is the quantile of Student's t distribution with df degrees of freedom, found by bisection of its
// distribution function, which Simpson's rule integrates from 0.
func Student(p, df float64) float64 {
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
