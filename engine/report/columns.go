package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/renderer"
	"github.com/olekukonko/tablewriter/tw"

	"homellm/engine/report/readable"
)

// Columns prints rows as columns without lines: the first left columns are text, aligned left; the others are
// numbers, aligned right. Text from files or servers is made safe for a terminal.
func Columns(w io.Writer, head []string, rows [][]string, left int) error {
	columns := len(head)
	if len(rows) > 0 {
		columns = len(rows[0])
	}
	align := make(tw.Alignment, columns)
	for i := range align {
		align[i] = tw.AlignRight
		if i < left {
			align[i] = tw.AlignLeft
		}
	}
	plain := tw.Rendition{Borders: tw.BorderNone, Settings: tw.Settings{Separators: tw.SeparatorsNone,
		Lines: tw.LinesNone}}
	t := tablewriter.NewTable(w,
		tablewriter.WithRenderer(renderer.NewBlueprint(plain)),
		tablewriter.WithHeaderAutoFormat(tw.Off), // it would turn TTFT p50 into TTFT P 50
		tablewriter.WithHeaderAutoWrap(tw.WrapNone), tablewriter.WithRowAutoWrap(tw.WrapNone),
		tablewriter.WithEastAsian(tw.Off), // the same columns whatever the locale
		tablewriter.WithAlignment(align),
	)
	if head != nil {
		t.Header(escaped(head))
	}
	for _, row := range rows {
		if err := t.Append(escaped(row)); err != nil {
			return fmt.Errorf("laying out the table: %w", err)
		}
	}
	if err := t.Render(); err != nil {
		return fmt.Errorf("laying out the table: %w", err)
	}
	return nil
}

// fitted is rows as [Columns] prints them, for a screen of so many columns. If they do not fit, heads are broken into
// two lines, and then the numbers are split over several tables, each with the text columns: nothing is cut off, and
// no line is wrapped.
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
