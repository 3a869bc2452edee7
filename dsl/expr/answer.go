package expr

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// absentError says that a text lacks what an expression asks for, such as a number or JSON. The text was measured, so
// an assertion about it fails rather than being unknown.
type absentError struct{ why string }

func (e *absentError) Error() string { return e.why }

func absent(format string, args ...any) error { return &absentError{fmt.Sprintf(format, args...)} }

// maxCompared limits the characters of a text whose edit distance is computed, because the time grows with the product
// of both lengths.
const maxCompared = 10_000

// sized refuses a text that is too long for one call.
func sized(text string) error {
	if len(text) > maxText {
		return fmt.Errorf("the text has %d bytes, and at most %d are read", len(text), maxText)
	}
	return nil
}

// normalised calls normalise within the limits of an evaluation.
func (r *runtime) normalised(text string) (string, error) {
	if err := sized(text); err != nil {
		return "", err
	}
	return normalise(text), r.late()
}

// normalise returns a text in the form in which answers are compared: NFKC, in lower case, without apostrophes and
// without punctuation except in numbers, with single spaces between words.
func normalise(text string) string {
	in := []rune(strings.ToLower(norm.NFKC.String(text)))
	digit := func(i int) bool { return i >= 0 && i < len(in) && unicode.IsDigit(in[i]) }
	var b strings.Builder
	b.Grow(len(text))
	gap := false
	for i, c := range in {
		switch {
		case c == '\'' || c == '’':
			continue
		case (c == '.' || c == ',') && digit(i-1) && digit(i+1), // 1,234.5
			c == '-' && digit(i+1) && (i == 0 || unicode.IsSpace(in[i-1])), // -5
			c == '%' && digit(i-1):
		case unicode.IsPunct(c), unicode.IsSpace(c), unicode.IsControl(c), c == '`':
			gap = b.Len() > 0
			continue
		}
		if gap {
			b.WriteByte(' ')
			gap = false
		}
		b.WriteRune(c)
	}
	return b.String()
}

// normalisedStart normalises the beginning of a text without its last word, which may continue in the part that is not
// known.
func normalisedStart(text string) string {
	out := normalise(text)
	return out[:strings.LastIndexByte(out, ' ')+1]
}

// written matches a number that is not part of a word and does not follow a decimal point.
var written = regexp.MustCompile(`[^\pL\pN_.]` +
	`([-+−]?(?:(?:[0-9]{1,3}(?:[,\x{a0}\x{202f}][0-9]{3})+|[0-9]+)(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)`)

// plainNumber converts a written number to a form that strconv reads.
var plainNumber = strings.NewReplacer(",", "", "\u00a0", "", "\u202f", "", "−", "-")

// numberIn returns the last number in a text, because an answer follows its working.
func (r *runtime) numberIn(text string) (float64, error) {
	if err := sized(text); err != nil {
		return 0, err
	}
	text = " " + text // the pattern needs a character before the number
	last := ""
	for at := 0; ; {
		m := written.FindStringSubmatchIndex(text[at:])
		if m == nil {
			break
		}
		last = text[at+m[2] : at+m[3]]
		at += m[3]
		if err := r.late(); err != nil {
			return 0, err
		}
	}
	if last == "" {
		return 0, absent("there is no number in the text")
	}
	v, err := strconv.ParseFloat(plainNumber.Replace(last), 64)
	if err != nil || math.Abs(v) > largest {
		return 0, fmt.Errorf("%.40s is not a number that can be compared", last)
	}
	return v, nil
}

// similar returns the share of the longer text that no edit changes: 1 for equal texts, 0 if every character differs.
func (r *runtime) similar(a, b string) (float64, error) {
	if len(a) > 4*maxCompared || len(b) > 4*maxCompared { // a character has at most 4 bytes
		return 0, errCompared
	}
	x, y := []rune(a), []rune(b)
	longest := max(len(x), len(y))
	switch {
	case longest > maxCompared:
		return 0, errCompared
	case longest == 0:
		return 1, nil
	}
	d, err := r.distance(x, y)
	return 1 - float64(d)/float64(longest), err
}

var errCompared = fmt.Errorf("texts are compared up to %d characters", maxCompared)

// distance returns how many characters must be inserted, deleted or replaced to turn one text into the other
// (Levenshtein).
func (r *runtime) distance(x, y []rune) (int, error) {
	row := make([]int, len(y)+1) // the distances from a beginning of x to every beginning of y
	for j := range row {
		row[j] = j
	}
	for i, c := range x {
		before := row[0] // the distance between the parts before both characters
		row[0] = i + 1
		for j, e := range y {
			replaced := before
			if c != e {
				replaced++
			}
			before = row[j+1]
			row[j+1] = min(replaced, row[j]+1, before+1)
		}
		if err := r.late(); err != nil {
			return 0, err
		}
	}
	return row[len(y)], nil
}
