package stats

import "math"

// Fisher is the exact test of two shares: far[0] of n[0] against far[1] of n[1]. Up is the probability of at least as
// many on the second side, P that of any table that is not likelier than this one.
func Fisher(far, n [2]int) (out Probabilities) {
	all, most := n[0]+n[1], far[0]+far[1]
	at := hypergeometric(far[1], most, n[1], all)
	for k := max(0, most-n[0]); k <= min(most, n[1]); k++ {
		p := hypergeometric(k, most, n[1], all)
		if p <= at*(1+1e-9) {
			out.P += p
		}
		if k >= far[1] {
			out.Up += p
		}
		if k <= far[1] {
			out.Down += p
		}
	}
	return Probabilities{math.Min(1, out.P), math.Min(1, out.Up), math.Min(1, out.Down)}
}

// LeastFar is the smallest number on the second side, of n[1] values, for which Fisher's test has P(as many) < alpha
// when the first side has far of n[0]; ok is false if even n[1] is not enough.
func LeastFar(far int, n [2]int, alpha float64) (k int, ok bool) {
	for k = range n[1] + 1 {
		up := 0.0
		for j := k; j <= min(far+k, n[1]) && up < alpha; j++ {
			up += hypergeometric(j, far+k, n[1], n[0]+n[1])
		}
		if up < alpha {
			return k, true
		}
	}
	return 0, false
}

// hypergeometric is the probability that a draw of n contains k of the marked ones.
func hypergeometric(k, marked, n, all int) float64 {
	return math.Exp(logChoices(marked, k) + logChoices(all-marked, n-k) - logChoices(all, n))
}

func logChoices(n, k int) float64 {
	a, _ := math.Lgamma(float64(n + 1))
	b, _ := math.Lgamma(float64(k + 1))
	c, _ := math.Lgamma(float64(n - k + 1))
	return a - b - c
}
