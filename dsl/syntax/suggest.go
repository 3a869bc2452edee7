package syntax

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Suggest returns the help text "did you mean …?" with the known names that are most similar to what was written, or ""
// if none is similar.
func Suggest(written string, known []string) string { return Meant(similar(written, known)) }

// Meant returns the help text "did you mean …?" for a few names, or "" for none.
func Meant(names []string) string {
	if len(names) == 0 {
		return ""
	}
	var quoted []string
	for _, name := range names {
		quoted = append(quoted, strconv.Quote(name))
	}
	last := len(quoted) - 1
	if last == 0 {
		return "did you mean " + quoted[0] + "?"
	}
	return "did you mean " + strings.Join(quoted[:last], ", ") + " or " + quoted[last] + "?"
}

// SuggestPath is Suggest for names with dots. If none is similar as a whole, the names that end alike are proposed.
func SuggestPath(written string, known []string) string {
	if near := Suggest(written, known); near != "" {
		return near
	}
	ends := map[string][]string{}
	for _, path := range known {
		end := lastPart(path)
		ends[end] = append(ends[end], path)
	}
	end := Nearest(lastPart(written), slices.Collect(maps.Keys(ends)))
	return Meant(ends[end][:min(len(ends[end]), alternatives)])
}

func lastPart(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }

// SuggestOr returns the suggestion or, if no name is similar, the list of names after a noun in the plural. It is empty
// only if there are no names. If known contains an empty name, for something whose missing name is reported elsewhere,
// that may be the one that is meant.
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

// Nearest returns the known name that is most similar to what was written, or "".
func Nearest(written string, known []string) string {
	if names := similar(written, known); len(names) > 0 {
		return names[0]
	}
	return ""
}

// alternatives is how many names are proposed at most: of more than these, none is more likely than another.
const alternatives = 3

// similar returns the known names that may be meant by what was written. That is the one with the smallest edit
// distance; if none is close, those that add the fewest words to it, such as a unit; if there are none either, those
// that are close without their last word.
func similar(written string, known []string) []string {
	known = slices.Compact(slices.Sorted(slices.Values(known)))
	if near := closest(written, known, func(name string) string { return name }); len(near) > 0 {
		return near[:1]
	}
	if longer := extending(written, known); len(longer) > 0 {
		return longer
	}
	near := closest(written, known, func(name string) string {
		if i := strings.LastIndexByte(name, '_'); i > 0 {
			return name[:i]
		}
		return ""
	})
	if len(near) > alternatives { // what begins alike is likelier
		near = slices.DeleteFunc(near, func(name string) bool { return !strings.HasPrefix(fold(name), fold(written)) })
	}
	return near[:min(len(near), alternatives)]
}

// closest returns the names whose forms have the smallest edit distance to what was written, at most a third of the
// length: two errors in six letters are a typo, in three letters they are another word. The case and the signs between
// words are no errors.
func closest(written string, known []string, form func(string) string) (near []string) {
	folded := fold(written)
	best := -1
	for _, name := range known {
		to := fold(form(name))
		if to == "" {
			continue
		}
		d := editDistance(folded, to)
		if d > max(1, min(len(folded), len(to))/3) || best >= 0 && d > best {
			continue
		}
		if d < best || best < 0 {
			near, best = nil, d
		}
		near = append(near, name)
	}
	return near
}

// extending returns the names that add the fewest words to what was written.
func extending(written string, known []string) (longer []string) {
	fewest := 0
	for _, name := range known {
		rest, ok := strings.CutPrefix(strings.ToLower(name), strings.ToLower(written)+"_")
		words := strings.Count(rest, "_")
		if !ok || len(longer) > 0 && words > fewest {
			continue
		}
		if len(longer) == 0 || words < fewest {
			longer, fewest = nil, words
		}
		longer = append(longer, name)
	}
	if len(longer) > alternatives {
		return nil
	}
	return longer
}

// fold returns a name in lower case, without the signs between its words and without quotes of typography.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("_- "+curly, r) {
			return -1
		}
		return unicode.ToLower(r)
	}, name)
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
