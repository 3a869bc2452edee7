package server

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// family is the samples of one name in the text format of Prometheus.
type family struct {
	kind       string // from its TYPE line, in lower case; untyped without one; empty: no line and no sample yet
	samples    []sample
	sum, count float64 // of a histogram, over all its series
}

// sample is one line.
type sample struct {
	labels []pair
	value  float64
}

type pair struct{ name, value string }

// kinds are the types in TYPE lines. The names of a distribution's samples are its name with a suffix.
var kinds = []string{"counter", "gauge", "untyped", "summary", "histogram", "gauge_histogram", "gaugehistogram"}

func (f *family) distribution() bool { return f.kind == "summary" || f.histogram() }

func (f *family) histogram() bool {
	return f.kind == "histogram" || f.kind == "gauge_histogram" || f.kind == "gaugehistogram"
}

// value is the number of a counter, gauge or untyped series.
func (f *family) value(s sample) (float64, bool) { return s.value, !f.distribution() }

// label is the value of a label, empty if the series does not have it.
func (s sample) label(name string) string {
	for _, l := range s.labels {
		if l.name == name {
			return l.value
		}
	}
	return ""
}

// families reads the text format of Prometheus, including version 3's quoted names. A text that ends within a line is
// an error: it was cut.
func families(text string) (map[string]*family, error) {
	all := map[string]*family{}
	for n := 1; ; n++ {
		line, rest, ended := strings.Cut(text, "\n")
		c := &cursor{rest: strings.Trim(line, " \t")}
		switch {
		case c.rest == "" && !ended:
			for name, f := range all {
				if len(f.samples) == 0 {
					delete(all, name)
				}
			}
			return all, nil
		case !ended:
			return nil, fmt.Errorf("line %d: it ends in the middle", n)
		case c.rest == "":
		case c.rest[0] == '#':
			c.comment(all)
		default:
			c.sample(all)
		}
		if c.err != nil {
			return nil, fmt.Errorf("line %d: %w", n, c.err)
		}
		text = rest
	}
}

// cursor is the unread part of a line.
type cursor struct {
	rest string
	err  error // the first thing that is wrong; nothing is read after it
}

func (c *cursor) fail(format string, args ...any) {
	c.rest, c.err = "", cmp.Or(c.err, fmt.Errorf(format, args...))
}

func (c *cursor) blanks() {
	for c.rest != "" && (c.rest[0] == ' ' || c.rest[0] == '\t') {
		c.rest = c.rest[1:]
	}
}

// takes reads one character if it comes next, and the spaces around it.
func (c *cursor) takes(char string) (ok bool) {
	c.blanks()
	c.rest, ok = strings.CutPrefix(c.rest, char)
	c.blanks()
	return ok
}

// word reads up to the next space.
func (c *cursor) word() string {
	c.blanks()
	n := 0
	for n < len(c.rest) && c.rest[n] != ' ' && c.rest[n] != '\t' {
		n++
	}
	word := c.rest[:n]
	c.rest = c.rest[n:]
	return word
}

// name reads the name of a metric or a label, which may be in quotes.
func (c *cursor) name() string {
	if strings.HasPrefix(c.rest, `"`) {
		return c.quoted()
	}
	n := 0
	for n < len(c.rest) {
		b := c.rest[n]
		letter := b == '_' || b == ':' || 'a' <= b|0x20 && b|0x20 <= 'z'
		if !letter && (n == 0 || b < '0' || b > '9') {
			break
		}
		n++
	}
	name := c.rest[:n]
	c.rest = c.rest[n:]
	return name
}

