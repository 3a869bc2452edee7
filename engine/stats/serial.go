package stats

// Serial is the probability that neighbouring values are as similar as these by chance: the squared distances between
// the ranks of neighbours (von Neumann's ratio of ranks, Bartels 1982) under random orders of the same values. It
// detects what lasts longer than one value, such as a correlation of lag one, a shift of the level or a drift.
func Serial(values []float64) float64 {
	n := len(values)
	ranks, _ := doubledRanks(values)
	c := counter{}
	for i := 1; i < n; i++ {
		c.seen -= square(ranks[i] - ranks[i-1])
	}
	c.add(c.seen)
	eachOrder(n, func(order []int32) bool {
		alike := 0.0
		for i := 1; i < n; i++ {
			alike -= square(ranks[order[i]] - ranks[order[i-1]])
		}
		c.add(alike)
		return c.up < enough && c.all < meanPermutations
	})
	return c.probabilities().Up
}

func square(d int) float64 { return float64(d * d) }
