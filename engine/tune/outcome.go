package tune

import (
	"cmp"
	"slices"

	"homellm/dsl/figure"
	"homellm/engine/event"
	"homellm/engine/metrics"
)

// Outcome is what a trial has found.
type Outcome struct {
	Result
	Rows   []Row  // the best first; those that are out last
	Memory string // the figure of the rows' memory; empty: none is known
	Ended  bool   // the search is over; otherwise a signal or an assertion with abort ended the run
}

// Row is one variant with its figures.
type Row struct {
	Place
	Cell   *metrics.Cell
	Value  metrics.Value // of the objective
	Memory metrics.Value
	Scores []metrics.Value
	Front  bool   // no other one is at least as good in all figures and better in one, as measured
	Why    string // it is out, or its condition is not met or undecided

	variant int
}

// memories are the figures of memory, of which the first that is known is shown.
var memories = []string{"gpu.mem_peak_mib", "mem.server_mib"}

// Outcome searches a fold from its first round, and puts the variants into their order with their figures. Scores are
// the paths of the pass rates that are shown.
func (t *Trial) Outcome(f *metrics.Run, scores []string) Outcome {
	t.search = nil
	t.seen, t.looks = 0, nil
	t.follow(f)
	t.judge(f, true)
	out := Outcome{Result: t.search.End(), Ended: f.Done != nil && *f.Done == event.RunDone{}}
	for v, p := range out.Places {
		c := f.Cell(t.Cells[v])
		if c == nil {
			c = &metrics.Cell{ID: t.Cells[v]}
		}
		path, stat, _ := metrics.CutStat(t.Objective.Name)
		row := Row{Place: p, Cell: c, Value: c.Sample(path).Stat(stat), variant: v}
		if p.Standing == Out || p.Condition != Met {
			row.Why = t.why[v]
		}
		for _, s := range scores {
			row.Scores = append(row.Scores, scoreOf(c, s))
		}
		out.Rows = append(out.Rows, row)
	}
	out.Memory = memoryOf(out.Rows)
	for i := range out.Rows {
		if out.Memory != "" {
			out.Rows[i].Memory = out.Rows[i].Cell.Observed(out.Memory)
		}
	}
	for i := range out.Rows {
		out.Rows[i].Front = t.onFront(out.Rows, i)
	}
	slices.SortStableFunc(out.Rows, func(a, b Row) int { return t.order(out.Leader, a, b) })
	return out
}

// scoreOf is a pass rate of a cell.
func scoreOf(c *metrics.Cell, path string) metrics.Value {
	return c.Lookup(figure.ScenarioScope, 0, "", "")(path)
}

// memoryOf is the figure of memory that is known of a variant.
func memoryOf(rows []Row) string {
	for _, name := range memories {
		if slices.ContainsFunc(rows, func(r Row) bool { return r.Cell.Observed(name).Known() }) {
			return name
		}
	}
	return ""
}

// order puts the leader first, then those that play to the end, and those that are out last; within them the better
// value.
func (t *Trial) order(leader int, a, b Row) int {
	rank := func(r Row) int {
		switch {
		case r.variant == leader:
			return 0
		case r.Standing == Out:
			return 2
		}
		return 1
	}
	x, known := a.Value.Number()
	y, both := b.Value.Number()
	switch {
	case rank(a) != rank(b):
		return rank(a) - rank(b)
	case known != both && known:
		return -1
	case known != both:
		return 1
	}
	return t.Objective.Def.Better * cmp.Compare(y, x)
}

// onFront says whether no other variant is at least as good in all that is known of one, and better in something.
func (t *Trial) onFront(rows []Row, i int) bool {
	own := t.goods(rows[i])
	if rows[i].Standing == Out || own[0] == nil {
		return false
	}
	return !slices.ContainsFunc(rows, func(r Row) bool {
		better := false
		for k, x := range t.goods(r) {
			switch {
			case own[k] == nil:
			case x == nil || *x < *own[k]:
				return false
			case *x > *own[k]:
				better = true
			}
		}
		return better && r.Standing != Out
	})
}

// goods are the figures of a variant, turned so that more is better; nil where one is not known.
func (t *Trial) goods(r Row) []*float64 {
	of := func(v metrics.Value, better int) *float64 {
		x, ok := v.Number()
		if !ok {
			return nil
		}
		return new(float64(better) * x)
	}
	out := []*float64{of(r.Value, t.Objective.Def.Better), of(r.Memory, -1)}
	for _, s := range r.Scores {
		out = append(out, of(s, +1))
	}
	return out
}

// Labels are the coordinates of a variant.
func (r Row) Labels(names []string) []event.Label {
	var out []event.Label
	for _, l := range r.Cell.Planned.Labels {
		if slices.Contains(names, l.Name) {
			out = append(out, l)
		}
	}
	return out
}
