package stats

// withTerm is the number of ways to reach each sum once a term may be added or left out.
func withTerm(ways []float64, term int) []float64 {
	out := make([]float64, len(ways)+term)
	for s, n := range ways {
		out[s] += n / 2 // halved each time, so that large samples do not overflow
		out[s+term] += n / 2
	}
	return out
}

// wCounts is the distribution of the signed-rank sum of n values.
func wCounts(n int) []float64 {
	ways := []float64{1}
	for i := 1; i <= n; i++ {
		ways = withTerm(ways, i)
	}
	return ways
}

// uCounts is the distribution of U of samples of m and n values: the coefficients of the Gaussian
// binomial, built from its recurrence f(m, n) = q^n f(m-1, n) + f(m, n-1) with the probabilities
// of the last value as weights.
func uCounts(m, n int) []float64 {
	row := make([][]float64, n+1) // row[j] is the distribution for i and j values
	for j := range row {
		row[j] = []float64{1}
	}
	for i := 1; i <= m; i++ {
		for j := 1; j <= n; j++ {
			out := make([]float64, i*j+1)
			last := float64(i) / float64(i+j)
			for u, p := range row[j] { // i-1 and j values: the largest of all is of the first sample
				out[u+j] += last * p
			}
			for u, p := range row[j-1] { // i and j-1 values
				out[u] += (1 - last) * p
			}
			row[j] = out
		}
	}
	return row[n]
}

// lowRank is the largest k with P(X < k) <= tail.
func lowRank(dist []float64, tail float64) int {
	var below float64
	for k, p := range dist {
		if below+p > tail*(1+1e-12) {
			return k
		}
		below += p
	}
	return len(dist)
}
