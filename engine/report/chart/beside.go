package chart

import (
	"fmt"
	"math"
	"slices"

	"homellm/engine/overview"
	"homellm/engine/report/readable"
	"homellm/engine/stats"
)

// Axes draws, for each axis of the cells of a run, the figure that moves most along it, if possible one in which cells
// are told from the best.
func Axes(o overview.Overview) (out []Chart) {
	for i, a := range o.Axes {
		f, ok := mostMoved(o, a)
		if !ok {
			continue
		}
		title := f.Head + " by " + a.Name
		if f.Phase != "" {
			title += ", " + readable.Phase(f.Phase)
		}
		var rows []box
		caption := "Every dot is one repeat."
		for _, v := range evenly(a.Values, shownRepeats) {
			at := on(o, a, v)
			values := finite(f, at)
			hidden := len(at) - len(values)
			if len(at) > 1 {
				caption = "Every dot is one cell."
			} else if each, more := f.Values[at[0]].Each(); len(each) > 0 {
				values, hidden = each, more
			}
			rows = append(rows, box{label: v, class: boxClass(f.Def), values: sorted(values), unset: hidden})
		}
		c, ok := boxes(fmt.Sprintf("axis-%d", i+1), title, caption, f.Def.Doc, f.Def.Unit, rows)
		if !ok {
			continue
		}
		if len(a.Values) > shownRepeats {
			c.Table.Note = fmt.Sprintf("%d of %d values, evenly chosen.", shownRepeats, len(a.Values))
		}
		out = append(out, c)
	}
	return out
}

// on are the cells with a value of an axis.
func on(o overview.Overview, a overview.Axis, value string) (out []int) {
	for i, c := range o.Cells {
		if a.At(c) == value {
			out = append(out, i)
		}
	}
	return out
}

// finite are the values of a figure in some cells, as far as they are known exactly.
func finite(f overview.Figure, cells []int) (out []float64) {
	for _, i := range cells {
		if v, ok := f.Values[i].Number(); ok {
			out = append(out, v)
		}
	}
	return out
}

// mostMoved is the figure whose medians differ most between the values of an axis, as a share of the greatest.
func mostMoved(o overview.Overview, a overview.Axis) (out overview.Figure, ok bool) {
	most, told := 0.0, false
	for _, f := range o.Figures {
		if f.Def.Better == 0 || f.Def.Name == "error_rate" {
			continue
		}
		var medians []float64
		for _, v := range a.Values {
			if values := finite(f, on(o, a, v)); len(values) > 0 {
				medians = append(medians, stats.Median(values))
			}
		}
		if len(medians) < 2 {
			continue
		}
		low, high := slices.Min(medians), slices.Max(medians)
		moved := (high - low) / max(math.Abs(low), math.Abs(high))
		if f.Told() == told && moved > most || f.Told() && !told && moved > 0 {
			out, ok, most, told = f, true, moved, f.Told()
		}
	}
	return out, ok
}
