package report

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/overview"
	"homellm/engine/report/readable"
	"homellm/engine/text"
)

// besideRows is the number of cells in an overview that fits one screen.
const besideRows = 20

// fewCells is the number of cells up to which reports show every cell in full. Of more, a terminal shows only some of
// those that need attention, and a page folds them.
const fewCells = 12

// besideOf puts the cells of a run beside each other, as reports print their values.
func besideOf(r *metrics.Run) (overview.Overview, bool) { return overview.Of(r, readable.Value) }

// coordinate is the value of a cell on an axis in a table.
func coordinate(a overview.Axis, c *metrics.Cell) string {
	return cmp.Or(readable.Shorten(strings.Join(strings.Fields(a.At(c)), " "), 32), readable.Unknown)
}

// headOf is the head of a figure's column.
func headOf(f overview.Figure) string {
	if f.Phase == "" {
		return f.Head
	}
	return f.Head + " " + f.Phase
}

// Marks of the best cell of a figure.
const (
	surelyBest = "★"
	seenBest   = "☆"
)

const marksSay = surelyBest + " better than every other cell with 95 % confidence, " + seenBest +
	" the best as measured"

// markOf is the mark of a cell in the column of a figure; empty: it is not the best.
func markOf(f overview.Figure, cell int) string {
	switch {
	case f.Best == nil || f.Best.Cell != cell:
		return ""
	case f.Best.Certain:
		return surelyBest
	}
	return seenBest
}

// nameOf is a cell in a sentence.
func nameOf(o overview.Overview, cell int) string { return readable.Shorten(o.Name(cell), 60) }

// within is the confidence interval of a value; empty: there is none.
func within(v overview.Value) string {
	if v.Within == nil {
		return ""
	}
	return readable.Range(v.Within.Low, v.Within.High, func(x float64) string { return readable.Quantity(x, v.Unit) })
}

// beside is the overview as a table of texts.
type beside struct {
	head    []string
	rows    [][]string
	left    int // columns of text before the numbers
	hidden  int // cells without a row
	lines   []string
	figures []overview.Figure // of the columns
}

// besideTable lists cells as rows and some of the figures as columns.
func besideTable(o overview.Overview, figures []overview.Figure, limit int) beside {
	out := beside{figures: figures, left: len(o.Axes)}
	for _, a := range o.Axes {
		out.head = append(out.head, a.Name)
	}
	for _, f := range figures {
		out.head = append(out.head, headOf(f))
	}
	rows := o.Rows(limit)
	for _, i := range rows {
		var row []string
		for _, a := range o.Axes {
			row = append(row, coordinate(a, o.Cells[i]))
		}
		for _, f := range figures {
			row = append(row, strings.TrimSpace(markOf(f, i)+" "+readable.Value(f.Values[i].Value)))
		}
		out.rows = append(out.rows, row)
	}
	out.hidden = len(o.Cells) - len(rows)
	out.lines = besideLines(o, figures)
	return out
}

// besideLines says which cell is the best of each figure and how sure that is, what is the same in all cells, and why
// values are unknown.
func besideLines(o overview.Overview, figures []overview.Figure) (out []string) {
	marked := false
	for _, f := range figures {
		if f.Best != nil {
			marked = true
			out = append(out, headOf(f)+": "+bestLine(o, f))
		}
	}
	if marked {
		out = append([]string{marksSay}, out...)
	}
	var same []string
	for _, f := range o.Same {
		same = append(same, headOf(f)+" "+readable.Value(f.Values[0].Value))
	}
	if len(same) > 0 {
		out = append(out, "the same in all cells: "+strings.Join(same, ", "))
	}
	return append(out, besideMissing(o, figures)...)
}

// members are the parts of a reason that count what it concerns: (1 of 4).
var members = regexp.MustCompile(`( \(\d+ of \d+\))+$`)

// besideMissing says why values of an overview are unknown, and which cells have none.
func besideMissing(o overview.Overview, figures []overview.Figure) (out []string) {
	var missing reasons
	var skipped, failed, cut int
	for i, c := range o.Cells {
		switch {
		case c.Planned.Skip != "":
			skipped++
		case c.Failed != nil:
			failed++
		case !c.Complete():
			cut++
		}
		if len(c.Measured(metrics.Group{})) == 0 {
			continue
		}
		for _, f := range figures {
			if v := f.Values[i]; !v.Known() {
				missing.add(headOf(f), members.ReplaceAllString(v.Why, ""))
			}
		}
	}
	for _, l := range missing.lines() {
		out = append(out, readable.Unknown+" "+l)
	}
	var states []string
	for _, s := range []struct {
		n    int
		what string
	}{{skipped, "skipped"}, {failed, "did not run"}, {cut, "not played to the end"}} {
		if s.n > 0 {
			states = append(states, fmt.Sprintf("%d %s", s.n, s.what))
		}
	}
	if len(states) > 0 {
		out = append(out, "cells: "+strings.Join(states, ", "))
	}
	return out
}

