package syntax

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// slips are mistakes that show by the line of a parser's message, whatever the message is.
var slips = []func(complaint) string{
	complaint.fence, complaint.character, complaint.reference, complaint.bullet, complaint.doubleSlash,
}

var (
	referenced = regexp.MustCompile(`\$\{+\s*([\w.]*)\s*\}+|\{\{\s*([\w.]+)\s*\}\}|\$\(([\w.]+)\)|%([\w.]+)%`)
	bulleted   = regexp.MustCompile(`^\s*([*+•‣▪◦·–—−])\s+\S`)
	keyBelow   = regexp.MustCompile(`^\s*[*+•‣▪◦·–—−]\s+[A-Za-z_]+:(\s|$)`)
	bracketed  = regexp.MustCompile(`(?:^|[:-]\s+)(\[[^\[\]]*\]|\{[^{}]*\})\s+$`)
	wideColon  = regexp.MustCompile(`^\s*(?:- +)*["']?[\w-]+["']?：`)
	twoCommas  = regexp.MustCompile(`,\s*,`)
)

// fence explains a line that fences code in Markdown, where the file was copied from.
func (c complaint) fence() string {
	if strings.HasPrefix(strings.TrimSpace(c.text(c.line)), "```") {
		return "remove this line: ``` is Markdown around the file, and no part of it"
	}
	return ""
}

// character names a character of a line that looks like a blank or a colon, and is none.
func (c complaint) character() string {
	line := c.text(c.line)
	if m := wideColon.FindStringIndex(line); m != nil {
		return fmt.Sprintf("write a plain colon and a blank: column %d has '：' (U+FF1A)", utf8.RuneCountInString(line[:m[1]]))
	}
	for i, r := range []rune(line) {
		if r != ' ' && unicode.Is(unicode.Zs, r) || r == '\u200b' {
			return fmt.Sprintf("write a plain blank: column %d has another one, U+%04X", i+1, r)
		}
	}
	return ""
}

// reference explains a reference whose braces YAML takes for a mapping.
func (c complaint) reference() string {
	line := c.text(c.line)
	for _, m := range referenced.FindAllStringSubmatchIndex(line, -1) {
		from, to := utf8.RuneCountInString(line[:m[0]])+1, utf8.RuneCountInString(line[:m[1]])+1
		if c.col < from || c.col > to {
			continue
		}
		name := ""
		for i := 2; i < len(m); i += 2 {
			if m[i] >= 0 {
				name = line[m[i]:m[i+1]]
			}
		}
		if !strings.Contains(name, ".") {
			return fmt.Sprintf(`quote a reference, and say where it is from: "${vars.%s}" or "${matrix.%s}"`, name, name)
		}
		return fmt.Sprintf(`quote a reference: "${%s}"`, name)
	}
	return ""
}

// bullet explains an entry of a list that begins with another sign than a hyphen.
func (c complaint) bullet() string {
	if m := bulleted.FindStringSubmatch(c.text(c.line)); m != nil {
		return fmt.Sprintf(`an entry of a list begins with "- ", and not with %q`, m[1])
	}
	if above := c.text(c.line - 1); keyBelow.MatchString(above) {
		return fmt.Sprintf(`an entry of a list begins with "- ", and not with %q as in line %d`,
			bulleted.FindStringSubmatch(above)[1], c.line-1)
	}
	return ""
}

// doubleSlash explains a comment of another language.
func (c complaint) doubleSlash() string {
	if text := strings.TrimSpace(c.text(c.line)); strings.HasPrefix(text, "//") || strings.HasPrefix(text, "/*") {
		return "a comment begins with #"
	}
	return ""
}

// openingBracket explains a text that begins with a list or a mapping and goes on.
func (c complaint) openingBracket() string {
	if m := bracketed.FindStringSubmatch(c.before()); m != nil {
		return "a text that begins with " + m[1][:1] + " must be quoted"
	}
	return ""
}

// listBehindKey explains a list that begins on the line of its key.
func (c complaint) listBehindKey() string {
	if item, ok := strings.CutPrefix(c.behind(), "- "); ok {
		return "begin the list on the line below, or write it in brackets: [" + strings.TrimSpace(item) + "]"
	}
	return ""
}

// emptyPart explains a comma without a value, and a mapping without keys.
func (c complaint) emptyPart() string {
	switch {
	case slices.ContainsFunc(twoCommas.FindAllStringIndex(c.text(c.line), -1), func(at []int) bool {
		return c.col >= utf8.RuneCountInString(c.text(c.line)[:at[0]])+1 &&
			c.col <= utf8.RuneCountInString(c.text(c.line)[:at[1]])+1
	}):
		return "two commas follow each other: remove one"
	case strings.HasPrefix(c.behind(), "{[") || strings.HasPrefix(c.behind(), "["):
		return "{ } holds keys with values, {key: value}; a list is written in [ ]"
	}
	return ""
}

// blockMark explains a text behind the sign of a text of several lines.
func (c complaint) blockMark() string {
	if mark := c.mark(); mark == "|" || mark == ">" {
		return "a text that begins with " + mark + " must be quoted; one of several lines begins on the line below"
	}
	return ""
}

// lonely explains a line that is neither a key with a value nor an entry.
func (c complaint) lonely() string {
	if text := strings.TrimSpace(c.text(c.line)); text != "" && !strings.ContainsAny(text, ":-") {
		return "every line is a key with a value, or an entry of a list: remove this one, or begin it with #"
	}
	return ""
}
