package readable

import "github.com/olekukonko/tablewriter/pkg/twwidth"

// Width is the number of columns of a text; escape sequences have none.
func Width(text string) int {
	return twwidth.WidthWithOptions(text, twwidth.Options{})
}

// Shorten cuts a text to so many columns, with an ellipsis.
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
