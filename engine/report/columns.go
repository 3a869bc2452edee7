package report

import (
	"bytes"
	"io"
	"strings"

	"homellm/engine/report/readable"
)

// Columns prints rows as columns without lines: the first left columns are text, aligned left; the others are
// numbers, aligned right. Text from files or servers is made safe for a terminal.
func Columns(w io.Writer, head []string, rows [][]string, left int) error {
	var all [][]string
	if head != nil {
		all = append(all, escaped(head))
	}
	for _, row := range rows {
		all = append(all, escaped(row))
	}
	widths := widthsOf(all)
	var out strings.Builder
	for _, row := range all {
		for i, width := range widths {
			out.WriteString(" " + aligned(row, i, width, left) + " ")
		}
		out.WriteByte('\n')
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// widthsOf is how wide the columns of a table are.
func widthsOf(rows [][]string) (out []int) {
	for _, row := range rows {
		for i, cell := range row {
			if i == len(out) {
				out = append(out, 0)
			}
			out[i] = max(out[i], readable.Width(strings.TrimSpace(cell)))
		}
	}
	return out
}

// aligned is a cell in its column, of which the first left are aligned left. A row may have too few cells.
func aligned(row []string, column, width, left int) string {
	cell := ""
	if column < len(row) {
		cell = strings.TrimSpace(row[column])
	}
	space := strings.Repeat(" ", width-readable.Width(cell))
	if column < left {
		return cell + space
	}
	return space + cell
}

// fitted returns rows in the form of [Columns] for a screen with a number of columns. If they do not fit, heads are
// broken into two lines, and then the numbers are split over several tables, each with the text columns: nothing is cut
// off, and no line is wrapped.
func fitted(screen int, head []string, rows [][]string, left int) (string, error) {
	var b bytes.Buffer
	if err := Columns(&b, head, rows, left); err != nil || widest(b.String()) <= screen {
		return b.String(), err
	}
	var low bytes.Buffer
	if err := Columns(&low, nil, append(twoLines(head), rows...), left); err != nil || widest(low.String()) <= screen {
		return low.String(), err
	}
	numbers := len(head) - left
	if numbers < 2 {
		return low.String(), nil
	}
	var out strings.Builder
	for _, part := range [][2]int{{left, left + (numbers+1)/2}, {left + (numbers+1)/2, len(head)}} {
		of := func(row []string) []string {
			return append(append([]string{}, row[:left]...), row[part[0]:part[1]]...)
		}
		var some [][]string
		for _, row := range rows {
			some = append(some, of(row))
		}
		text, err := fitted(screen, of(head), some, left)
		if err != nil {
			return "", err
		}
		out.WriteString(text)
	}
	return out.String(), nil
}

// twoLines breaks each head at its last space.
func twoLines(head []string) [][]string {
	out := [][]string{make([]string, len(head)), make([]string, len(head))}
	for i, h := range head {
		at := strings.LastIndex(h, " ")
		out[0][i], out[1][i] = h[:max(at, 0)], h[at+1:]
	}
	return out
}

// widest is the width of the longest line.
func widest(text string) int {
	out := 0
	for l := range strings.Lines(text) {
		out = max(out, readable.Width(strings.TrimRight(l, " \n")))
	}
	return out
}

// escaped makes a row safe for a terminal, except for colours of this package.
func escaped(row []string) []string {
	out := make([]string, len(row))
	for i, text := range row {
		if strings.HasPrefix(text, "\x1b[") {
			out[i] = text // painted by this package
			continue
		}
		out[i] = terminal(text)
	}
	return out
}