// bestLine is the best cell of a figure, where its value lies, and how sure it is that it is the best.
func bestLine(o overview.Overview, f overview.Figure) string {
	b := f.Best
	v := f.Values[b.Cell]
	line := fmt.Sprintf("best %s with %s", nameOf(o, b.Cell), readable.Value(v.Value))
	if at := within(v); at != "" {
		line += fmt.Sprintf(" (%s with 95 %% confidence)", at)
	}
	var but []string
	if b.Certain {
		but = append(but, "surely better than every other")
	}
	if n := len(b.Alike); n > 0 {
		but = append(but, "not to be told from "+named(o, b.Alike))
	}
	if n := len(b.Beyond); n > 0 {
		but = append(but, named(o, b.Beyond)+" may be better")
	}
	if left := len(o.Cells) - b.Ranked - len(b.Beyond); left > 0 {
		but = append(but, text.Plural(left, "cell")+" cannot be ranked")
	}
	return line + "; " + strings.Join(but, "; ")
}

// named names a few cells, or says how many there are.
func named(o overview.Overview, cells []int) string {
	if len(cells) > 3 {
		return fmt.Sprintf("%d others", len(cells))
	}
	var names []string
	for _, i := range cells {
		names = append(names, nameOf(o, i))
	}
	return strings.Join(names, ", ")
}

// overview prints the cells of a run beside each other, with the figures for which the screen has room.
func (s *screen) overview(r *metrics.Run) error {
	o, ok := besideOf(r)
	if !ok {
		return nil
	}
	s.apart(terminal(r.Started.Scenario.Name+" · "+text.Plural(len(o.Cells), "cell")), planned(r.Started.Scenario))
	figures := o.Figures
	t := besideTable(o, figures, besideRows)
	for len(figures) > 1 && !s.fits(t) {
		figures = figures[:len(figures)-1]
		t = besideTable(o, figures, besideRows)
	}
	if len(figures) == 0 {
		s.prose(2, "the cells do not differ in any figure of this overview")
	} else if err := s.grid(t.head, t.rows, t.left); err != nil {
		return err
	}
	if t.hidden > 0 {
		s.prose(2, fmt.Sprintf("%d more cells are in the other reports", t.hidden))
	}
	for _, l := range t.lines {
		s.prose(2, l)
	}
	if left := o.Figures[len(figures):]; len(left) > 0 {
		var names []string
		for _, f := range left {
			names = append(names, headOf(f))
		}
		s.prose(2, "they differ too in "+strings.Join(names, ", "))
	}
	for _, load := range loadTables(o) {
		s.line("")
		if err := s.grid(load.head, load.rows, 1); err != nil {
			return err
		}
		s.prose(2, load.line)
	}
	s.line("")
	return nil
}

// fits says whether a table needs no more columns than the screen has.
func (s *screen) fits(t beside) bool {
	var all [][]string
	all = append(append(all, twoLines(t.head)...), t.rows...)
	width := 0
	for _, w := range widthsOf(all) {
		width += w + 2
	}
	return width <= s.width-1
}

// shownCells are the cells that a terminal shows in full: all of a few. Of many it shows some of those that need
// attention.
func shownCells(r *metrics.Run) (cells []*metrics.Cell, left string) {
	if len(r.Cells) <= fewCells {
		return r.Cells, ""
	}
	const most = 3
	attention := 0
	for _, c := range r.Cells {
		if !needsAttention(c) {
			continue
		}
		if attention++; attention <= most {
			cells = append(cells, c)
		}
	}
	left = fmt.Sprintf("%d more cells are not shown", len(r.Cells)-len(cells))
	if attention > len(cells) {
		left += fmt.Sprintf(", of which %d were not played to their end or did not pass", attention-len(cells))
	}
	return cells, left + ": --format markdown or html has them"
}

// needsAttention says whether a cell was not played to its end or has a verdict that did not pass.
func needsAttention(c *metrics.Cell) bool {
	if c.Planned.Skip != "" || c.Failed != nil || !c.Complete() {
		return true
	}
	return slices.ContainsFunc(c.Verdicts, func(v event.Verdict) bool {
		j := metrics.Judge(v)
		return j == metrics.Failed || j == metrics.Unknown || j == metrics.Warned
	})
}
