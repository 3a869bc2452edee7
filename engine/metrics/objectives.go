package metrics

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"homellm/dsl/figure"
	"homellm/engine/event"
)

// attainments are metrics of the objectives of a scenario, each for any objective.
var attainments = []Def{
	{Name: "slo." + figure.Objective, Unit: "ratio", Kind: Float, Better: +1, Rate: true, Levels: groups,
		answer: true, counts: true,
		Source:  "the objective's expression, for each turn",
		Shown:   Shown{Beside: &Beside{Rank: 5, Head: "SLO " + figure.Objective, Stat: "mean", Whole: true}},
		Doc:     "share of turns that met the objective of this name in `slo:`; one that failed missed it",
		Formula: "turns that met it / turns; a turn with an unknown value that decides lies on either side",
		objective: func(d Def, name string) Def {
			return d.counting(name, func(_ *Cell, g []*event.Request) ([]*event.Request, float64, string) {
				return g, float64(len(d.asked(g))), ""
			})
		}},
	{Name: "slo_worst_user." + figure.Objective, Unit: "ratio", Kind: Float, Better: +1, Rate: true,
		Levels: []Level{RunLevel}, answer: true, counts: true, Source: "the objective's expression, for each turn",
		Doc:       "slo.<name> of the user for whom it is lowest: far below that of all users, the server is not fair",
		Formula:   "lowest share of turns of one user that met it",
		objective: worstShare},
	{Name: "goodput_rps." + figure.Objective, Unit: "requests/s", Kind: Float, Better: +1, Levels: []Level{RunLevel},
		answer: true, counts: true, Source: "the objective's expression, for each turn",
		Doc:     "requests of all users that met the objective of this name in `slo:`, a second",
		Formula: "turns that met it / the seconds of requests_per_s",
		objective: func(d Def, name string) Def {
			return d.counting(name, (*Cell).during)
		}},
	{Name: "goodput_per_user_rps." + figure.Objective, Unit: "requests/s", Kind: Float, Better: +1,
		Levels: []Level{RunLevel}, answer: true, counts: true, Source: "the objective's expression, for each turn",
		Doc:     "goodput_rps.<name> of one user, on average",
		Formula: "turns that met it / (the seconds of requests_per_s × users)",
		objective: func(d Def, name string) Def {
			return d.counting(name, func(c *Cell, g []*event.Request) ([]*event.Request, float64, string) {
				g, seconds, why := c.during(g)
				return g, seconds * float64(max(1, c.Planned.Users)), why
			})
		}},
}

// Of is the metric for one objective.
func (d *Def) Of(objective string) *Def {
	one := d.objective(*d, objective)
	one.Name, _ = figure.OfObjective(d.Name, objective)
	one.Doc = strings.ReplaceAll(d.Doc, figure.Objective, objective)
	one.objective = nil
	if d.Shown.Beside != nil {
		beside := *d.Shown.Beside
		beside.Head = strings.ReplaceAll(beside.Head, figure.Objective, objective)
		one.Shown.Beside = &beside
	}
	return &one
}

// Any says whether the metric stands for those of all objectives; [Def.Of] is that of one.
func (d *Def) Any() bool { return d.objective != nil }

// met counts the turns of a group that met an objective, at least and at most. Why says what is unknown; beyond, that
// it cannot be known.
func (c *Cell) met(objective string, g []*event.Request) (count event.Range, why string, beyond bool) {
	var open []Value
	of := c.attainedBy(objective)
	for _, q := range g {
		switch a, judged := of[q]; {
		case !judged:
			open = append(open, Value{Why: "the objective was not judged"})
		case a.unknown:
			open = append(open, Value{Why: a.why, Unsupported: a.unsupported})
		case a.met:
			count.Low++
		}
	}
	count.High = count.Low + float64(len(open))
	if len(open) > 0 {
		why = fmt.Sprintf("%d of %d turns are undecided: %s", len(open), len(g), reason(open))
		beyond = !slices.ContainsFunc(open, func(v Value) bool { return !v.Unsupported })
	}
	return count, why, beyond
}

// counting is a metric that divides the number of turns that met an objective; by says which turns, and by what.
func (d Def) counting(objective string, by func(*Cell, []*event.Request) ([]*event.Request, float64, string)) Def {
	divided := func(c *Cell, g []*event.Request) (out event.Range, why string, beyond bool) {
		g, n, why := by(c, g)
		if why == "" && n <= 0 {
			why = "no request was measured"
		}
		if why != "" {
			return d.natural(), why, false
		}
		met, why, beyond := c.met(objective, d.asked(g))
		return event.Range{Low: met.Low / n, High: met.High / n}, why, beyond
	}
	return d.limited(divided)
}

// limited is a metric of groups that is known exactly or within limits.
func (d Def) limited(of func(*Cell, []*event.Request) (value event.Range, why string, beyond bool)) Def {
	d.over = func(c *Cell, g []*event.Request) (any, string) {
		value, why, _ := of(c, g)
		return value.Low, why
	}
	d.span = func(c *Cell, g []*event.Request) event.Range {
		value, _, _ := of(c, g)
		return value
	}
	d.beyond = func(c *Cell, g []*event.Request) bool {
		_, _, beyond := of(c, g)
		return beyond
	}
	return d
}

// worstShare is the metric of the lowest share of one user.
func worstShare(d Def, objective string) Def {
	return d.limited(func(c *Cell, g []*event.Request) (share event.Range, why string, beyond bool) {
		of := map[int][]*event.Request{}
		for _, q := range d.asked(g) {
			of[q.User] = append(of[q.User], q)
		}
		if len(of) == 0 {
			return d.natural(), "no request was measured", false
		}
		share = event.Range{Low: math.Inf(1), High: math.Inf(1)}
		for _, user := range slices.Sorted(maps.Keys(of)) {
			met, unknown, cannot := c.met(objective, of[user])
			n := float64(len(of[user]))
			share = event.Range{Low: min(share.Low, met.Low/n), High: min(share.High, met.High/n)}
			if why == "" {
				why, beyond = unknown, cannot
			}
		}
		return share, why, beyond
	})
}
