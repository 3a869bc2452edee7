package syntax

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// complaint is a parser's message about a position in a file.
type complaint struct {
	message string
	lines   [][]rune
	line    int // from 1, as is col
	col     int
}

// causes lists the usual causes of messages by a part of their text. The first cause whose function returns help
// applies.
var causes = []struct {
	part string
	help func(complaint) string
}{
	{"tab character", func(complaint) string { return noTabs }},
	{`'\t'`, func(complaint) string { return noTabs }},
	{"end character", func(complaint) string {
		return `close the quote that opens here; within "…" write \" for a quote, within '…' write it twice`
	}},
	{"reserved character", func(c complaint) string { return "a text that begins with " + c.mark() + " must be quoted" }},
	{"block sequence entries are not allowed", complaint.listBehindKey},
	{"invalid header option", complaint.blockMark},
	{"could not find flow map content", complaint.emptyPart},
	{"']'", complaint.unclosed},
	{"'}'", complaint.unclosed},
	{"non-map value", complaint.noKey},
	{"unexpected key name", complaint.noKey},
	{"unexpected key name", complaint.lonely},
	{"is not allowed in this context", complaint.openingBracket},
	{"is not allowed in this context", complaint.goesOn},
	{"is not allowed in this context", complaint.extraBracket},
	{"value is not allowed in this context", complaint.noBlank},
	{"mapping value is not allowed", complaint.colon},
	{"unexpected mapping key", complaint.colon},
	{"value is not allowed in this context", complaint.misindented},
}

const noTabs = "indent with blanks, not with tabs"

// syntaxHelp explains the usual cause of a parser's message about a position in a file, and what to write instead.
func syntaxHelp(message string, lines [][]rune, line, col int) string {
	c := complaint{message, lines, line, col}
	for _, slip := range slips {
		if help := slip(c); help != "" {
			return help
		}
	}
	for _, cause := range causes {
		if strings.Contains(message, cause.part) {
			if help := cause.help(c); help != "" {
				return help
			}
		}
	}
	return ""
}

// text returns a line; empty if there is no such line.
func (c complaint) text(line int) string {
	if line < 1 || line > len(c.lines) {
		return ""
	}
	return string(c.lines[line-1])
}

// mark returns the character at the position.
func (c complaint) mark() string {
	if text := c.lines[c.line-1]; c.col <= len(text) {
		return string(text[c.col-1])
	}
	return ""
}

// before and behind return the line up to the position and from the position on.
func (c complaint) before() string {
	return string(c.lines[c.line-1][:min(c.col-1, len(c.lines[c.line-1]))])
}
func (c complaint) behind() string {
	return string(c.lines[c.line-1][min(c.col-1, len(c.lines[c.line-1])):])
}

func (c complaint) unclosed() string {
	open, _ := scan(c.lines, c.line, c.col)
	if len(open) == 0 {
		return ""
	}
	last := open[len(open)-1]
	return fmt.Sprintf("the %c of line %d, column %d is not closed", last.mark, last.line, last.column)
}

var (
	entry       = regexp.MustCompile(`^(\s*(?:- +)*)(.*)$`)
	noBlankKey  = regexp.MustCompile(`^([A-Za-z_]+):(\S.*)$`)
	noColonKey  = regexp.MustCompile(`^([a-z_]+)\s+(?:[=:]?=\s+|[-=]>\s+)?(\S.*)$`)
	opensBlock  = regexp.MustCompile(`[:-]\s+[|>][-+0-9]*\s*$`)
	valueBefore = regexp.MustCompile(`(?:[:-]\s+)([*&]\S*)\s+$`)
	blankless   = regexp.MustCompile(`^\s*-[A-Za-z_]`)
)

