package judge

import (
	"slices"

	"homellm/dsl/expr"
	"homellm/dsl/figure"
	"homellm/engine/event"
	"homellm/engine/metrics"
)

// Attained evaluates the objectives for every measured turn of some repeats, of all if none is named. It returns what
// differs from what the fold has of them.
func (j *Judge) Attained(f *metrics.Run, repeats ...int) (out []event.Body) {
	cell := f.Cell(j.cell.ID)
	if cell == nil || len(j.cell.Scenario.SLO) == 0 {
		return nil
	}
	if len(repeats) == 0 {
		repeats = cell.Repeats()
	}
	for _, a := range j.cell.Scenario.SLO {
		for _, n := range repeats {
			if b := j.attained(cell, a, n); !cell.HasAttained(b) {
				out = append(out, b)
			}
		}
	}
	return out
}

// attained evaluates one objective for the turns of one repeat. A turn that failed missed it, whatever it asks for.
func (j *Judge) attained(cell *metrics.Cell, a *expr.Assertion, repeat int) event.Attained {
	out := event.Attained{Objective: a.Name, Repeat: repeat}
	for i, q := range cell.Requests {
		if q.Repeat != repeat || q.Warmup || metrics.Cancelled(q) {
			continue
		}
		r := expr.Result{Verdict: expr.Fail}
		if q.Err == nil {
			r = a.Eval(j.lookupTurn(cell, q))
		}
		switch r.Verdict {
		case expr.Pass:
		case expr.Fail:
			out.Missed = append(out.Missed, i+1)
		default:
			unsupported := r.Verdict == expr.Unsupported
			at := slices.IndexFunc(out.Unknown, func(u event.Undecided) bool {
				return u.Why == r.Why && u.Unsupported == unsupported
			})
			if at < 0 {
				at = len(out.Unknown)
				out.Unknown = append(out.Unknown, event.Undecided{Why: r.Why, Unsupported: unsupported})
			}
			out.Unknown[at].Turns = append(out.Unknown[at].Turns, i+1)
		}
	}
	return out
}

// lookupTurn resolves the names of an objective for one turn.
func (j *Judge) lookupTurn(cell *metrics.Cell, q *event.Request) expr.Lookup {
	measured := cell.LookupTurn(q)
	return func(path string) expr.Value {
		if name, ok := figure.Parse(figure.TurnScope, path); ok && name.Level == figure.ModelFacts {
			return j.modelFact(cell, name.Rest)
		}
		return valueOf(measured(path))
	}
}
