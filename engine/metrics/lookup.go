package metrics

import (
	"fmt"
	"strings"

	"homellm/engine/event"
)

// A resolver turns the part of a path behind its first word into a value.
type resolver func(l *view, rest string) Value

// view is a point from which expressions see the run.
type view struct {
	cell         *Cell
	repeat       int
	conversation string
	step         string
}

// roots says what the first word of a path means in each scope. What only the plan knows
// (model., matrix., vars.) is not here.
var roots = map[string]map[string]resolver{
	"step": {
		"turn": lastTurn, "first_turn": firstTurn, "step": stepNumber, "steps": stepFirst,
		"server": serverFact, "repeat": repeatNumber,
	},
	"conversation": {
		"conv": convNumber, "steps": stepFirst, "phases": phaseNumber,
		"server": serverFact, "repeat": repeatNumber,
	},
	"scenario": {
		"steps": stepDist, "phases": phaseDist, "conversations": convDist, "run": runNumber,
		"server": serverFact,
	},
}

// Lookup returns a function that finds the value of an expression's path, as seen from a step, a
// conversation or the scenario (scope). Below scenario scope, repeat and conversation say which
// pass is judged; below conversation scope, step says which step.
func (c *Cell) Lookup(scope string, repeat int, conversation, step string) func(path string) Value {
	v := &view{cell: c, repeat: repeat, conversation: conversation, step: step}
	return func(path string) Value { return v.find(scope, path) }
}

func (l *view) find(scope, path string) Value {
	root, rest, _ := strings.Cut(path, ".")
	if f, ok := roots[scope][root]; ok {
		return f(l, rest)
	}
	if scope == "scenario" {
		if v, ok := cellValue(l.cell, path); ok {
			return v
		}
	}
	return Value{Why: path + " names nothing in " + scope + " scope"}
}

func (l *view) requests(step string) []*event.Request {
	return l.cell.Measured(Group{Repeat: l.repeat, Conversation: l.conversation, Step: step})
}

func lastTurn(l *view, rest string) Value {
	g := l.requests(l.step)
	return turnValue(l.cell, g, len(g)-1, l.step, rest)
}

func firstTurn(l *view, rest string) Value {
	return turnValue(l.cell, l.requests(l.step), 0, l.step, rest)
}

func stepFirst(l *view, rest string) Value {
	id, name, _ := strings.Cut(rest, ".")
	return turnValue(l.cell, l.requests(id), 0, id, name)
}

func turnValue(c *Cell, g []*event.Request, i int, step, name string) Value {
	d, ok := Lookup(name)
	if !ok || !d.At(TurnLevel) {
		return Value{Why: name + " is not a metric of a turn"}
	}
	if len(g) == 0 {
		return Value{Unit: d.Unit, Why: "step " + step + " was not played in this repeat"}
	}
	return d.Each(c, g[i])
}

func stepNumber(l *view, rest string) Value {
	return groupNumber(l.cell, l.requests(l.step), "step "+l.step, rest)
}

func convNumber(l *view, rest string) Value {
	return groupNumber(l.cell, l.requests(""), "conversation "+l.conversation, rest)
}

func phaseNumber(l *view, rest string) Value {
	phase, name, _ := strings.Cut(rest, ".")
	g := l.cell.Measured(Group{Repeat: l.repeat, Conversation: l.conversation, Phase: phase})
	return groupNumber(l.cell, g, "phase "+phase, name)
}

func runNumber(l *view, rest string) Value {
	return groupNumber(l.cell, l.cell.Measured(Group{}), "the run", rest)
}

func groupNumber(c *Cell, g []*event.Request, where, name string) Value {
	d, ok := Lookup(name)
	if !ok || d.At(CellLevel) {
		return Value{Why: name + " is not a metric of " + where}
	}
	v := d.Over(c, g)
	if len(g) == 0 && v.Why != "" {
		v.Why = where + " was not played"
	}
	return v
}

func repeatNumber(l *view, _ string) Value {
	return Value{V: l.repeat, Source: "plan"}
}

