package client

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strconv"
	"unicode/utf8"

	"homellm/engine/event"
	"homellm/engine/large"
)

// scanner walks over one JSON value without building it. A stream repeats the same few hundred bytes for every token,
// of which a dozen matter, so what a decoder does not ask for is checked and skipped, never copied.
//
// It accepts exactly what encoding/json accepts; the fuzz targets verify that. The first error sticks: every later
// call returns nothing, and bad reports it at the end.
//
//	for ok := s.open('{'); ok; ok = s.more('}') {
//	switch string(s.key()) {
//	case "id":
//	id = s.text()
//	default:
//	s.skip()
//	}
//	}
type scanner struct {
	data    []byte
	pos     int
	depth   int
	bad     bool
	scratch []byte // the last string that had to be unescaped
}

// maxDepth is encoding/json's limit of nesting.
const maxDepth = 10000

func (s *scanner) reset(data []byte) {
	s.data, s.pos, s.depth, s.bad = data, 0, 0, false
	s.scratch = large.Emptied(s.scratch)
}

func (s *scanner) fail() {
	s.bad = true
	s.pos = len(s.data)
}

// peek returns the first byte of the next token, or 0 at the end.
func (s *scanner) peek() byte {
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; c {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return c
		}
	}
	return 0
}

// end reports whether the value was complete and only white space follows it.
func (s *scanner) end() bool {
	if s.peek() != 0 || s.pos < len(s.data) {
		s.fail()
	}
	return !s.bad
}

// open enters an array or object and reports whether it has elements. A value of another kind, null above all, is
// skipped as if it were empty.
func (s *scanner) open(bracket byte) bool {
	if s.peek() != bracket {
		s.skip()
		return false
	}
	s.pos++
	if s.depth++; s.depth > maxDepth {
		s.fail()
		return false
	}
	if s.peek() == bracket+2 { // in ASCII both closing brackets are two after their opening ones
		s.pos++
		s.depth--
		return false
	}
	return true
}

// more steps to the next element, or out of the array or object when there is none.
func (s *scanner) more(closing byte) bool {
	switch s.peek() {
	case ',':
		s.pos++
		return true
	case closing:
		s.pos++
		s.depth--
	default:
		s.fail()
	}
	return false
}

// key reads a member's name and the colon after it.
func (s *scanner) key() []byte {
	if s.peek() != '"' {
		s.fail()
		return nil
	}
	name := s.text()
	if s.peek() != ':' {
		s.fail()
		return nil
	}
	s.pos++
	return name
}

// skip skips any value.
func (s *scanner) skip() {
	switch c := s.peek(); c {
	case '{':
		for ok := s.open('{'); ok; ok = s.more('}') {
			if s.peek() != '"' {
				s.fail()
				return
			}
			s.skipText()
			if s.peek() != ':' {
				s.fail()
				return
			}
			s.pos++
			s.skip()
		}
	case '[':
		for ok := s.open('['); ok; ok = s.more(']') {
			s.skip()
		}
	case '"':
		s.skipText()
	case 't':
		s.literal("true")
	case 'f':
		s.literal("false")
	case 'n':
		s.literal("null")
	default:
		s.numeral()
	}
}

// raw skips any value and returns its bytes unchanged.
func (s *scanner) raw() []byte {
	s.peek()
	from := s.pos
	s.skip()
	if s.bad {
		return nil
	}
	return s.data[from:s.pos]
}

func (s *scanner) literal(word string) {
	if !bytes.HasPrefix(s.data[s.pos:], []byte(word)) {
		s.fail()
		return
	}
	s.pos += len(word)
}

// boolean reads a boolean; any other value is skipped and counts as false.
func (s *scanner) boolean() bool {
	if s.peek() == 't' {
		s.literal("true")
		return !s.bad
	}
	s.skip()
	return false
}

// number reads a number. Any other value is skipped, and ok is false.
func (s *scanner) number() (v float64, ok bool) {
	if c := s.peek(); c != '-' && (c < '0' || c > '9') {
		s.skip()
		return 0, false
	}
	digits := s.numeral()
	if s.bad {
		return 0, false
	}
	if n, small := shortInteger(digits); small {
		return float64(n), true
	}
	v, err := strconv.ParseFloat(string(digits), 64)
	return v, err == nil
}

// mostCounted bounds a count, so that the sum of two fits the journal.
const mostCounted = event.MostTokens / 2

