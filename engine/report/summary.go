package report

import (
	"homellm/dsl/figure"
	"homellm/engine/metrics"
)

// summary is one metric of one group of a cell.
type summary struct {
	group string // step | phase | conversation | run | cell
	name  string // of the step, phase or conversation
	path  string // its name in expressions
	def   *metrics.Def
	cell  *metrics.Cell
	of    *metrics.Group
}

// dist describes the metric in the group. It is computed on demand, because a report has one for each metric of each
// step.
func (s summary) dist() metrics.Dist {
	switch {
	case s.group == "cell":
		return s.def.Dist(s.cell, nil)
	case s.group == "run" && s.def.Whole():
		return metrics.DistOf(s.def.Over(s.cell, s.cell.Measured(*s.of)))
	}
	return s.def.Spread(s.cell, *s.of)
}

// summarise lists everything that expressions can name in scenario scope, in the order of the scenario and of the
// table of metrics, for the parts that the cell played.
func summarise(r *metrics.Run, c *metrics.Cell) []summary {
	if len(c.Measured(metrics.Group{})) == 0 {
		return nil
	}
	var out []summary
	all := c.Defs()
	each := func(group, name string, g metrics.Group) {
		of := &g // shared by the metrics: a report has very many summaries
		for _, d := range all {
			if d.Unit == "" {
				continue // texts, booleans and codes have no distribution
			}
			has := d.At(metrics.TurnLevel)
			if g.Step == "" {
				has = has && d.Aggregate() || d.At(metrics.ConversationLevel)
			}
			if has {
				out = append(out, summary{group, name, group + "s." + name + "." + d.Name, d, c, of})
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
	whole := &metrics.Group{}
	for _, d := range all {
		switch {
		case d.At(metrics.RunLevel):
			out = append(out, summary{"run", "", "run." + d.Name, d, c, whole})
		case d.At(metrics.CellLevel):
			out = append(out, summary{"cell", "", d.Name, d, c, whole})
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
