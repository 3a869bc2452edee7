package readable

import (
	"math"
	"strings"

	"homellm/engine/event"
)

// Range prints the limits between which a number lies, "0.34-0.55" or "≥ 110 ms"; [Unknown] where there are none.
func Range(r event.Range, show func(float64) string) string {
	low, high := show(r.Low), show(r.High)
	switch {
	case math.IsInf(r.Low, -1) && math.IsInf(r.High, 1), r.Low == 0 && math.IsInf(r.High, 1):
		return Unknown
	case math.IsInf(r.High, 1):
		return "≥ " + low
	case math.IsInf(r.Low, -1):
		return "≤ " + high
	case low == high:
		return low
	}
	if number, unit, ok := strings.Cut(low, " "); ok && strings.HasSuffix(high, " "+unit) {
		low = number // the unit once
	}
	return low + "-" + high
}

// Operand prints a value as it was compared: exactly, or as far as it is known.
func Operand(o event.Operand) string {
	switch {
	case o.Value != nil:
		return Exact(o.Value, o.Unit)
	case o.Unsupported:
		return "unsupported"
	case o.Beginning != nil && *o.Beginning != "":
		return Exact(*o.Beginning, "") + " …"
	case o.Range != nil:
		if text := Range(*o.Range, func(v float64) string { return Exact(v, o.Unit) }); text != Unknown {
			return text
		}
	}
	return "unknown"
}
