package stats

import "math"

// Student is the quantile of Student's t distribution with df degrees of freedom, for p of at least 0.5. It bisects
// the distribution function, which is a regularised incomplete beta function of df/(df + t^2).
func Student(p, df float64) float64 {
	tail := 2 * (1 - p)
	low, high := 0.0, 1.0
	for range 100 {
		mid := (low + high) / 2
		if mid == low || mid == high {
			break
		}
		if incompleteBeta(mid, df/2, 0.5) < tail {
			low = mid
		} else {
			high = mid
		}
	}
	x := (low + high) / 2
	return math.Sqrt(df * (1 - x) / x)
}

// incompleteBeta is the regularised incomplete beta function, by its continued fraction (Lentz's method).
func incompleteBeta(x, a, b float64) float64 {
	if x <= 0 || x >= 1 {
		return x
	}
	if x > (a+1)/(a+b+2) { // the fraction converges fast for the complement
		return 1 - incompleteBeta(1-x, b, a)
	}
	lga, _ := math.Lgamma(a)
	lgb, _ := math.Lgamma(b)
	lgab, _ := math.Lgamma(a + b)
	front := math.Exp(lgab-lga-lgb+a*math.Log(x)+b*math.Log1p(-x)) / a
	c, d := 1.0, 1/(1-(a+b)*x/(a+1))
	f := d
	for m := 1.0; m < 1000; m++ {
		for _, t := range [2]float64{
			m * (b - m) * x / ((a + 2*m - 1) * (a + 2*m)),
			-(a + m) * (a + b + m) * x / ((a + 2*m) * (a + 2*m + 1)),
		} {
			d = 1 / (1 + t*d)
			c = 1 + t/c
			f *= c * d
		}
		if math.Abs(c*d-1) < 1e-14 {
			break
		}
	}
	return front * f
}
