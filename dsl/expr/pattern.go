package expr

import (
	"fmt"
	"io"
	"regexp"
	"unicode/utf8"

	"homellm/schema"
)

// maxPattern bounds the steps of a regular expression.
const maxPattern = 10_000

// compilePattern compiles a regular expression unless it is too large.
func compilePattern(pattern string) (*regexp.Regexp, error) {
	n, err := schema.PatternSteps(pattern)
	if err != nil {
		return nil, err
	}
	if n > maxPattern {
		return nil, fmt.Errorf("with its repetitions written out it has more than %d steps", maxPattern)
	}
	return regexp.Compile(pattern)
}

// matches looks for a pattern in a text until the evaluation has taken too long: a text can be long
// and a pattern slow, and neither is known when the file is read.
func (r *runtime) matches(text, pattern string) (bool, error) {
	re := r.patterns[pattern]
	if re == nil {
		var err error
		if re, err = compilePattern(pattern); err != nil {
			return false, fmt.Errorf("no regular expression: %w", err)
		}
		if r.patterns == nil {
			r.patterns = map[string]*regexp.Regexp{}
		}
		r.patterns[pattern] = re
	}
	in := &timedText{text: text, late: r.late}
	found := re.MatchReader(in)
	return found, in.err
}

// timedText hands out a text rune by rune, and ends it early where time is up.
type timedText struct {
	text string
	read int // runes
	late func() error
	err  error
}

// ReadRune implements [io.RuneReader].
func (t *timedText) ReadRune() (rune, int, error) {
	if t.read%1024 == 0 && t.err == nil {
		t.err = t.late()
	}
	if t.text == "" || t.err != nil {
		return 0, 0, io.EOF
	}
	c, size := utf8.DecodeRuneInString(t.text)
	t.text = t.text[size:]
	t.read++
	return c, size, nil
}
