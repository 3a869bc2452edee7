// Package readable formats numbers and words for people: values with their units, counts, changes, phases. The input
// is values, the output short texts, the same for every report. It knows no format and escapes nothing.
package readable

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"homellm/engine/metrics"
	"homellm/engine/text"
)

// Unknown is the text for a number that was not measured. It is never a zero.
const Unknown = "–"

// shows formats numbers by unit; a number of any other unit is printed with the unit's name.
var shows = map[string]func(float64) string{
	"ms":       duration,
	"s":        func(v float64) string { return duration(1000 * v) },
	"tokens":   text.Count,
	"turns":    text.Count,
	"requests": text.Count,
	"repeats":  text.Count,
	"users":    text.Count,
	"ratio":    func(v float64) string { return fmt.Sprintf("%.2f", v) },
	"tokens/s": rate,
}

// Quantity prints a number with its unit.
func Quantity(v float64, unit string) string {
	if f, ok := shows[unit]; ok {
		return f(v)
	}
	return WithUnit(Significant(v, 4), unit)
}

// duration prints milliseconds, in seconds from 10 s on and in minutes from 10 min on.
func duration(ms float64) string {
	switch a := math.Abs(ms); {
	case a >= 600_000:
		return fmt.Sprintf("%.1f min", ms/60_000)
	case a >= 10_000:
		return fmt.Sprintf("%.1f s", ms/1000)
	case a >= 9.95:
		return text.Count(ms) + " ms"
	}
	return fmt.Sprintf("%.1f ms", ms)
}

func rate(v float64) string {
	switch {
	case v >= 99.5:
		return text.Count(v)
	case v >= 9.95:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// Significant formats a number with a number of significant digits; digits before the decimal point are never rounded.
func Significant(v float64, digits int) string {
	if a := math.Abs(v); a >= 1 {
		digits = max(digits, int(math.Log10(a))+1)
	}
	if v == math.Trunc(v) && math.Abs(v) < 1e15 {
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(v, 'e', digits-1, 64), 64)
	if err != nil {
		rounded = v // impossible: the text is a printed number
	}
	return strconv.FormatFloat(rounded, 'f', -1, 64)
}

// Exact prints an operand as it was compared, to six digits.
func Exact(v any, unit string) string {
	switch v := v.(type) {
	case float64:
		return WithUnit(Significant(v, 6), unit)
	case string:
		return strconv.Quote(v)
	case nil:
		return Unknown
	}
	return fmt.Sprint(v)
}

// WithUnit appends the unit to a number; shares have none. Units that count things are plurals: one is "1 call".
func WithUnit(number, unit string) string {
	switch {
	case unit == "ratio" || unit == "":
		return number
	case number == "1" && slices.Contains(counts, unit):
		unit = strings.TrimSuffix(unit, "s")
	}
	return number + " " + unit
}

// counts are the units that count things.
var counts = []string{"calls", "repeats", "requests", "runes", "stalls", "tokens", "turns", "users"}

// Number is the shortest decimal that reads back as the same value.
func Number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// Signed prints a change with its sign, or without if it rounds to zero: +0.0 ms would suggest a direction.
func Signed(v float64, show func(float64) string) string {
	text := show(math.Abs(v))
	switch {
	case text == show(0):
		return text
	case v < 0:
		return "-" + text
	}
	return "+" + text
}

// Percent prints a relative change.
func Percent(v float64) string {
	return Signed(100*v, func(v float64) string { return fmt.Sprintf("%.1f %%", v) })
}

// Value prints a metric, or its limits, or that it is unknown.
func Value(v metrics.Value) string {
	if f, ok := v.Number(); ok {
		return Quantity(f, v.Unit)
	}
	if v.Range != nil {
		return Range(v.Range.Low, v.Range.High, func(f float64) string { return Quantity(f, v.Unit) })
	}
	return Unknown
}
