package model

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The Jinja library (gonja 2.9) differs from Jinja in four places that chat templates step on. Each
// is rewritten to something that means the same to both, before the library sees the template:
//
//   - "A if C else B" is parsed only as a whole output or the whole value of a set:
//     ((C) and [A] or [B])[0], as lazy as the original, since a list of one element is always true;
//   - x[-n] finds nothing where x has just n elements: x[-1:][0] and x[-3:-2][0];
//   - white space is stripped before any block, not only before one that opens its line: it is
//     taken away here, and the line break after a block is moved into it;
//   - the generation tag, with which Hugging Face marks answers, is not known: a comment.
//
// Lines stay what they were; columns do not. Not handled: the library cannot tell undefined from
// none.

// rewriteForGonja rewrites a template as if trim_blocks and lstrip_blocks were on.
func rewriteForGonja(source string) string {
	var b strings.Builder
	lineStart := true // only white space since the last line break
	data := func(s string) {
		b.WriteString(s)
		if i := strings.LastIndexByte(s, '\n'); i >= 0 {
			s, lineStart = s[i+1:], true
		}
		lineStart = lineStart && strings.Trim(s, " \t") == ""
	}
	for source != "" {
		start := strings.IndexByte(source, '{')
		if start < 0 || start+1 == len(source) {
			break
		}
		kind, rest := source[start+1], source[start+2:]
		if kind != '#' && kind != '{' && kind != '%' {
			data(source[:start+1])
			source = source[start+1:]
			continue
		}
		data(source[:start])
		source = source[start:]
		n := blockEnd(rest, kind)
		if n < 0 {
			break
		}
		inner := rest[:n]
		source = rest[n+2:]
		if kind != '{' {
			if lineStart && !strings.HasPrefix(inner, "+") {
				kept := strings.TrimRight(b.String(), " \t")
				b.Reset()
				b.WriteString(kept)
			}
			lineStart = false
			if strings.HasPrefix(source, "\n") && !strings.HasSuffix(inner, "+") && !strings.HasSuffix(inner, "-") {
				source = source[1:]
				inner += "\n"
				lineStart = true
			}
		} else {
			lineStart = false
		}
		if kind == '#' {
			b.WriteString("{#" + inner + "#}")
			continue
		}
		b.WriteString(rewriteBlock(inner, kind))
	}
	return b.String() + source
}

// blockEnd finds the two characters that close a block opened by { and kind; -1 if none do.
func blockEnd(s string, kind byte) int {
	closing := string(kind) + "}"
	switch kind {
	case '{':
		closing = "}}"
	case '#':
		return strings.Index(s, closing)
	}
	depth := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\'' || c == '"':
			i += quotedLen(s[i:]) - 1
		case depth == 0 && strings.HasPrefix(s[i:], closing):
			return i
		case c == '{':
			depth++
		case c == '}' && depth > 0:
			depth--
		}
	}
	return -1
}

// quotedLen is the length of the string literal that s starts with, quotes included.
func quotedLen(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case s[0]:
			return i + 1
		}
	}
	return len(s)
}

var setHead = regexp.MustCompile(`^\s*set\s+[\w.]+\s*=`)

// rewriteBlock rewrites the text between the two opening and the two closing characters.
func rewriteBlock(inner string, kind byte) string {
	open, shut := "{%", "%}"
	if kind == '{' {
		open, shut = "{{", "}}"
	}
	if inner != "" && (inner[0] == '-' || inner[0] == '+') {
		inner, open = inner[1:], open+inner[:1]
	}
	if n := len(inner); n > 0 && (inner[n-1] == '-' || inner[n-1] == '+') {
		inner, shut = inner[:n-1], inner[n-1:]+shut
	}
	word := strings.TrimSpace(inner)
	switch head := setHead.FindString(inner); {
	case kind == '{':
		inner = rewriteElement(inner)
	case word == "generation" || word == "endgeneration":
		return strings.Replace(open, "%", "#", 1) + strings.Replace(shut, "%", "#", 1)
	case head != "":
		inner = head + rewriteElement(inner[len(head):])
	default:
		inner = rewriteGroups(inner)
	}
	return open + inner + shut
}