// count reads a number of tokens: a non-negative integer. For anything else ok is false.
func (s *scanner) count() (n int, ok bool) {
	v, ok := s.number()
	if !ok || v < 0 || v > mostCounted || v != float64(int(v)) {
		return 0, false
	}
	return int(v), true
}

func shortInteger(digits []byte) (n int, ok bool) {
	if len(digits) > 15 {
		return 0, false
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}

// numeral skips a number by JSON's grammar.
func (s *scanner) numeral() []byte {
	from := s.pos
	if s.at('-') {
		s.pos++
	}
	switch {
	case s.at('0'):
		s.pos++
	case !s.digits():
		s.fail()
		return nil
	}
	if s.at('.') {
		s.pos++
		if !s.digits() {
			s.fail()
			return nil
		}
	}
	if s.at('e') || s.at('E') {
		s.pos++
		if s.at('+') || s.at('-') {
			s.pos++
		}
		if !s.digits() {
			s.fail()
			return nil
		}
	}
	return s.data[from:s.pos]
}

func (s *scanner) at(c byte) bool { return s.pos < len(s.data) && s.data[s.pos] == c }

func (s *scanner) digits() bool {
	from := s.pos
	for s.pos < len(s.data) && s.data[s.pos]-'0' <= 9 {
		s.pos++
	}
	return s.pos > from
}

// plain marks the bytes that need no escape in a JSON string.
var plain = func() (t [256]bool) {
	for c := int(' '); c < len(t); c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// verbatim returns how many bytes at the start of p need no escape in a JSON string. It is 0 if they are not UTF-8.
func verbatim(p []byte) int {
	n, ascii := 0, byte(0)
	for ; n+8 <= len(p); n += 8 { // eight at a time, while none of them needs one
		const each = 0x0101010101010101
		w := binary.LittleEndian.Uint64(p[n:])
		quote, slash := w^each*'"', w^each*'\\'
		if ((w-each*' ')&^w|(quote-each)&^quote|(slash-each)&^slash)&(each*0x80) != 0 {
			break
		}
		if w&(each*0x80) != 0 {
			ascii = utf8.RuneSelf
		}
	}
	for n < len(p) && plain[p[n]] {
		ascii |= p[n]
		n++
	}
	if ascii >= utf8.RuneSelf && !utf8.Valid(p[:n]) {
		return 0
	}
	return n
}

// text reads a string. The bytes are valid until the next call. Any other value is skipped and gives nothing.
func (s *scanner) text() []byte {
	if s.peek() != '"' {
		s.skip()
		return nil
	}
	from := s.pos + 1
	i := from + verbatim(s.data[from:])
	if i < len(s.data) && s.data[i] == '"' {
		s.pos = i + 1
		return s.data[from:i]
	}
	s.skipText()
	if s.bad {
		return nil
	}
	src := s.data[from : s.pos-1]
	s.scratch = large.Unescape(slices.Grow(s.scratch[:0], len(src)), src)
	return s.scratch
}

// textOnto appends a string to a text. A large string is not copied if the text is empty: it is unescaped in the
// event's own memory, which must not be read again after that.
func (s *scanner) textOnto(text []byte) []byte {
	if s.peek() != '"' {
		s.skip()
		return text
	}
	from := s.pos + 1
	n := verbatim(s.data[from:])
	s.skipText()
	if s.bad {
		return text
	}
	src := s.data[from : s.pos-1]
	alone := len(text) == 0 && len(src) > large.Least
	switch {
	case n == len(src) && alone:
		return src[:n:n]
	case n == len(src):
		return append(slices.Grow(text, n), src...)
	case alone && utf8.Valid(src) && !bytes.Contains(s.data, errorKey): // an error is parsed from the whole event, later
		return large.Unescape(src[:0:len(src)], src) // no string is longer than its JSON
	}
	return large.Unescape(slices.Grow(text, len(src)), src)
}

var errorKey = []byte(`"error"`)

// skipText skips a string and checks its escapes. Bytes that are not UTF-8 are accepted, as in encoding/json.
func (s *scanner) skipText() {
	for i := s.pos + 1; i < len(s.data); i++ {
		switch c := s.data[i]; {
		case plain[c]:
		case c == '"':
			s.pos = i + 1
			return
		case c != '\\' || i+1 == len(s.data):
			s.fail()
			return
		default:
			i++
			switch s.data[i] {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			case 'u':
				if _, ok := large.Hex(s.data[i+1:]); !ok {
					s.fail()
					return
				}
				i += 4
			default:
				s.fail()
				return
			}
		}
	}
	s.fail()
}
