// Package overview puts the cells of a run beside each other. The input is the fold of a run; the output is the axes of
// its cells, the figures in which they differ, and the best cell of each figure with how certain that is. It plays and
// shows nothing.
package overview

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"homellm/dsl/figure"
	"homellm/engine/event"
	"homellm/engine/metrics"
)

// Overview is the cells of a run beside each other.
type Overview struct {
	Cells   []*metrics.Cell
	Axes    []Axis   // in which they differ
	Figures []Figure // in which they differ
	Same    []Figure // that all of them have, and that are the same in all
}

// Axis is a coordinate in which cells differ.
type Axis struct {
	Name   string
	Values []string // numbers in ascending order, anything else in the order of the cells
}

// Of puts the cells of a run beside each other; ok is false if there are fewer than two. Shown is how a report prints a
// value: figures whose values all look alike are the same.
func Of(r *metrics.Run, shown func(metrics.Value) string) (o Overview, ok bool) {
	if len(r.Cells) < 2 {
		return o, false
	}
	o.Cells = r.Cells
	o.axes()
	for _, f := range o.candidates() {
		f.measure(o.Cells)
		texts := map[string]bool{}
		known := 0
		for _, v := range f.Values {
			if v.Known() || v.Range != nil {
				known++
			}
			texts[shown(v.Value)] = true
		}
		switch {
		case known == 0:
		case len(texts) > 1:
			f.findBest(o.Cells, shown)
			o.Figures = append(o.Figures, f)
		default:
			o.Same = append(o.Same, f)
		}
	}
	return o, true
}

func (o *Overview) axes() {
	for _, c := range o.Cells {
		for _, l := range c.Labels() {
			i := slices.IndexFunc(o.Axes, func(a Axis) bool { return a.Name == l.Name })
			if i < 0 {
				i = len(o.Axes)
				o.Axes = append(o.Axes, Axis{Name: l.Name})
			}
			if a := &o.Axes[i]; !slices.Contains(a.Values, l.Value) {
				a.Values = append(a.Values, l.Value)
			}
		}
	}
	o.Axes = slices.DeleteFunc(o.Axes, func(a Axis) bool { return len(a.Values) < 2 })
	for _, a := range o.Axes {
		if a.numeric() {
			slices.SortStableFunc(a.Values, func(x, y string) int { return cmp.Compare(number(x), number(y)) })
		}
	}
}

func number(text string) float64 {
	v, _ := strconv.ParseFloat(text, 64)
	return v
}

func (a Axis) numeric() bool {
	return !slices.ContainsFunc(a.Values, func(v string) bool {
		_, err := strconv.ParseFloat(v, 64)
		return err != nil
	})
}

// At is the value of a cell on the axis.
func (a Axis) At(c *metrics.Cell) string {
	for _, l := range c.Labels() {
		if l.Name == a.Name {
			return l.Value
		}
	}
	return ""
}

// Name is a cell by its coordinates on the axes: server and model by their names alone, others as into=turn.
func (o Overview) Name(i int) string {
	var parts []string
	for _, a := range o.Axes {
		v := a.At(o.Cells[i])
		if a.Name != "server" && a.Name != "model" {
			v = a.Name + "=" + v
		}
		parts = append(parts, v)
	}
	return cmp.Or(strings.Join(parts, " x "), o.Cells[i].Name())
}

// candidates are the figures that cells may differ in.
func (o Overview) candidates() []Figure {
	var phases []string
	for _, p := range figure.Phases() {
		if slices.ContainsFunc(o.Cells, func(c *metrics.Cell) bool { return len(c.Measured(metrics.Group{Phase: p})) > 0 }) {
			phases = append(phases, p)
		}
	}
	var out []Figure
	for _, b := range o.besides() {
		one := Figure{Def: b.Def, Head: b.At.Head, Stat: b.At.Stat}
		switch {
		case b.At.Users && !o.users():
		case b.Def.At(metrics.CellLevel):
			one.Path = b.Name
			out = append(out, one)
		case b.At.Whole:
			one.Path = "run." + b.Name
			out = append(out, one)
		default:
			for _, p := range phases {
				one.Path = "phases." + p + "." + b.Name
				if len(phases) > 1 {
					one.Phase = p
				}
				out = append(out, one)
			}
		}
	}
	return out
}

// besides lists the figures of the table for these cells: those for any objective are one for each that a cell has.
func (o Overview) besides() (out []metrics.In[metrics.Beside]) {
	for _, b := range metrics.Besides() {
		if !b.Any() {
			out = append(out, b)
			continue
		}
		seen := map[string]bool{}
		for _, c := range o.Cells {
			for _, objective := range c.Planned.SLO {
				if d := b.Of(objective.Name); !seen[objective.Name] {
					out = append(out, metrics.In[metrics.Beside]{Def: d, At: *d.Shown.Beside})
				}
				seen[objective.Name] = true
			}
		}
	}
	return out
}

// users says whether several users play in a cell.
func (o Overview) users() bool {
	return slices.ContainsFunc(o.Cells, func(c *metrics.Cell) bool {
		return slices.ContainsFunc(c.Requests, func(q *event.Request) bool { return q.User > 1 })
	})
}

// Rows are the cells for a list of a limited length, in their order: all of them, or those that are the best of a
// figure and then the first of the others.
func (o Overview) Rows(limit int) []int {
	var out []int
	add := func(i int) {
		if len(out) < limit && !slices.Contains(out, i) {
			out = append(out, i)
		}
	}
	for _, f := range o.Figures {
		if f.Best != nil {
			add(f.Best.Cell)
		}
	}
	for i := range o.Cells {
		add(i)
	}
	slices.Sort(out)
	return out
}