var fromEnd = regexp.MustCompile(`^\s*-\s*([0-9]{1,4})\s*$`)

// rewriteGroups rewrites the contents of brackets.
func rewriteGroups(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '\'', '"':
			n := quotedLen(s[i:])
			b.WriteString(s[i : i+n])
			i += n - 1
		case '(', '[', '{':
			n := groupLen(s[i:])
			inside := s[i+1 : i+n-1]
			if m := fromEnd.FindStringSubmatch(inside); c == '[' && m != nil && isOperand(s[:i]) {
				b.WriteString(fromEndSlice(m[1]))
			} else {
				b.WriteByte(c)
				b.WriteString(rewriteList(inside))
				b.WriteByte(s[i+n-1])
			}
			i += n - 1
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// fromEndSlice is the subscript that finds the n-th element from the end.
func fromEndSlice(digits string) string {
	n, _ := strconv.Atoi(digits)
	if n <= 1 {
		return "[-1:][0]"
	}
	return fmt.Sprintf("[-%d:-%d][0]", n, n-1)
}

// isOperand says whether a bracket after s is a subscript rather than a list.
func isOperand(s string) bool {
	s = strings.TrimRight(s, " \t\n")
	if s == "" {
		return false
	}
	switch c := s[len(s)-1]; c {
	case ')', ']', '}', '\'', '"':
		return true
	default:
		if !wordByte(c) {
			return false
		}
	}
	word := s[strings.LastIndexFunc(s, func(r rune) bool { return r < 0x80 && !wordByte(byte(r)) })+1:]
	return !slices.Contains([]string{"in", "and", "or", "not", "if", "else", "is"}, word)
}

// groupLen is the length of the bracketed group that s starts with.
func groupLen(s string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\'', '"':
			i += quotedLen(s[i:]) - 1
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(s)
}

// rewriteList rewrites elements between commas and colons.
func rewriteList(s string) string {
	var b strings.Builder
	start := 0
	for i := 0; i <= len(s); i++ {
		if i == len(s) {
			b.WriteString(rewriteElement(s[start:]))
			break
		}
		switch s[i] {
		case '\'', '"':
			i += quotedLen(s[i:]) - 1
		case '(', '[', '{':
			i += groupLen(s[i:]) - 1
		case ',', ':':
			b.WriteString(rewriteElement(s[start:i]))
			b.WriteByte(s[i])
			start = i + 1
		}
	}
	return b.String()
}

var keyword = regexp.MustCompile(`^\s*\w+\s*=[^=]`)

// rewriteElement rewrites one expression, which may itself be a conditional.
func rewriteElement(s string) string {
	at := topWord(s, "if")
	if at < 0 {
		return rewriteGroups(s)
	}
	head := ""
	if k := keyword.FindString(s[:at]); k != "" {
		head = k[:len(k)-1]
	}
	value, rest := s[len(head):at], s[at+len("if"):]
	condition, alternative := rest, " '' "
	if e := topWord(rest, "else"); e >= 0 {
		condition, alternative = rest[:e], rest[e+len("else"):]
	}
	return fmt.Sprintf("%s ((%s) and [%s] or [%s])[0] ",
		head, rewriteGroups(condition), rewriteGroups(value), rewriteElement(alternative))
}

// topWord finds a word outside strings and brackets.
func topWord(s, word string) int {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\'' || c == '"':
			i += quotedLen(s[i:]) - 1
		case c == '(' || c == '[' || c == '{':
			i += groupLen(s[i:]) - 1
		case wordByte(c):
			n := 1
			for i+n < len(s) && wordByte(s[i+n]) {
				n++
			}
			if s[i:i+n] == word {
				return i
			}
			i += n - 1
		}
	}
	return -1
}

func wordByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}
