package syntax

import (
	"fmt"
	"slices"
	"strings"
)

// Suggest returns the help text "did you mean …?" with the known name that is most similar to what was written, or ""
// if none is similar.
func Suggest(written string, known []string) string {
	if best := Nearest(written, known); best != "" {
		return fmt.Sprintf("did you mean %q?", best)
	}
	return ""
}

// SuggestOr returns the suggestion or, if no name is similar, the list of names after a noun in the plural. It is
// empty only if there are no names. Where one was not written, which is reported, it may be the one that is meant.
func SuggestOr(written string, known []string, noun string) string {
	const most = 12 // names that a reader still takes in
	near := Suggest(written, known)
	if near == "" && slices.Contains(known, "") {
		return "it may be the one that has no name yet"
	}
	switch {
	case near != "" || len(known) == 0:
		return near
	case len(known) > most:
		return fmt.Sprintf("%s: %s and %d more", noun, strings.Join(known[:most], ", "), len(known)-most)
	}
	return noun + ": " + strings.Join(known, ", ")
}

// Nearest returns the known name with the smallest edit distance, at most a third of the length: two errors in six
// letters are a typo, in three letters they are another word. If none is that close, it is the only name that extends
// what was written, such as by a unit.
func Nearest(written string, known []string) string {
	best, bestDistance := "", 0
	var longer []string
	for _, name := range slices.Sorted(slices.Values(known)) {
		limit := max(1, min(len(written), len(name))/3)
		d := editDistance(written, name)
		if d <= limit && (best == "" || d < bestDistance) {
			best, bestDistance = name, d
		}
		if strings.HasPrefix(name, written+"_") {
			longer = append(longer, name)
		}
	}
	if best == "" && len(longer) == 1 {
		return longer[0]
	}
	return best
}

// editDistance counts the insertions, deletions, substitutions and swaps of neighbours that
// turn a into b (the optimal string alignment form of the Damerau-Levenshtein distance).
func editDistance(a, b string) int {
	s, t := []rune(a), []rune(b)
	// Three rows of the table are enough: a swap looks two rows back.
	two, one, row := make([]int, len(t)+1), make([]int, len(t)+1), make([]int, len(t)+1)
	for j := range row {
		one[j] = j
	}
	for i := 1; i <= len(s); i++ {
		row[0] = i
		for j := 1; j <= len(t); j++ {
			cost := 1
			if s[i-1] == t[j-1] {
				cost = 0
			}
			row[j] = min(one[j]+1, row[j-1]+1, one[j-1]+cost)
			if i > 1 && j > 1 && s[i-1] == t[j-2] && s[i-2] == t[j-1] {
				row[j] = min(row[j], two[j-2]+1)
			}
		}
		two, one, row = one, row, two
	}
	return one[len(t)]
}
