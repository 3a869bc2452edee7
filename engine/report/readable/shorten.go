package readable

import (
	"regexp"
	"strings"

	"github.com/clipperhouse/displaywidth"
)

// colours are escape sequences of a terminal: those that set something, and those that end with a bell or a backslash.
var colours = regexp.MustCompile("\x1b\\[[0-?]*[ -/]*[@-~]|\x1b\\].*?(\x1b\\\\|\a)")

// Width is the number of columns of a text; escape sequences have none.
func Width(text string) int {
	if strings.Contains(text, "\x1b") {
		text = colours.ReplaceAllLiteralString(text, "")
	}
	columns := 0
	for _, r := range text {
		columns += displaywidth.Rune(r)
	}
	return columns
}

// Shorten cuts a text to a number of columns, with an ellipsis.
func Shorten(text string, columns int) string {
	if Width(text) <= columns {
		return text
	}
	out := ""
	for _, r := range text {
		if Width(out+string(r)) > columns-1 {
			break
		}
		out += string(r)
	}
	return out + "…"
}
