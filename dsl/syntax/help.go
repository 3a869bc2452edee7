package syntax

import (
	"fmt"
	"regexp"
	"strings"
)

// complaint is a message of the parser about a place of a file.
type complaint struct {
	message string
	lines   [][]rune
	line    int // from 1, as is col
	col     int
}

// causes are what usually causes a message that contains a text: the first that says how to write it is right.
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
	{"']'", complaint.unclosed},
	{"'}'", complaint.unclosed},
	{"non-map value", complaint.noKey},
	{"is not allowed in this context", complaint.goesOn},
	{"is not allowed in this context", complaint.extraBracket},
	{"value is not allowed in this context", complaint.noBlank},
	{"mapping value is not allowed", complaint.colon},
	{"unexpected mapping key", complaint.colon},
	{"value is not allowed in this context", complaint.misindented},
}

const noTabs = "indent with blanks, not with tabs"

// syntaxHelp says what usually causes a message of the parser about a place of a file, and what to write instead.
func syntaxHelp(message string, lines [][]rune, line, col int) string {
	c := complaint{message, lines, line, col}
	for _, cause := range causes {
		if strings.Contains(message, cause.part) {
			if help := cause.help(c); help != "" {
				return help
			}
		}
	}
	return ""
}

// text is a line; empty: there is none.
func (c complaint) text(line int) string {
	if line < 1 || line > len(c.lines) {
		return ""
	}
	return string(c.lines[line-1])
}

// mark is the character of the place.
func (c complaint) mark() string {
	if text := c.lines[c.line-1]; c.col <= len(text) {
		return string(text[c.col-1])
	}
	return ""
}

// before and behind are the line up to the place, and from it on.
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
	noColonKey  = regexp.MustCompile(`^([a-z_]+)\s+(\S.*)$`)
	opensBlock  = regexp.MustCompile(`[:-]\s+[|>][-+0-9]*\s*$`)
	valueBefore = regexp.MustCompile(`(?:[:-]\s+)([*&]\S*)\s+$`)
	blankless   = regexp.MustCompile(`^\s*-[A-Za-z_]`)
)

// noKey says what a line lacks to be a key with its value.
func (c complaint) noKey() string {
	parts := entry.FindStringSubmatch(c.text(c.line))
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

// goesOn explains a text that goes on behind what YAML takes for the whole of it: a quoted text, an anchor or an alias.
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

// extraBracket explains a bracket that closes nothing.
func (c complaint) extraBracket() string {
	if mark := c.mark(); mark == "}" || mark == "]" {
		return "this " + mark + " closes nothing: remove it, or open it before"
	}
	return ""
}

// noBlank explains an entry of a list without a blank behind its dash.
func (c complaint) noBlank() string {
	if text := c.text(c.line); blankless.MatchString(text) {
		return "write a blank behind the dash: - " + strings.TrimSpace(text)[1:]
	}
	return ""
}

// colon explains a colon that makes a key of what is already a value: in a text, or on a line below that is indented
// too far.
func (c complaint) colon() string {
	value := strings.TrimRight(c.behind(), " ")
	switch {
	case strings.HasPrefix(value, "(") && strings.HasSuffix(value, ")"):
		return "a mapping on one line stands in braces: {" + value[1:len(value)-1] + "}"
	case strings.Contains(value, ": ") || strings.HasSuffix(value, ":"):
		return `a text with ": " in it must be quoted`
	}
	for below := c.line + 1; below <= len(c.lines); below++ {
		text := c.text(below)
		content := strings.TrimLeft(text, " ")
		if content == "" || strings.HasPrefix(content, "#") {
			continue
		}
		indent := len([]rune(entry.FindStringSubmatch(c.text(c.line))[1]))
		if found := len(text) - len(content); found > indent {
			return fmt.Sprintf("line %d is indented too far: %q begins in column %d, and %q of line %d in column %d", below,
				firstWord(content), found+1, firstWord(strings.TrimLeft(c.text(c.line), " -")), c.line, indent+1)
		}
		break
	}
	return `a text with ": " in it must be quoted`
}

// misindented says where the line begins that a line was meant to stand below: of those above it, from the next one
// up, the one that begins in the nearest column; an entry of a list stands below entries.
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

// firstWord is a text up to its first blank.
func firstWord(text string) string {
	word, _, _ := strings.Cut(text, " ")
	return word
}

// opened is a bracket, or a quoted text with where its closing quote stands.
type opened struct {
	mark             rune
	line, column     int
	toLine, toColumn int
}

// scan reads a file up to a place: the brackets that are open there, and the last text in quotes that was closed.
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
			starts := len(open) > 0 || strings.ContainsRune(" [{,:-", before) // it is not within a word
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

// begins says whether a value begins behind this part of a line: a quote within a plain text is part of the text.
func begins(text []rune, bracketed bool) bool {
	before := strings.TrimRight(string(text), " ")
	return before == "" || strings.ContainsRune(":-", rune(before[len(before)-1])) ||
		bracketed && strings.ContainsRune("[{,:", rune(before[len(before)-1]))
}
