package report

import (
	"homellm/engine/overview"
	"homellm/engine/report/readable"
)

// besidePage is the overview on a page.
type besidePage struct {
	Caption string
	Head    []string
	Left    int
	Rows    []besideRow
	Lines   []string
}

type besideRow struct {
	ID    string // of the section of the cell
	Cells []besideCell
}

type besideCell struct {
	Text, Mark, Within string
	Sure               bool
}

func overviewPage(o overview.Overview) *besidePage {
	t := besideTable(o, o.Figures, len(o.Cells))
	out := &besidePage{Caption: "Figures in which the cells differ", Head: t.head, Left: max(t.left, 1), Lines: t.lines}
	if t.left == 0 {
		out.Head = append([]string{"cell"}, t.head...)
	}
	for i, c := range o.Cells {
		row := besideRow{ID: cellID(i)}
		for _, a := range o.Axes {
			row.Cells = append(row.Cells, besideCell{Text: coordinate(a, c)})
		}
		if len(o.Axes) == 0 {
			row.Cells = append(row.Cells, besideCell{Text: c.Name()})
		}
		for _, f := range o.Figures {
			one := besideCell{Text: readable.Value(f.Values[i].Value), Mark: markOf(f, i)}
			if one.Mark != "" {
				one.Within, one.Sure = within(f.Values[i]), f.Best.Certain
			}
			row.Cells = append(row.Cells, one)
		}
		out.Rows = append(out.Rows, row)
	}
	return out
}