func stepDist(l *view, rest string) Value {
	id, name, _ := strings.Cut(rest, ".")
	return distValue(l.cell, Group{Step: id}, false, "step "+id, name)
}

func phaseDist(l *view, rest string) Value {
	phase, name, _ := strings.Cut(rest, ".")
	return distValue(l.cell, Group{Phase: phase}, true, "phase "+phase, name)
}

func convDist(l *view, rest string) Value {
	id, name, _ := strings.Cut(rest, ".")
	return distValue(l.cell, Group{Conversation: id}, true, "conversation "+id, name)
}

// Spread describes a metric over a group. What adds up in a conversation or phase (tokens, stalls,
// requests) has one value a repeat; everything else has one value a turn, because a percentile of
// means is a percentile of nothing.
func (d *Def) Spread(c *Cell, g Group) Dist {
	if g.Step == "" && (d.over != nil || d.Fold == Sum) {
		return d.PerRepeat(c, g)
	}
	return d.Dist(c, c.Measured(g))
}

func distValue(c *Cell, g Group, aggregate bool, where, path string) Value {
	name, stat, ok := CutStat(path)
	d, found := Lookup(name)
	switch {
	case !ok:
		return Value{Why: path + " needs a statistic such as .p50"}
	case !found, d.At(CellLevel), !d.Numeric(), !aggregate && !d.At(TurnLevel):
		return Value{Why: name + " is not a metric of " + where}
	}
	dist := d.Spread(c, g)
	if len(c.Measured(g)) == 0 {
		dist.Why = where + " was not played"
	}
	return statValue(d, dist, stat, sourceOf(d, c, g))
}

// cellValue finds gpu.power_w (folded) and gpu.power_w.p95 (a statistic).
func cellValue(c *Cell, path string) (Value, bool) {
	if d, ok := Lookup(path); ok && d.At(CellLevel) {
		return c.Observed(path), true
	}
	name, stat, ok := CutStat(path)
	d, found := Lookup(name)
	if !ok || !found || !d.At(CellLevel) {
		return Value{}, false
	}
	return statValue(d, c.ObservedDist(name), stat, c.Observed(name).Source), true
}

func statValue(d *Def, dist Dist, stat, source string) Value {
	v := Value{Source: fmt.Sprintf("%s; n=%d", source, dist.N)}
	if dist.Unknown > 0 {
		v.Source += fmt.Sprintf(", %d unknown", dist.Unknown)
	}
	f, why := dist.Stat(stat)
	v.Why = why
	for _, s := range Stats {
		if s.Name != stat {
			continue
		}
		if s.Unit {
			v.Unit = d.Unit
		}
		if why == "" {
			v.V = f
			if s.Kind == Int {
				v.V = int(f)
			}
		}
	}
	return v
}

// CutStat takes the statistic off the end of a path such as ttft_ms.p95.
func CutStat(path string) (name, stat string, ok bool) {
	i := strings.LastIndexByte(path, '.')
	if i < 0 {
		return path, "", false
	}
	for _, s := range Stats {
		if s.Name == path[i+1:] {
			return path[:i], s.Name, true
		}
	}
	return path, "", false
}

func sourceOf(d *Def, c *Cell, g Group) string {
	var each []Value
	for _, q := range c.Measured(g) {
		each = append(each, d.Each(c, q))
	}
	return sources(each, d.Source)
}

// serverFact answers for what the server said of itself when the cell was opened.
func serverFact(l *view, rest string) Value {
	v := Value{Source: "server"}
	if l.cell.Started == nil {
		v.Why = "no server was opened"
		return v
	}
	s := l.cell.Started.Server
	switch rest {
	case "name":
		v.V, v.Source = s.Profile, "plan"
	case "engine":
		v.V = s.Engine
	case "version":
		v.V = s.Version
	case "context_tokens":
		v.Unit = "tokens"
		if s.ContextTokens == nil {
			v.Why = "the server does not report its context"
			return v
		}
		v.V = *s.ContextTokens
	default:
		v.Why = "server has no " + rest
		return v
	}
	if v.V == "" {
		v.V, v.Why = nil, "the server does not report its "+rest
	}
	return v
}