// noKey says what a line lacks to be a key with a value.
func (c complaint) noKey() string {
	parts := entry.FindStringSubmatch(c.text(c.line))
	if strings.HasPrefix(c.behind(), "- ") {
		for above := c.line - 1; above > 0; above-- {
			text := c.text(above)
			if content := strings.TrimLeft(text, " "); strings.HasPrefix(content, "- ") && len(text)-len(content) < c.col-1 {
				return complaint{lines: c.lines, line: above}.tooFar(c.line, c.col-1, c.behind())
			}
		}
	}
	if opensBlock.MatchString(c.text(c.line - 1)) {
		return "indent the text further than the key that it belongs to"
	}
	if m := noBlankKey.FindStringSubmatch(parts[2]); m != nil {
		return "write a blank behind the colon: " + m[1] + ": " + m[2]
	}
	if m := noColonKey.FindStringSubmatch(parts[2]); m != nil {
		return "write a colon behind the key: " + m[1] + ": " + m[2]
	}
	return ""
}

// goesOn explains a text that continues after what YAML takes for the whole value: a quoted text, an anchor or an
// alias.
func (c complaint) goesOn() string {
	_, closed := scan(c.lines, c.line, c.col-1)
	before := strings.TrimRight(c.before(), " ")
	switch m := valueBefore.FindStringSubmatch(c.before()); {
	case m != nil:
		return fmt.Sprintf("a text that begins with %c must be quoted", m[1][0])
	case closed.mark == 0 || closed.toLine != c.line || closed.toColumn != len([]rune(before)):
		return ""
	case closed.line != c.line:
		return fmt.Sprintf("the %c of line %d, column %d is closed here: is its own end missing there?", closed.mark,
			closed.line, closed.column)
	}
	whole := strings.TrimRight(string(c.lines[c.line-1][closed.column-1:]), " ")
	if left, right, ok := strings.Cut(whole, " in "); ok && strings.HasSuffix(right, ".text") {
		return fmt.Sprintf("write it the other way round: %s contains %s", strings.TrimSpace(right), strings.TrimSpace(left))
	}
	quote := "'"
	if closed.mark == '\'' {
		quote = `"`
	}
	if strings.Contains(whole, quote) {
		return "the value ends with its closing quote: quote the whole of it"
	}
	return "the value ends with its closing quote: quote the whole of it, " + quote + whole + quote
}

// extraBracket explains a closing bracket without an opening one.
func (c complaint) extraBracket() string {
	if mark := c.mark(); mark == "}" || mark == "]" {
		return "this " + mark + " closes nothing: remove it, or open it before"
	}
	return ""
}

// noBlank explains a list entry without a space after its dash.
func (c complaint) noBlank() string {
	if text := c.text(c.line); blankless.MatchString(text) {
		return "write a blank behind the dash: - " + strings.TrimSpace(text)[1:]
	}
	return ""
}

// colon explains a colon that turns a value into a key: in a text, or on a following line that is indented too far.
func (c complaint) colon() string {
	value := strings.TrimRight(c.behind(), " ")
	switch {
	case startsCurly(value):
		return straight
	case strings.HasPrefix(value, "(") && strings.HasSuffix(value, ")"):
		return "a mapping on one line is written in braces: {" + value[1:len(value)-1] + "}"
	case strings.Contains(value, ": ") || strings.HasSuffix(value, ":"):
		return mustBeQuoted
	}
	for below := c.line + 1; below <= len(c.lines); below++ {
		text := c.text(below)
		content := strings.TrimLeft(text, " ")
		if content == "" || strings.HasPrefix(content, "#") {
			continue
		}
		return c.tooFar(below, len(text)-len(content), content)
	}
	return mustBeQuoted
}

// mustBeQuoted is the help for a text that YAML takes for a key.
const mustBeQuoted = `a text with ": " in it must be quoted`

// tooFar says that a line is indented too far, where it continues the text of the line before it.
func (c complaint) tooFar(below, indent int, content string) string {
	parts := entry.FindStringSubmatch(c.text(c.line))
	word, above, column := firstWord(content), parts[2], len([]rune(parts[1]))
	if strings.HasPrefix(content, "- ") && strings.Contains(parts[1], "-") {
		column = strings.Index(parts[1], "-")
		word, above = "- "+firstWord(strings.TrimLeft(content, "- ")), "- "+above
	}
	if indent <= column {
		return mustBeQuoted
	}
	return fmt.Sprintf("line %d is indented too far: %q begins in column %d, and %q of line %d in column %d", below, word,
		indent+1, firstEntry(above), c.line, column+1)
}

