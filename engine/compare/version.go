package compare

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
)

var (
	// what a version has after a dash that belongs to its order: a release candidate, or the time of a commit
	afterDash   = regexp.MustCompile(`^(?:0\.)?(?:(?:alpha|beta|a|b|c|rc|pre|preview|dev|post)\.?\d*|\d{14})$`)
	versionPart = regexp.MustCompile(`\d+|[a-z]+`)
)

// ranks order what may be at one position of two versions: a candidate, nothing, a later edition.
var ranks = map[string]int{"dev": -4, "a": -3, "alpha": -3, "b": -2, "beta": -2, "c": -1, "rc": -1, "pre": -1,
	"preview": -1, "": 0, "post": 1}

// rankOfNumber is the rank of a further number: 1.2.1 comes after 1.2 and its later editions.
const rankOfNumber = 2

// versionOrder compares two versions: numbers as numbers, a candidate before its release. 0: they are equal, or
// cannot be ordered, like two commits.
func versionOrder(a, b string) int {
	x, y := versionParts(a), versionParts(b)
	for i := range max(len(x), len(y)) {
		p, q := partAt(x, i), partAt(y, i)
		switch {
		case p == q, strings.Trim(p+q, "0") == "": // 1.2 is 1.2.0
			continue
		case isNumber(p) && isNumber(q):
			p, q = strings.TrimLeft(p, "0"), strings.TrimLeft(q, "0")
			if order := cmp.Or(cmp.Compare(len(p), len(q)), cmp.Compare(p, q)); order != 0 {
				return order
			}
			continue
		}
		r, known := rankOf(p)
		s, knownToo := rankOf(q)
		if !known || !knownToo {
			return 0
		}
		if order := cmp.Compare(r, s); order != 0 {
			return order
		}
	}
	return 0
}

func partAt(parts []string, i int) string {
	if i < len(parts) {
		return parts[i]
	}
	return ""
}

func isNumber(part string) bool { return part != "" && part[0] >= '0' && part[0] <= '9' }

func rankOf(part string) (int, bool) {
	if isNumber(part) {
		return rankOfNumber, true
	}
	r, ok := ranks[part]
	return r, ok
}

// versionParts splits a version. Build metadata and commit names have no order and are dropped.
func versionParts(v string) []string {
	v, _, _ = strings.Cut(strings.ToLower(v), "+")
	if len(v) > 1 && (v[0] == 'v' || v[0] == 'b') && isNumber(v[1:]) {
		v = v[1:]
	}
	segments := strings.Split(v, "-")
	end := 1 + slices.IndexFunc(segments[1:], func(s string) bool { return !afterDash.MatchString(s) })
	if end == 0 {
		end = len(segments)
	}
	return versionPart.FindAllString(strings.Join(segments[:end], "."), -1)
}
