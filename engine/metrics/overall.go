package metrics

import (
	"iter"

	"homellm/engine/event"
)

// allCells is the name of all cells together in reports.
const allCells = "all cells"

// AllCells stands for all cells together: it holds the verdicts over them, and nothing is measured in it. It is nil if
// there is no such verdict.
func (r *Run) AllCells() *Cell {
	if len(r.Overall) == 0 {
		return nil
	}
	return &Cell{run: r, Verdicts: r.Overall}
}

// WithAllCells lists the cells and then, if there are verdicts over them, all of them together.
func (r *Run) WithAllCells() []*Cell {
	out := append([]*Cell{}, r.Cells...)
	if c := r.AllCells(); c != nil {
		out = append(out, c)
	}
	return out
}

// verdicts are those of every cell and those over all cells.
func (r *Run) verdicts() iter.Seq[event.Verdict] {
	return func(yield func(event.Verdict) bool) {
		for _, c := range r.WithAllCells() {
			for _, v := range c.Verdicts {
				if !yield(v) {
					return
				}
			}
		}
	}
}
