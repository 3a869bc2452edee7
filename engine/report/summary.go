package report

import (
	"homellm/dsl/figure"
	"homellm/engine/metrics"
)

// summary is one metric of one group of a cell.
type summary struct {
	group string // step | phase | conversation | run | cell
	name  string // of the step, phase or conversation
	def   *metrics.Def
	cell  *metrics.Cell
	of    metrics.Group
}

// dist describes the metric in the group. It is computed on demand, because a report has one for each metric of each
// step.
func (s summary) dist() metrics.Dist {
	switch {
	case s.group == "cell":
		return s.def.Dist(s.cell, nil)
	case s.group == "run" && s.def.Whole():
		return metrics.DistOf(s.def.Over(s.cell, s.cell.Measured(s.of)))
	}
	return s.def.Spread(s.cell, s.of)
}

// path is the name of the summary in expressions.
func (s summary) path() string {
	switch s.group {
	case "cell":
		return s.def.Name
	case "run":
		return "run." + s.def.Name
	}
	return s.group + "s." + s.name + "." + s.def.Name
}

// summarise lists everything that expressions can name in scenario scope, in the order of the scenario and of the
// table of metrics, for the parts that the cell played.
func summarise(r *metrics.Run, c *metrics.Cell) []summary {
	if len(c.Measured(metrics.Group{})) == 0 {
		return nil
	}
	var out []summary
	each := func(group, name string, g metrics.Group) {
		for i := range metrics.Defs {
			d := &metrics.Defs[i]
			if d.Unit == "" {
				continue // texts, booleans and codes have no distribution
			}
			of := d.At(metrics.TurnLevel)
			if g.Step == "" {
				of = of && d.Aggregate() || d.At(metrics.ConversationLevel)
			}
			if of {
				out = append(out, summary{group, name, d, c, g})
			}
		}
	}
	for _, id := range conversations(r, c) {
		for _, step := range steps(c, id) {
			g := metrics.Group{Conversation: id, Step: step}
			each("step", step, g)
		}
	}
	for _, p := range figure.Phases() {
		if len(c.Measured(metrics.Group{Phase: p})) > 0 {
			each("phase", p, metrics.Group{Phase: p})
		}
	}
	for _, id := range conversations(r, c) {
		each("conversation", id, metrics.Group{Conversation: id})
	}
	for i := range metrics.Defs {
		d := &metrics.Defs[i]
		switch {
		case d.At(metrics.RunLevel):
			out = append(out, summary{"run", "", d, c, metrics.Group{}})
		case d.At(metrics.CellLevel):
			out = append(out, summary{"cell", "", d, c, metrics.Group{}})
		}
	}
	return out
}

// steps lists the steps of a conversation in the order they were played.
func steps(c *metrics.Cell, conversation string) []string {
	seen := map[string]bool{}
	var out []string
	for _, q := range c.Measured(metrics.Group{Conversation: conversation}) {
		if !seen[q.Step] {
			seen[q.Step] = true
			out = append(out, q.Step)
		}
	}
	return out
}
