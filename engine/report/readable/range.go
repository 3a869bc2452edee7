package readable

import (
	"math"
	"strings"
)

// Range prints the limits of a number, "0.34-0.55" or "≥ 110 ms"; [Unknown] if it has none.
func Range(from, to float64, show func(float64) string) string {
	low, high := show(from), show(to)
	switch {
	case math.IsInf(from, -1) && math.IsInf(to, 1), from == 0 && math.IsInf(to, 1):
		return Unknown
	case math.IsInf(to, 1):
		return "≥ " + low
	case math.IsInf(from, -1):
		return "≤ " + high
	case low == high:
		return low
	}
	if number, unit, ok := strings.Cut(low, " "); ok && strings.HasSuffix(high, " "+unit) {
		low = number // the unit once
	}
	return low + "-" + high
}
