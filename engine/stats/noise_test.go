package stats

import (
	"math"
	"slices"
	"testing"
)

func TestTrendOf(t *testing.T) {
	trend := func(values ...float64) (Trend, bool) {
		at := make([]int, len(values))
		for i := range at {
			at[i] = i + 1
		}
		return TrendOf(values, at)
	}
	d, ok := trend(100, 101, 102, 103, 104, 105, 106, 107, 108, 109)
	if !ok {
		t.Fatal("no trend is looked for in ten values")
	}
	near(t, "total", d.Total(), 9/104.5) // one a repeat over nine steps
	// S = 45, var = 10*9*25/18 = 125, z = 44/sqrt(125)
	near(t, "p", d.P, math.Erfc(44/math.Sqrt(125)/math.Sqrt2))
	if _, ok := trend(1, 2, 3, 4, 5, 6, 7); ok {
		t.Error("seven values have a trend")
	}
	if d, ok := trend(100, 109, 101, 108, 102, 107, 103, 106, 104, 105); !ok || d.P < 0.5 {
		t.Errorf("no trend: %+v", d)
	}
	if _, ok := trend(5, 5, 5, 5, 5, 5, 5, 5); ok {
		t.Error("equal values have a trend")
	}
}

func TestOutliers(t *testing.T) {
	if got := Outliers([]float64{100, 101, 99, 100, 102, 98, 250, 100}); !slices.Equal(got, []int{6}) {
		t.Errorf("outliers: %v", got)
	}
	var even []float64
	for i := range 20 {
		even = append(even, 100*(1+0.002*(float64(i*7%20)/20-0.5)))
	}
	if got := Outliers(even); got != nil {
		t.Errorf("outliers among equals: %v", got)
	}
}

func TestHalvingNoise(t *testing.T) {
	if _, ok := HalvingNoise([]float64{1, 2, 3}, 100); ok {
		t.Error("three values have a noise floor")
	}
	// Of 2 low and 2 high values, a third of the halvings separates them (difference 10 of 105)
	// and the others find none: variance (10/105)^2/3, halved.
	sd, ok := HalvingNoise([]float64{100, 100, 110, 110}, 20000)
	if want := 10. / 105 / math.Sqrt(6); !ok || math.Abs(sd-want) > 0.02*want {
		t.Errorf("noise %v, want %v", sd, want)
	}
}
