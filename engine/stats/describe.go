// Package stats holds the statistics: plain numbers come in; ranks, bounds, tests and estimates go out. It knows no
// metric, event or server, so that each function can be checked against published values. It imports no other package
// of homellm.
package stats

import (
	"math"
	"slices"
)

// Sum is the sum of the values.
func Sum(values []float64) float64 {
	var s float64
	for _, v := range values {
		s += v
	}
	return s
}

// Mean is the arithmetic mean of at least one value.
func Mean(values []float64) float64 { return Sum(values) / float64(len(values)) }

// Deviation is the standard deviation of a sample of at least two values (n-1); 0 for fewer.
func Deviation(values []float64) float64 {
	if len(values) < 2 {
		return 0
	}
	mean := Mean(values)
	var squares float64
	for _, v := range values {
		squares += (v - mean) * (v - mean)
	}
	return math.Sqrt(squares / float64(len(values)-1))
}

// Percentile returns the nearest-rank percentile of sorted values: the value of rank ceil(p*n/100). The arithmetic is
// in integers, so that rounding never selects a neighbour.
func Percentile(sorted []float64, p int) float64 {
	rank := (p*len(sorted) + 99) / 100
	return sorted[max(rank, 1)-1]
}

// Median is the middle value, or the mean of the middle two.
func Median(values []float64) float64 { return middle(slices.Sorted(slices.Values(values))) }

// middle is the median of sorted values.
func middle(sorted []float64) float64 {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
