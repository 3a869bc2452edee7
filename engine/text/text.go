// Package text formats words and characters for people, terminals and shells.
//
// The input is texts, also untrusted ones; the output is texts that are safe to show. It imports no other package of
// homellm, and knows no format of a report and no command.
package text

import (
	"fmt"
	"strings"
	"unicode"
)

// Acts reports whether a terminal acts on a character instead of showing it, or shows other characters in another
// order because of it.
func Acts(r rune) bool {
	if r < unicode.MaxASCII { // most characters by far, for which the tables are slow
		return r < ' '
	}
	return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)
}

// Visible is the visible form of a character that acts.
func Visible(r rune) string {
	switch {
	case r < 0x100:
		return fmt.Sprintf(`\x%02x`, r)
	case r > 0xffff:
		return fmt.Sprintf(`\U%08x`, r)
	}
	return fmt.Sprintf(`\u%04x`, r)
}

// OneLine makes text from outside fit into a line of homellm's output.
func OneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// Quote makes a word safe to paste into a shell, on one line.
func Quote(word string) string {
	word = strings.Map(func(r rune) rune {
		if Acts(r) {
			return '?' // no file or option of homellm has one
		}
		return r
	}, word)
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=,@%+~", r)
	}
	if word != "" && !strings.ContainsFunc(word, func(r rune) bool { return !plain(r) }) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// Bytes formats a size for people.
func Bytes(b float64) string {
	switch {
	case b >= 1e9:
		return fmt.Sprintf("%.1f GB", b/1e9)
	case b >= 1e6:
		return fmt.Sprintf("%.0f MB", b/1e6)
	}
	return fmt.Sprintf("%.0f kB", b/1e3)
}
