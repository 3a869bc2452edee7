// Package text writes words and characters as people, terminals and shells take them.
//
// In come texts, also those of strangers; out come texts that mean what they say. It is a leaf and knows no format
// of a report and no command.
package text

import (
	"fmt"
	"strings"
	"unicode"
)

// Acts reports whether a terminal does something other than show the character, or shows other
// characters in another order because of it.
func Acts(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)
}

// Visible is how a character that acts is shown instead.
func Visible(r rune) string {
	switch {
	case r < 0x100:
		return fmt.Sprintf(`\x%02x`, r)
	case r > 0xffff:
		return fmt.Sprintf(`\U%08x`, r)
	}
	return fmt.Sprintf(`\u%04x`, r)
}

// OneLine is text of somebody else in the middle of a line of ours.
func OneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// Quote makes a word safe to paste into a shell, on one line.
func Quote(word string) string {
	word = strings.Map(func(r rune) rune {
		if Acts(r) {
			return '?' // no file or option of ours has one
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

// Bytes is a size as people read it.
func Bytes(b float64) string {
	switch {
	case b >= 1e9:
		return fmt.Sprintf("%.1f GB", b/1e9)
	case b >= 1e6:
		return fmt.Sprintf("%.0f MB", b/1e6)
	}
	return fmt.Sprintf("%.0f kB", b/1e3)
}
