package model

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// locate finds the first tag of a template that does not compile alone, for errors whose position the library does
// not give. Line and column are those of the tag, from 1; 0 if every tag compiles.
func locate(source string, compiles func(string) bool) (line, col int) {
	for at := 0; at < len(source); {
		open := strings.IndexByte(source[at:], '{')
		if open < 0 {
			break
		}
		at += open
		rest := source[at:]
		var end string
		switch {
		case strings.HasPrefix(rest, "{{"):
			end = "}}"
		case strings.HasPrefix(rest, "{%"):
			end = "%}"
		case strings.HasPrefix(rest, "{#"):
			end = "#}"
		default:
			at++
			continue
		}
		length := strings.Index(rest[2:], end)
		if next := strings.Index(rest[2:], "{"+rest[1:2]); length < 0 || next >= 0 && next < length && end != "#}" {
			return position(source, at) // it has no end, or none before the next one begins
		}
		length += 4
		if end != "#}" && !compiles(whole(rest[:length])) {
			return position(source, at)
		}
		at += length
	}
	return 0, 0
}

// whole makes a complete template of one tag.
func whole(tag string) string {
	if !strings.HasPrefix(tag, "{%") {
		return tag
	}
	body := strings.TrimSpace(strings.Trim(tag[2:len(tag)-2], "-+"))
	word, rest, _ := strings.Cut(body, " ")
	switch word {
	case "if", "for":
		return fmt.Sprintf("%s{%% end%s %%}", tag, word)
	case "elif":
		return fmt.Sprintf("{%% if %s %%}{%% endif %%}", rest)
	case "set":
		if strings.Contains(rest, "=") {
			return tag
		}
	}
	return "" // a tag that needs others around it is not checked
}

func position(source string, at int) (line, col int) {
	start := strings.LastIndexByte(source[:at], '\n') + 1
	return strings.Count(source[:at], "\n") + 1, utf8.RuneCountInString(source[start:at]) + 1
}
