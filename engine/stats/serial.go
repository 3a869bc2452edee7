package stats

import (
	"math/rand/v2"
)

// Serial is the probability that neighbours are as alike as these by chance: the squared distances between the ranks
// of neighbours (von Neumann's ratio of ranks, Bartels 1982) under random orders of the same values. It finds what
// lasts longer than one value, such as a correlation of lag one, a shift of the level or a drift.
func Serial(values []float64) float64 {
	n := len(values)
	ranks, _ := doubledRanks(values)
	alike := func() float64 {
		sum := 0
		for i := 1; i < n; i++ {
			sum += (ranks[i] - ranks[i-1]) * (ranks[i] - ranks[i-1])
		}
		return -float64(sum)
	}
	c := counter{seen: alike()}
	random := rand.New(rand.NewPCG(uint64(n), 2))
	for c.add(c.seen); c.up < enough && c.all < meanPermutations; {
		random.Shuffle(n, func(i, j int) { ranks[i], ranks[j] = ranks[j], ranks[i] })
		c.add(alike())
	}
	return c.probabilities().Up
}
