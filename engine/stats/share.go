package stats

// ShareBounds bounds a true share of which n independent trials passed so many, by the binomial distribution alone
// (Clopper and Pearson): with the given confidence it is not below Lo, and with the same confidence not above Hi. A
// trial that passed in part, such as two times in three, counts as that part: its spread is at most that of a whole
// one, so the bounds hold for it too, if anything with more confidence.
func ShareBounds(passed float64, n int, confidence float64) Bounds {
	b := Bounds{0, 1}
	missed := float64(n) - passed
	if passed > 0 {
		b.Lo = betaQuantile(1-confidence, passed, missed+1)
	}
	if missed > 0 {
		b.Hi = betaQuantile(confidence, passed+1, missed)
	}
	return b
}

// betaQuantile is the quantile of the beta distribution, by bisection.
func betaQuantile(p, a, b float64) float64 {
	low, high := 0.0, 1.0
	for range 100 {
		mid := (low + high) / 2
		if mid == low || mid == high {
			break
		}
		if incompleteBeta(mid, a, b) < p {
			low = mid
		} else {
			high = mid
		}
	}
	return (low + high) / 2
}