// quoted reads a text in quotes.
func (c *cursor) quoted() string {
	if !strings.HasPrefix(c.rest, `"`) {
		c.fail("a text in quotes is expected")
		return ""
	}
	if n := strings.IndexAny(c.rest[1:], `"\`) + 1; n > 0 && c.rest[n] == '"' { // nothing is escaped, as in most texts
		text := c.rest[1:n]
		c.rest = c.rest[n+1:]
		if !utf8.ValidString(text) {
			c.fail("a text is not UTF-8")
		}
		return text
	}
	var out strings.Builder
	for i := 1; i < len(c.rest); i++ {
		switch b := c.rest[i]; b {
		case '"':
			c.rest = c.rest[i+1:]
			if !utf8.ValidString(out.String()) {
				c.fail("a text is not UTF-8")
			}
			return out.String()
		case '\\':
			i++
			switch c.rest[i:min(i+1, len(c.rest))] {
			case `\`, `"`:
				out.WriteByte(c.rest[i])
			case "n":
				out.WriteByte('\n')
			default:
				c.fail("nothing is escaped like that")
				return ""
			}
		default:
			out.WriteByte(b)
		}
	}
	c.fail("a text has no end")
	return ""
}

// comment reads a line that begins with #: only types are of interest.
func (c *cursor) comment(all map[string]*family) {
	c.rest = c.rest[1:]
	if c.word() != "TYPE" {
		return
	}
	c.blanks()
	name := c.name()
	if c.rest != "" && (name == "" || strings.TrimLeft(c.rest, " \t") == c.rest) {
		c.fail("the name of a type is no name")
	}
	kind := strings.ToLower(strings.TrimLeft(c.rest, " \t"))
	if kind == "" {
		return
	}
	f, _ := familyOf(all, name)
	switch {
	case f.kind != "":
		c.fail("the type of %q comes twice, or after its samples", name)
	case !slices.Contains(kinds, kind):
		c.fail("there is no type %q", kind)
	}
	f.kind = kind
}

// familyOf finds or begins the family that a name belongs to; suffix is the part of the name after that of a
// distribution.
func familyOf(all map[string]*family, name string) (f *family, suffix string) {
	if f := all[name]; f != nil {
		return f, ""
	}
	for _, suffix := range []string{"_sum", "_count", "_bucket"} {
		base, ok := strings.CutSuffix(name, suffix)
		if f := all[base]; ok && f != nil && f.distribution() && (f.histogram() || suffix != "_bucket") {
			return f, suffix
		}
	}
	f = &family{}
	all[name] = f
	return f, ""
}

// sample reads a line that begins with a name or, where the name is in quotes, with labels.
func (c *cursor) sample(all map[string]*family) {
	name := ""
	if c.rest[0] != '{' {
		if name = c.name(); name == "" {
			c.fail("it begins with no name")
		}
	}
	var s sample
	if c.takes("{") {
		name = c.labels(name, &s)
	}
	if name == "" {
		c.fail("it has no name")
	}
	number := c.word()
	value, err := strconv.ParseFloat(number, 64)
	if err != nil || strings.ContainsAny(number, "pP_") {
		c.fail("%q is no number", number)
	}
	if at := c.word(); at != "" {
		if _, err := strconv.ParseInt(at, 10, 64); err != nil || strings.Trim(c.rest, " \t") != "" {
			c.fail("a sample ends in no time")
		}
	}
	if c.err != nil {
		return
	}
	s.value = value
	f, suffix := familyOf(all, name)
	f.kind = cmp.Or(f.kind, "untyped")
	f.samples = append(f.samples, s)
	switch {
	case f.histogram() && suffix != "_sum" && value < 0:
		c.fail("a histogram counts less than nothing")
	case suffix == "_sum":
		f.sum += value
	case suffix == "_count":
		f.count += math.Trunc(value)
	}
}

// labels reads the labels in braces after a name, or in braces that also contain the name.
func (c *cursor) labels(name string, s *sample) string {
	for !c.takes("}") {
		label := c.name()
		switch {
		case c.err != nil:
		case label == "":
			c.fail("a label has no name")
		case c.takes("="):
			if label == "__name__" || slices.ContainsFunc(s.labels, func(p pair) bool { return p.name == label }) {
				c.fail("the label %q is not allowed, or comes twice", label)
			}
			s.labels = append(s.labels, pair{label, c.quoted()})
		case name == "":
			name = label
		default:
			c.fail("the label %q has no value", label)
		}
		if !c.takes(",") && !strings.HasPrefix(c.rest, "}") {
			c.fail("labels do not end")
		}
		if c.err != nil {
			return ""
		}
	}
	return name
}
