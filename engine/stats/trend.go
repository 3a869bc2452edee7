package stats

import (
	"math"
	"slices"
)

// Trend is a steady rise or fall of values over their positions.
type Trend struct {
	Total float64 // from the first value to the last, relative to the median
	P     float64 // of the Mann-Kendall test
}

// TrendOf finds a monotone trend of values at ascending positions: Mann-Kendall says whether there is one (Mann
// 1945; normal approximation with continuity and tie correction, for at least eight values), Theil and
// Sen's median of all slopes how large it is.
func TrendOf(values []float64, at []int) (Trend, bool) {
	n := len(values)
	if n < 8 {
		return Trend{}, false
	}
	score := 0
	var slopes []float64
	ties := map[float64]int{}
	for i, v := range values {
		ties[v]++
		for j := i + 1; j < n; j++ {
			switch {
			case values[j] > v:
				score++
			case values[j] < v:
				score--
			}
			slopes = append(slopes, (values[j]-v)/float64(at[j]-at[i]))
		}
	}
	variance := float64(n*(n-1)*(2*n+5)) / 18
	for _, t := range ties {
		variance -= float64(t*(t-1)*(2*t+5)) / 18
	}
	center := Median(values)
	if variance <= 0 || center == 0 {
		return Trend{}, false
	}
	z := max(math.Abs(float64(score))-1, 0) / math.Sqrt(variance)
	slices.Sort(slopes)
	return Trend{
		Total: middle(slopes) * float64(at[n-1]-at[0]) / math.Abs(center),
		P:     math.Erfc(z / math.Sqrt2),
	}, true
}
