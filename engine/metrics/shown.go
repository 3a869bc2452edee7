package metrics

import (
	"cmp"
	"slices"
)

// Shown says where reports show a metric beside the lists of all metrics. A place with a rank comes before those of
// a higher rank; without one it comes last, in the order of [Defs].
type Shown struct {
	Columns []Column // of the table of a cell
	Line    *Line    // in a chart over the turns
	Box     string   // name in the charts of distributions, which have the colour of Line; empty: in none
	Tile    *Tile    // at the head of a cell's page
	Strip   *Strip   // over the time of a cell; of what is sampled
	Delta   *Delta   // where two runs stand side by side

	Property string // statistic of each phase among the properties of a test suite; empty: in none
}

// Column is a column of a cell's table: a statistic of each phase or conversation.
type Column struct {
	Rank  int
	Head  string
	After string // what Head is called where the column before it does not explain it; empty: Head
	Stat  string
}

// Line is a line of a chart over the turns of a cell. Metrics of one unit can share a chart.
type Line struct {
	Chart   string // title
	Caption string // of the chart; its first metric says it
	Alone   string // title of a chart of this metric alone; empty: as Chart
	Label   string
	Color   int  // 1 to 3
	Limit   bool // what the other lines cannot exceed: drawn behind them, in its own colour
}

// Tile is a figure that a reader looks for first.
type Tile struct {
	Name string
	Stat string // of a metric of turns
	Of   string // the metric that says how much was possible; empty: none
	Note string // below the figure; empty: the number of turns
}

// Strip is a chart over the time of a cell. Metrics of one unit can share it.
type Strip struct {
	Rank  int
	Title string
}

// Delta is a statistic of two runs side by side.
type Delta struct {
	Rank int
	Stat string
}

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

// only is the list of what a pointer points to.
func only[T any](p *T) []T {
	if p == nil {
		return nil
	}
	return []T{*p}
}

// given is a list of a text that is not empty.
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

// Deltas lists what is shown of two runs side by side.
func Deltas() []In[Delta] {
	return shownIn(func(s Shown) []Delta { return only(s.Delta) }, func(d Delta) int { return d.Rank })
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
	for _, lines := range grouped(shownIn(func(s Shown) []Line { return only(s.Line) }, unranked), func(l Line) string { return l.Chart }) {
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

// grouped puts what has the same title together, in the place of the first.
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
