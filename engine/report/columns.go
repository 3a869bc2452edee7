package report

import (
	"fmt"
	"io"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/renderer"
	"github.com/olekukonko/tablewriter/tw"
)

// Columns prints rows as columns without lines: the first left ones are text and stand to the
// left, the others are numbers and stand to the right. What came from files or servers is made
// safe for a terminal.
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
	plain := tw.Rendition{Borders: tw.BorderNone, Settings: tw.Settings{Separators: tw.SeparatorsNone, Lines: tw.LinesNone}}
	t := tablewriter.NewTable(w,
		tablewriter.WithRenderer(renderer.NewBlueprint(plain)),
		tablewriter.WithHeaderAutoFormat(tw.Off), // it would make TTFT P 50 of TTFT p50
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
