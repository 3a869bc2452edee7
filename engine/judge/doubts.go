package judge

import (
	"homellm/dsl/figure"
	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/stats"
)

// Doubt is a gate that more repeats would make certain.
type Doubt struct {
	Gate string
	More int // about how many more repeats are needed; at least 1
}

// Doubts lists the gates of the cell that more repeats would make certain.
func (j *Judge) Doubts(f *metrics.Run, looks stats.Looks) []Doubt {
	var out []Doubt
	cell := f.Cell(j.cell.ID)
	j.reevaluate(cell)
	for _, t := range j.tallies {
		a := t.assertion
		more := 0
		switch {
		case !event.Severity(a.Severity).Gates():
		case a.Scope == figure.ScenarioScope:
			_, more = certain(scored{j, cell}, a, j.eval(cell, t, metrics.Group{}, nil), looks)
		default:
			if verdict, _ := t.verdict(); verdict == event.Unknown && t.unknown < t.evaluated && a.MinPassRate < 1 {
				more = 1
			}
		}
		if more > 0 {
			out = append(out, Doubt{a.Name, more})
		}
	}
	return out
}
