package stats

import (
	"math"
	"math/rand/v2"
	"slices"
)

// HalvingNoise is the noise floor of a sample: the standard deviation of the relative difference of the medians of
// two samples of this size when nothing has changed. It comes from random halvings of the sample; a half has half as
// many values, so the variance is halved. It is unknown for fewer than four values or a median of 0.
func HalvingNoise(values []float64, splits int) (sd float64, ok bool) {
	n := len(values)
	if n < 4 || splits < 1 {
		return 0, false
	}
	center := Median(values)
	if center == 0 {
		return 0, false
	}
	random := rand.New(rand.NewPCG(uint64(n), uint64(splits))) // a fixed seed: the same values give the same floor
	v := slices.Clone(values)
	var squares float64
	for range splits {
		random.Shuffle(n, func(i, j int) { v[i], v[j] = v[j], v[i] })
		d := Median(v[:n/2]) - Median(v[n/2:])
		squares += (d / center) * (d / center)
	}
	return math.Sqrt(squares / float64(splits) / 2), true
}

// Outliers lists the positions of the values that lie more than five scaled median absolute deviations from the
// median.
func Outliers(values []float64) []int {
	if len(values) < 5 {
		return nil
	}
	m := Median(values)
	dev := make([]float64, len(values))
	for i, v := range values {
		dev[i] = math.Abs(v - m)
	}
	mad := 1.4826 * Median(dev) // the standard deviation of a normal distribution
	var out []int
	for i := range values {
		if mad > 0 && dev[i] > 5*mad && dev[i] > 0.05*math.Abs(m) {
			out = append(out, i)
		}
	}
	return out
}
