package tokens

import (
	"unicode"
	"unicode/utf8"
)

// firstWord returns the length in bytes of the first piece of s as cl100k cuts text before it looks for
// tokens: no token crosses the end of a piece. The rules are those of its pattern,
//
//	'(?i:[sdmt]|ll|ve|re) | [^\r\n\p{L}\p{N}]?\p{L}+ | \p{N}{1,3} |
//	 ?[^\s\p{L}\p{N}]+[\r\n]* | \s*[\r\n]+ | \s+(?!\S) | \s+
//
// written out, since a regular expression engine takes a hundred times as long. S is not empty.
func firstWord(s string) int {
	if n := contraction(s); n > 0 {
		return n
	}
	first, width := decode(s)
	if unicode.IsLetter(first) {
		return width + lettersOf(s[width:])
	}
	if first != '\r' && first != '\n' && !unicode.IsNumber(first) {
		if n := lettersOf(s[width:]); n > 0 {
			return width + n
		}
	}
	if unicode.IsNumber(first) {
		return digitsOf(s)
	}
	lead := 0
	if first == ' ' {
		lead = 1
	}
	if n := marksOf(s[lead:]); n > 0 {
		return lead + n
	}
	return blanksOf(s)
}

// decode is utf8.DecodeRuneInString, quick for ASCII.
func decode(s string) (rune, int) {
	if s != "" && s[0] < utf8.RuneSelf {
		return rune(s[0]), 1
	}
	return utf8.DecodeRuneInString(s)
}

// contraction is the length of 's, 't, 're, 've, 'm, 'll or 'd at the start of s, in any case; 0 if
// there is none.
func contraction(s string) int {
	if len(s) < 2 || s[0] != '\'' {
		return 0
	}
	switch s[1] | 0x20 {
	case 's', 't', 'm', 'd':
		return 2
	}
	if len(s) >= 3 {
		switch string([]byte{s[1] | 0x20, s[2] | 0x20}) {
		case "re", "ve", "ll":
			return 3
		}
	}
	return 0
}

func lettersOf(s string) int {
	at := 0
	for at < len(s) {
		c := s[at]
		if c < utf8.RuneSelf {
			if c |= 0x20; c < 'a' || c > 'z' {
				break
			}
			at++
			continue
		}
		r, width := utf8.DecodeRuneInString(s[at:])
		if !unicode.IsLetter(r) {
			break
		}
		at += width
	}
	return at
}

func digitsOf(s string) int {
	at := 0
	for n := 0; n < 3 && at < len(s); n++ {
		r, width := decode(s[at:])
		if !unicode.IsNumber(r) {
			break
		}
		at += width
	}
	return at
}

// marksOf is the length of what is neither blank nor letter nor number, with the line ends after it.
func marksOf(s string) int {
	at := 0
	for at < len(s) {
		r, width := decode(s[at:])
		if unicode.IsSpace(r) || unicode.IsLetter(r) || unicode.IsNumber(r) {
			break
		}
		at += width
	}
	if at == 0 {
		return 0
	}
	for at < len(s) && (s[at] == '\r' || s[at] == '\n') {
		at++
	}
	return at
}

// blanksOf cuts white space: up to its last line end, or all but its last character, which belongs to the word that
// follows.
func blanksOf(s string) int {
	at, lines, last := 0, 0, 0
	for at < len(s) {
		r, width := decode(s[at:])
		if !unicode.IsSpace(r) {
			break
		}
		last = at
		at += width
		if r == '\r' || r == '\n' {
			lines = at
		}
	}
	switch {
	case lines > 0:
		return lines
	case at == len(s) || last == 0:
		return at
	}
	return last
}

// pieceSize is the length in bytes after which a long line is cut for the cache of counts.
const pieceSize = 512

// segment returns the length of the first part of s that can be counted separately: no piece of cl100k crosses its
// end. It ends after line ends that are followed by anything but a blank, or in a long line before a blank that
// follows something else. Texts with the same beginning have the same segments there, so that only the new part of a
// growing prompt is counted.
func segment(s string) int {
	for at := 1; at < len(s); at++ {
		before, c := s[at-1], s[at]
		if before == '\n' && c > ' ' && c < utf8.RuneSelf {
			return at
		}
		if at >= pieceSize && c == ' ' && before > ' ' && before < utf8.RuneSelf {
			return at
		}
	}
	return len(s)
}