// firstEntry returns a text up to its first space, with the dash that may be before it.
func firstEntry(text string) string {
	if rest, ok := strings.CutPrefix(text, "- "); ok {
		return "- " + firstWord(rest)
	}
	return firstWord(text)
}

// misindented says which line above a line was probably meant to be aligned with, and where that begins: for a list
// entry the entry above in the nearest column, else the next line above.
func (c complaint) misindented() string {
	best, distance := "", -1
	dashed := strings.HasPrefix(strings.TrimLeft(c.behind(), " "), "- ")
	for above := c.line - 1; above > 0; above-- {
		text := c.text(above)
		content := strings.TrimLeft(text, " ")
		if !dashed {
			content = strings.TrimLeft(content, " -")
		}
		if content == "" || strings.HasPrefix(content, "#") || dashed && !strings.HasPrefix(content, "- ") {
			continue
		}
		column := len([]rune(text)) - len([]rune(content)) + 1
		if far := max(column-c.col, c.col-column); distance < 0 || far < distance {
			word := firstWord(content)
			if dashed {
				word = "- " + firstWord(strings.TrimLeft(content, "- "))
			}
			distance = far
			best = fmt.Sprintf("indent it as what it belongs to: it begins in column %d, and %q of line %d in column %d", c.col,
				word, above, column)
		}
		if !dashed || distance == 1 {
			break
		}
	}
	return best
}

// Quotes of typography, which YAML takes for characters of a text.
const (
	curly    = "“”„‟‘’‚«»"
	straight = `write straight quotes: " or '`
)

// startsCurly reports whether a text begins with such a quote.
func startsCurly(text string) bool {
	first, _ := utf8.DecodeRuneInString(text)
	return strings.ContainsRune(curly, first)
}

// firstWord returns a text up to its first space.
func firstWord(text string) string {
	word, _, _ := strings.Cut(text, " ")
	return word
}

// opened is a bracket, or a quoted text with the position of its closing quote.
type opened struct {
	mark             rune
	line, column     int
	toLine, toColumn int
}

// scan reads a file up to a position. It returns the brackets that are open there, and the last quoted text that was
// closed.
func scan(lines [][]rune, line, col int) (open []opened, closed opened) {
	quote := opened{}
	pair := map[rune]rune{']': '[', '}': '{'}
	for n, text := range lines[:min(line, len(lines))] {
		if n+1 == line {
			text = text[:min(max(col, 0), len(text))]
		}
		for i, r := range text {
			before := ' '
			if i > 0 {
				before = text[i-1]
			}
			if quote.mark == 0 && r == '#' && before == ' ' {
				break // a comment
			}
			starts := len(open) > 0 || strings.ContainsRune(" [{,:-", before) // not within a word
			switch {
			case quote.mark != 0 && r == quote.mark && before != '\\':
				quote.toLine, quote.toColumn = n+1, i+1
				closed, quote = quote, opened{}
			case quote.mark != 0 || !starts:
			case strings.ContainsRune("\"'", r) && strings.ContainsRune(" [{,:-", before) && begins(text[:i], len(open) > 0):
				quote = opened{mark: r, line: n + 1, column: i + 1}
			case strings.ContainsRune("[{", r):
				open = append(open, opened{mark: r, line: n + 1, column: i + 1})
			case len(open) > 0 && open[len(open)-1].mark == pair[r]:
				open = open[:len(open)-1]
			}
		}
	}
	return open, closed
}

// begins reports whether a value begins after this part of a line. A quote within a plain text is part of the text.
func begins(text []rune, bracketed bool) bool {
	before := strings.TrimRight(string(text), " ")
	return before == "" || strings.ContainsRune(":-", rune(before[len(before)-1])) ||
		bracketed && strings.ContainsRune("[{,:", rune(before[len(before)-1]))
}
