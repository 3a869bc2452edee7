package chart

import (
	"math"
	"slices"
)

// axis maps values to coordinates.
type axis struct {
	low, high float64 // values
	from, to  float64 // coordinates of low and high
	log       bool    // the axis is logarithmic, and low is more than 0
}

func (a axis) at(v float64) float64 {
	low, high := a.low, a.high
	if a.log {
		v, low, high = math.Log(max(v, a.low)), math.Log(low), math.Log(high)
	}
	if high == low {
		return a.from
	}
	return a.from + (v-low)/(high-low)*(a.to-a.from)
}

// scale is an axis with the values of its grid lines.
type scale struct {
	axis
	ticks []float64
}

// logCaption explains a logarithmic axis.
const logCaption = "The axis is logarithmic: a few values are many times the others."

// gridLines are about how many lines an axis has above 0.
const gridLines = 4

// flattened is the share of a linear axis that is too small to hold most values.
const flattened = 1.0 / 8

// scaleOf fits an axis to values: from 0 to the largest. If three quarters of them would lie in its lowest eighth, as
// when one turn loads a model, the axis is logarithmic, unless a value is 0.
func scaleOf(values []float64, from, to float64) scale {
	known := slices.Sorted(slices.Values(values))
	if n := len(known); n > 1 && known[0] > 0 && known[n*3/4-1] <= known[n-1]*flattened {
		return logScale(known[0], known[n-1], from, to)
	}
	top := 0.0
	if len(known) > 0 {
		top = known[len(known)-1]
	}
	return linear(top, gridLines, from, to)
}

// linear returns an axis from 0 to a round number that is at least the largest value.
func linear(top float64, steps int, from, to float64) scale {
	ceiling, step := niceCeil(top, steps)
	out := scale{axis: axis{0, ceiling, from, to, false}}
	for v := 0.0; v <= ceiling+step/2; v += step {
		out.ticks = append(out.ticks, v)
	}
	return out
}

// mostTicks limits the grid lines of a logarithmic axis.
const mostTicks = 7

// logScale returns a logarithmic axis between round numbers that enclose two values above 0.
func logScale(low, high, from, to float64) scale {
	var ticks []float64
	for _, steps := range [][]float64{{1, 2, 5}, {1, 3}, {1}} {
		ticks = nil
		for power := math.Floor(math.Log10(low)); ; power++ {
			for _, m := range steps {
				ticks = append(ticks, m*math.Pow(10, power))
			}
			if math.Pow(10, power+1) > high {
				ticks = append(ticks, math.Pow(10, power+1))
				break
			}
		}
		first, last := 0, len(ticks)-1
		for first+1 < len(ticks) && ticks[first+1] <= low {
			first++
		}
		for last > first+1 && ticks[last-1] >= high {
			last--
		}
		if ticks = ticks[first : last+1]; len(ticks) <= mostTicks {
			break
		}
	}
	return scale{axis{ticks[0], ticks[len(ticks)-1], from, to, true}, ticks}
}

// niceCeil returns the smallest multiple of a round step that is at least v, and that step: 1, 2, 2.5 or 5 times a
// power of ten, so that v takes about the given number of steps.
func niceCeil(v float64, steps int) (ceiling, step float64) {
	if v <= 0 || math.IsInf(v, 0) || math.IsNaN(v) {
		return 1, 1 / float64(steps)
	}
	raw := v / float64(steps)
	power := math.Pow(10, math.Floor(math.Log10(raw)))
	for _, m := range []float64{1, 2, 2.5, 5, 10} {
		if step = m * power; step >= raw*(1-1e-9) {
			break
		}
	}
	return math.Ceil(v/step-1e-9) * step, step
}
