package syntax

import (
	"fmt"
	"strings"
)

// syntaxHelp says what usually causes a message of the parser about a place of a file.
func syntaxHelp(message string, lines [][]rune, line, col int) string {
	has := func(part string) bool { return strings.Contains(message, part) }
	switch {
	case has("tab character"), has(`'\t'`):
		return "indent with blanks, not with tabs"
	case has("end character"):
		return `close the quote that opens here; within "…" write \" for a quote, within '…' write it twice`
	}
	if has("']'") || has("'}'") {
		if mark, at, column := unclosed(lines, line, col); mark != 0 {
			return fmt.Sprintf("the %c of line %d, column %d is not closed", mark, at, column)
		}
	}
	switch {
	case has("mapping value is not allowed"), has("unexpected mapping key"):
		return `a text with ": " in it must be quoted`
	case has("value is not allowed in this context"):
		return misindented(lines, line, col)
	}
	return ""
}

// misindented says where the line above a place begins, for what stands in no column that anything above has.
func misindented(lines [][]rune, line, col int) string {
	for above := line - 1; above > 0; above-- {
		text := string(lines[above-1])
		entry := strings.TrimLeft(text, " -")
		if entry == "" || strings.HasPrefix(entry, "#") {
			continue
		}
		return fmt.Sprintf("indent it as what it belongs to: it begins in column %d, and %q of line %d in column %d", col,
			firstWord(entry), above, len(text)-len(entry)+1)
	}
	return ""
}

// firstWord is a text up to its first blank.
func firstWord(text string) string {
	word, _, _ := strings.Cut(text, " ")
	return word
}

// unclosed finds the innermost bracket that is open at a place of a file; 0: none.
func unclosed(lines [][]rune, line, col int) (mark rune, at, column int) {
	type opened struct {
		mark         rune
		line, column int
	}
	var open []opened
	quote := rune(0)
	for n, text := range lines[:min(line, len(lines))] {
		if n+1 == line {
			text = text[:min(col, len(text))]
		}
		for i, r := range text {
			before := ' '
			if i > 0 {
				before = text[i-1]
			}
			if quote == 0 && r == '#' && before == ' ' {
				break // a comment
			}
			starts := len(open) > 0 || strings.ContainsRune(" [{,:-", before) // it is not within a word
			switch {
			case quote != 0 && r == quote && before != '\\':
				quote = 0
			case quote != 0 || !starts:
			case strings.ContainsRune("\"'", r) && strings.ContainsRune(" [{,:-", before):
				quote = r
			case strings.ContainsRune("[{", r):
				open = append(open, opened{r, n + 1, i + 1})
			case strings.ContainsRune("]}", r) && len(open) > 0:
				open = open[:len(open)-1]
			}
		}
	}
	if len(open) == 0 {
		return 0, 0, 0
	}
	last := open[len(open)-1]
	return last.mark, last.line, last.column
}
