package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// unknown is how text shows a number that was not measured. It is never a zero.
const unknown = "–"

// shows prints a number of each unit for people; every other unit is printed with its name.
var shows = map[string]func(float64) string{
	"ms":       duration,
	"s":        func(v float64) string { return duration(1000 * v) },
	"tokens":   count,
	"turns":    count,
	"requests": count,
	"repeats":  count,
	"ratio":    func(v float64) string { return fmt.Sprintf("%.2f", v) },
	"tokens/s": rate,
}

// show prints a number with its unit.
func show(v float64, unit string) string {
	if f, ok := shows[unit]; ok {
		return f(v)
	}
	return strings.TrimSpace(significant(v, 4) + " " + unit)
}

// duration prints milliseconds, in seconds from 10 s on and in minutes from 10 min on.
func duration(ms float64) string {
	switch a := math.Abs(ms); {
	case a >= 600_000:
		return fmt.Sprintf("%.1f min", ms/60_000)
	case a >= 10_000:
		return fmt.Sprintf("%.1f s", ms/1000)
	case a >= 9.95:
		return count(ms) + " ms"
	}
	return fmt.Sprintf("%.1f ms", ms)
}

func rate(v float64) string {
	switch {
	case v >= 99.5:
		return count(v)
	case v >= 9.95:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// count prints a whole number with a comma every three digits.
func count(v float64) string {
	s := strconv.FormatFloat(math.Round(math.Abs(v)), 'f', 0, 64)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	if v < 0 && s != "0" {
		s = "-" + s
	}
	return s
}

// significant prints a number with so many significant digits; whatever stands before the
// decimal point is never rounded away.
func significant(v float64, digits int) string {
	if a := math.Abs(v); a >= 1 {
		digits = max(digits, int(math.Log10(a))+1)
	}
	if v == math.Trunc(v) && math.Abs(v) < 1e15 {
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(v, 'e', digits-1, 64), 64)
	if err != nil {
		rounded = v // cannot be: it was just printed
	}
	return strconv.FormatFloat(rounded, 'f', -1, 64)
}

// exact prints an operand as it was compared, to six digits.
func exact(v any, unit string) string {
	switch v := v.(type) {
	case float64:
		return strings.TrimSpace(significant(v, 6) + " " + unitWord(unit))
	case string:
		return strconv.Quote(v)
	case nil:
		return unknown
	}
	return fmt.Sprint(v)
}

func unitWord(unit string) string {
	if unit == "ratio" {
		return ""
	}
	return unit
}
