package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

// kendall are critical values of Kendall's S, the pairs in order minus the others, with the probability that a random
// order reaches them: table A.30 of Hollander and Wolfe, Nonparametric Statistical Methods.
func TestInversions_EqualsTheTable(t *testing.T) {
	for _, k := range []struct {
		n           int
		probability float64
		s           int // the smallest that is reached with at most this probability
	}{
		{4, 0.05, 6}, {5, 0.05, 8}, {5, 0.01, 10}, {6, 0.025, 13}, {8, 0.05, 16}, {8, 0.01, 20}, {10, 0.05, 21},
		{10, 0.025, 23}, {10, 0.01, 27},
	} {
		if got := k.n*(k.n-1)/2 - 2*inversions(k.n, k.probability); got != k.s {
			t.Errorf("n %d, %g: %d, want %d", k.n, k.probability, got, k.s)
		}
	}
	if inversions(3, 0.05) != -1 {
		t.Error("three values cannot be told from chance")
	}
	if exact, about := inversions(40, 0.05), inversions(41, 0.05); about < exact || about > exact+30 {
		t.Errorf("exactly %d of 40 values, and about %d of 41", exact, about)
	}
}

func TestSlopeOf(t *testing.T) {
	at := []int{1, 2, 3, 4, 6, 7, 8, 9, 10}
	line := func(rise float64, noise func(int) float64) []float64 {
		var out []float64
		for i, x := range at {
			out = append(out, 100+rise*float64(x)+noise(i))
		}
		return out
	}
	none := func(int) float64 { return 0 }
	for _, rise := range []float64{0, 2.5, -4} {
		s := SlopeOf(line(rise, none), line(rise, none), at)
		if low, high := s.Bounds(0.95); s.Low != rise || s.High != rise || low != rise || high != rise {
			t.Errorf("rise %v: %v to %v, bounds %v to %v", rise, s.Low, s.High, low, high)
		}
	}
	outlier := func(i int) float64 { return map[bool]float64{true: 500}[i == 4] }
	if s := SlopeOf(line(1, outlier), line(1, outlier), at); s.Low != 1 {
		t.Errorf("one outlier moves the slope to %v", s.Low)
	}
	wide := func(int) float64 { return 5 }
	if s := SlopeOf(line(1, none), line(1, wide), at); s.Low >= 1 || s.High <= 1 {
		t.Errorf("of an interval: %v to %v", s.Low, s.High)
	}
	if low, high := SlopeOf([]float64{1, 2, 3}, []float64{1, 2, 3}, []int{1, 2, 3}).Bounds(0.95); !math.IsInf(low, -1) ||
		!math.IsInf(high, 1) {
		t.Errorf("three values are bounded by %v and %v", low, high)
	}
}

// The bounds hold as often as they say, and a flat sample exceeds one side no more often than that.
func TestSlope_BoundsHold(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	const trials = 4000
	below, above := 0, 0
	for range trials {
		var values []float64
		var at []int
		for i := range 10 {
			values, at = append(values, 3*float64(i)+20*rnd.NormFloat64()), append(at, i+1)
		}
		low, high := SlopeOf(values, values, at).Bounds(0.95)
		if low > 3 {
			below++
		}
		if high < 3 {
			above++
		}
	}
	for _, missed := range []int{below, above} {
		if share := float64(missed) / trials; share > 0.055 || share < 0.02 {
			t.Errorf("a bound misses the true slope in %.3f of the samples, want at most 0.05 and not far less", share)
		}
	}
}
