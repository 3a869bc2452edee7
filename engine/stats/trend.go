package stats

import "math"

// Trend is a steady rise or fall of values over their positions.
type Trend struct {
	P float64 // of the Mann-Kendall test

	values []float64
	at     []int
	center float64
}

// Total is the rise from the first value to the last, relative to the median. It needs all slopes sorted.
func (t Trend) Total() float64 {
	var slopes []float64
	for i, v := range t.values {
		for j := i + 1; j < len(t.values); j++ {
			slopes = append(slopes, (t.values[j]-v)/float64(t.at[j]-t.at[i]))
		}
	}
	return Median(slopes) * float64(t.at[len(t.at)-1]-t.at[0]) / math.Abs(t.center)
}

// TrendOf tests for a monotone trend of values at ascending positions: Mann-Kendall (Mann 1945; normal approximation
// with continuity and tie correction, for at least eight values) says whether there is one, Theil and Sen's median of
// all slopes how large it is.
func TrendOf(values []float64, at []int) (Trend, bool) {
	n := len(values)
	if n < 8 {
		return Trend{}, false
	}
	score := 0
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
	return Trend{math.Erfc(z / math.Sqrt2), values, at, center}, true
}
