package dsl

import (
	"fmt"
	"io"
	"regexp"
	"regexp/syntax"
	"unicode/utf8"
)

// maxPattern bounds the steps of a regular expression, repetitions written out. Matching takes at
// most this many for each character, and the compiled form as many times 40 bytes.
const maxPattern = 10_000

// compilePattern compiles a regular expression unless it is too large: x{1000}y{1000}… fits into
// few characters and takes gigabytes.
func compilePattern(pattern string) (*regexp.Regexp, error) {
	if len(pattern) > maxPattern {
		return nil, fmt.Errorf("it has more than %d characters", maxPattern)
	}
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil, err
	}
	if patternSteps(tree) > maxPattern {
		return nil, fmt.Errorf("with its repetitions written out it has more than %d steps", maxPattern)
	}
	return regexp.Compile(pattern)
}

// patternSteps estimates how large the compiled form is, at least.
func patternSteps(n *syntax.Regexp) int {
	steps := 1 + len(n.Rune)
	for _, sub := range n.Sub {
		steps += patternSteps(sub)
	}
	if n.Op == syntax.OpRepeat {
		steps *= max(n.Min, n.Max, 1)
	}
	return min(steps, maxPattern+1)
}

// matches looks for a pattern in a text until the evaluation has taken too long. Texts of models
// are long, patterns of assertions need not be kind, and neither can be told beforehand.
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
