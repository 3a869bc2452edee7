package text

import (
	"math"
	"strconv"
)

// Count prints a whole number with a comma every three digits.
func Count(v float64) string {
	s := strconv.FormatFloat(math.Round(math.Abs(v)), 'f', 0, 64)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	if v < 0 && s != "0" {
		s = "-" + s
	}
	return s
}

// Plural counts things: "1 turn", "2 turns", "1,000 turns".
func Plural(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return Count(float64(n)) + " " + noun
}
