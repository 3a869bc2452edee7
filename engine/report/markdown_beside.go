package report

import (
	"bytes"
	"fmt"

	"homellm/engine/metrics"
	"homellm/engine/text"
)

// mdOverview lists the cells of a run beside each other.
func mdOverview(b *bytes.Buffer, r *metrics.Run, limit int) {
	o, ok := besideOf(r)
	if !ok || limit == 0 {
		return
	}
	fmt.Fprintf(b, "### %s\n\n", text.Plural(len(o.Cells), "cell"))
	t := besideTable(o, o.Figures, limit)
	for _, row := range t.rows {
		for i := range t.left {
			row[i] = mdCode(row[i])
		}
	}
	for k, f := range t.figures {
		if f.Best == nil {
			continue
		}
		for n, i := range o.Rows(limit) {
			if at := within(f.Values[i]); f.Best.Cell == i && at != "" {
				t.rows[n][t.left+k] += " (" + at + ")"
			}
		}
	}
	if len(t.figures) > 0 {
		mdTable(b, t.head, t.rows, t.left)
		fmt.Fprintln(b)
	}
	for _, load := range loadTables(o) {
		mdTable(b, load.head, load.rows, 1)
		fmt.Fprintf(b, "\n%s\n\n", md(load.line))
	}
	if t.hidden > 0 {
		t.lines = append(t.lines, fmt.Sprintf("%d more cells are in the other reports", t.hidden))
	}
	for _, l := range t.lines {
		fmt.Fprintf(b, "- %s\n", md(l))
	}
	fmt.Fprintln(b)
}
