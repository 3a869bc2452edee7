package metrics

import (
	"cmp"
	"slices"
)

// In is a metric and one place where it is shown.
type In[T any] struct {
	*Def
	At T
}

// shownIn lists the metrics that are shown in one kind of place, in its order.
func shownIn[T any](of func(Shown) []T, rank func(T) int) []In[T] {
	var out []In[T]
	for i := range Defs {
		for _, at := range of(Defs[i].Shown) {
			out = append(out, In[T]{&Defs[i], at})
		}
	}
	const last = 1 << 30
	place := func(v In[T]) int { return cmp.Or(rank(v.At), last) }
	slices.SortStableFunc(out, func(a, b In[T]) int { return cmp.Compare(place(a), place(b)) })
	return out
}

// only is the list of a pointer's value, or an empty list.
func only[T any](p *T) []T {
	if p == nil {
		return nil
	}
	return []T{*p}
}

// given is the list of a non-empty text, or an empty list.
func given(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

func unranked[T any](T) int { return 0 }

// Columns lists the columns of a cell's table.
func Columns() []In[Column] {
	return shownIn(func(s Shown) []Column { return s.Columns }, func(c Column) int { return c.Rank })
}

// Tiles lists the figures at the head of a cell's page.
func Tiles() []In[Tile] { return shownIn(func(s Shown) []Tile { return only(s.Tile) }, unranked) }

// Deltas lists the statistics in side by side views of two runs.
func Deltas() []In[Delta] {
	return shownIn(func(s Shown) []Delta { return only(s.Delta) }, func(d Delta) int { return d.Rank })
}

// Besides lists the figures where the cells of a run stand beside each other.
func Besides() []In[Beside] {
	return shownIn(func(s Shown) []Beside { return only(s.Beside) }, func(b Beside) int { return b.Rank })
}

// Boxes lists the metrics with charts of distributions, by the name they have there.
func Boxes() []In[string] { return shownIn(func(s Shown) []string { return given(s.Box) }, unranked) }

// Properties lists the metrics among the properties of a test suite, by their statistic.
func Properties() []In[string] {
	return shownIn(func(s Shown) []string { return given(s.Property) }, unranked)
}

// Chart is a chart over turns: its lines, limits first, since they are drawn behind the others.
type Chart struct {
	Title, Caption string
	Lines          []In[Line]
}

// Charts lists the charts over turns.
func Charts() []Chart {
	var out []Chart
	for _, lines := range grouped(shownIn(func(s Shown) []Line { return only(s.Line) }, unranked),
		func(l Line) string { return l.Chart }) {
		c := Chart{Title: lines[0].At.Chart, Caption: lines[0].At.Caption}
		for _, limit := range []bool{true, false} {
			for _, l := range lines {
				if l.At.Limit == limit {
					c.Lines = append(c.Lines, l)
				}
			}
		}
		out = append(out, c)
	}
	return out
}

// Strips lists the charts over time: the metrics of each.
func Strips() [][]In[Strip] {
	all := shownIn(func(s Shown) []Strip { return only(s.Strip) }, func(s Strip) int { return s.Rank })
	return grouped(all, func(s Strip) string { return s.Title })
}

// grouped puts metrics with the same title together, at the position of the first.
func grouped[T any](all []In[T], title func(T) string) [][]In[T] {
	at := map[string]int{}
	var out [][]In[T]
	for _, v := range all {
		i, ok := at[title(v.At)]
		if !ok {
			i = len(out)
			at[title(v.At)] = i
			out = append(out, nil)
		}
		out[i] = append(out[i], v)
	}
	return out
}
