package judge

import (
	"homellm/dsl/figure"
	"homellm/engine/metrics"
	"homellm/engine/stats"
)

// score is the score that a path such as run.pass_rate["answers"] names, of the evaluations so far; ok is false for any
// other path.
func (j *Judge) score(path string) (s metrics.Score, ok bool) {
	name, ok := figure.CutScore(path)
	if !ok {
		return s, false
	}
	for _, t := range j.tallies {
		if t.assertion.Name == name && t.assertion.Scope != figure.ScenarioScope {
			return metrics.ScoreOf(t.event(), j.cell.Scenario.Run.Users), true
		}
	}
	return s, false
}

// scored is a cell whose scores are not in its journal yet.
type scored struct {
	judge *Judge
	cell  *metrics.Cell
}

// Certain implements [bounds].
func (s scored) Certain(path, op string, limit float64, looks stats.Looks) metrics.Certainty {
	if score, ok := s.judge.score(path); ok {
		return score.Certain(op, limit, looks)
	}
	return s.cell.Certain(path, op, limit, looks)
}
