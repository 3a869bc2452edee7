package schema

import (
	"fmt"
	"regexp/syntax"
)

// longestPattern limits the length of a regular expression in bytes.
const longestPattern = 10_000

// mostSteps is where PatternSteps stops counting.
const mostSteps = 1 << 20

// PatternSteps is a lower bound of the steps of a regular expression with its repetitions written out. Matching takes
// at worst about as many for each character of the text, and the compiled form as many times 40 bytes:
// x{1000}y{1000}… is short and takes gigabytes.
func PatternSteps(pattern string) (int, error) {
	if len(pattern) > longestPattern {
		return 0, fmt.Errorf("it has more than %d characters", longestPattern)
	}
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return 0, err
	}
	return steps(tree), nil
}

func steps(n *syntax.Regexp) int {
	sum := 1 + len(n.Rune)
	for _, sub := range n.Sub {
		sum += steps(sub)
	}
	if n.Op == syntax.OpRepeat {
		sum *= max(n.Min, n.Max, 1)
	}
	return min(sum, mostSteps)
}
