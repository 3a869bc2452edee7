package report

import (
	"bytes"
	"strings"
)

// mdTable prints cells that are already escaped. The first left columns are aligned left, the others right.
func mdTable(b *bytes.Buffer, head []string, rows [][]string, left int) {
	widths := widthsOf(append([][]string{head}, rows...))
	line := func(row []string) {
		for i, width := range widths {
			b.WriteString("| " + aligned(row, i, max(1, width), left) + " ")
		}
		b.WriteString("|\n")
	}
	line(head)
	for i, width := range widths {
		dashes := strings.Repeat("-", max(1, width)+1)
		if i < left {
			b.WriteString("|:" + dashes)
		} else {
			b.WriteString("|" + dashes + ":")
		}
	}
	b.WriteString("|\n")
	for _, row := range rows {
		line(row)
	}
}
