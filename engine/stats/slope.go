package stats

import (
	"math"
	"slices"
)

// Slope is how fast values rise from one position to the next: Theil and Sen's estimate, the median of the slopes of
// all pairs of values, which a few outliers do not move (Theil 1950; Sen 1968). Of values that are only known to lie
// between limits it has limits, too.
type Slope struct {
	Low, High float64 // equal if the values are exact

	lows, highs []float64 // limits of the slopes of all pairs, each sorted
	n           int       // values
}

// SlopeOf finds the slope of at least two values at ascending positions.
func SlopeOf(low, high []float64, at []int) Slope {
	s := Slope{n: len(at)}
	for i := range at {
		for j := i + 1; j < len(at); j++ {
			apart := float64(at[j] - at[i])
			s.lows, s.highs = append(s.lows, (low[j]-high[i])/apart), append(s.highs, (high[j]-low[i])/apart)
		}
	}
	slices.Sort(s.lows)
	slices.Sort(s.highs)
	s.Low, s.High = middle(s.lows), middle(s.highs)
	return s
}

// Bounds are the lower and the upper bound of the true slope, each with this confidence: the slopes of the ranks that
// Kendall's test of these ranks does not reject (Sen 1968; Hollander, Wolfe and Chicken 2014, 9.3). They are infinite
// if there are too few values for any.
func (s Slope) Bounds(confidence float64) (low, high float64) {
	out := inversions(s.n, 1-confidence)
	if out < 0 {
		return math.Inf(-1), math.Inf(1)
	}
	return s.lows[out], s.highs[len(s.highs)-1-out]
}

// mostCounted is the largest sample of which Kendall's distribution is computed exactly.
const mostCounted = 40

// inversions is the largest number of pairs in the wrong order, of n values in a random order, that is reached or
// fallen below with at most this probability; -1 if there is none.
func inversions(n int, probability float64) int {
	pairs := n * (n - 1) / 2
	if n > mostCounted { // the number is about normal
		spread := math.Sqrt(float64(n*(n-1)*(2*n+5)) / 72)
		return int(math.Floor(float64(pairs)/2-math.Sqrt2*math.Erfinv(1-2*probability)*spread)) - 1
	}
	share := []float64{1} // of the orders of k values, by their number of inversions
	for k := 2; k <= n; k++ {
		next := make([]float64, len(share)+k-1)
		for have, of := range share {
			for more := range k {
				next[have+more] += of / float64(k)
			}
		}
		share = next
	}
	sum := 0.0
	for count, of := range share {
		if sum += of; sum > probability*(1+1e-12) {
			return count - 1
		}
	}
	return pairs - 1
}
