package expr

import (
	"fmt"
	"io"
	"regexp"
	"regexp/syntax"
	"slices"
	"unicode/utf8"

	"homellm/schema"
)

// maxPattern limits the steps of a regular expression.
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

// matches looks for a pattern in a text until the evaluation has taken too long: a text can be long and a pattern
// slow, and neither is known when the file is read.
func (r *runtime) matches(text, pattern string) (bool, error) {
	re, err := r.pattern(pattern)
	if err != nil {
		return false, err
	}
	in := &timedText{text: text, late: r.late}
	found := re.MatchReader(in)
	return found, in.err
}

// matchesForGood says whether a pattern matches a text whatever follows it: the match ends before the text does, or
// does not depend on what comes next.
func (r *runtime) matchesForGood(text, pattern string) (bool, error) {
	re, err := r.pattern(pattern)
	if err != nil {
		return false, err
	}
	in := &timedText{text: text, late: r.late}
	found := re.FindReaderIndex(in)
	return found != nil && (found[1] < len(text) || !looksAhead(pattern)), in.err
}

// looksAhead says whether a pattern depends on what follows its match: an end, or a word boundary.
func looksAhead(pattern string) bool {
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return true
	}
	ends := []syntax.Op{syntax.OpEndLine, syntax.OpEndText, syntax.OpWordBoundary, syntax.OpNoWordBoundary}
	var within func(*syntax.Regexp) bool
	within = func(re *syntax.Regexp) bool {
		return slices.Contains(ends, re.Op) || slices.ContainsFunc(re.Sub, within)
	}
	return within(tree)
}

// pattern returns a compiled pattern; each is compiled once.
func (r *runtime) pattern(pattern string) (*regexp.Regexp, error) {
	if re := r.patterns[pattern]; re != nil {
		return re, nil
	}
	re, err := compilePattern(pattern)
	if err != nil {
		return nil, fmt.Errorf("no regular expression: %w", err)
	}
	if r.patterns == nil {
		r.patterns = map[string]*regexp.Regexp{}
	}
	r.patterns[pattern] = re
	return re, nil
}

// timedText reads a text rune by rune, and ends it when the time is up.
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
