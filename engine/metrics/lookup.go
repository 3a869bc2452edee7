package metrics

import (
	"cmp"
	"fmt"
	"strings"

	"homellm/dsl/figure"
	"homellm/engine/event"
)

// view is the scope of an expression.
type view struct {
	cell *Cell
	in   Group          // below scenario scope: the pass that is judged, and in step scope the step
	turn *event.Request // in turn scope: the turn
}

// Lookup returns a function that finds the value of an expression's path in the scope of a step, a conversation or
// the scenario. Below scenario scope, repeat and conversation say which pass is judged; in step scope, step says
// which step.
func (c *Cell) Lookup(scope figure.Scope, repeat int, conversation, step string) func(path string) Value {
	return c.LookupIn(scope, Group{Repeat: repeat, Conversation: conversation, Step: step})
}

// LookupIn does what [Cell.Lookup] does, for one user and one item of a data set.
func (c *Cell) LookupIn(scope figure.Scope, in Group) func(path string) Value {
	v := &view{cell: c}
	if !scope.Wide() {
		v.in = in
	}
	if scope != figure.StepScope {
		v.in.Step = ""
	}
	return func(path string) Value { return v.find(scope, path) }
}

// LookupTurn returns a function that finds the value of an expression's path in the scope of one turn.
func (c *Cell) LookupTurn(q *event.Request) func(path string) Value {
	v := &view{cell: c, turn: q, in: Group{Repeat: q.Repeat, User: q.User}}
	return func(path string) Value { return v.find(figure.TurnScope, path) }
}

func (l *view) find(scope figure.Scope, path string) Value {
	name, ok := figure.Parse(scope, path)
	switch score, scored := figure.CutScore(path); {
	case scored && scope.Wide():
		return scoreValue(l.cell, score)
	case ok && name.Level == figure.ServerFacts:
		return serverFact(l.cell, name.Rest)
	case ok && name.Level == figure.RepeatNumber:
		return Value{V: l.in.Repeat, Source: "plan"}
	case ok && name.Level == figure.UserNumber:
		return Value{V: max(1, l.in.User), Source: "plan"}
	case ok && name.Turns != figure.NoTurns:
		return l.figure(name)
	case !ok && scope == figure.ScenarioScope:
		if v, ok := cellValue(l.cell, path); ok {
			return v
		}
	}
	// names that only the plan knows are resolved elsewhere
	return Value{Why: path + " names nothing in " + string(scope) + " scope"}
}

// scoreValue is the score of an assertion.
func scoreValue(c *Cell, name string) Value {
	s, ok := c.Score(name)
	if !ok {
		return Value{Why: fmt.Sprintf("no assertion %q was judged", name)}
	}
	return s.Value()
}

// figure is the value of a name that rests on measured turns.
func (l *view) figure(name figure.Name) Value {
	if l.turn != nil {
		return turnValue(l.cell, []*event.Request{l.turn}, 0, "the turn", name.Rest)
	}
	g, where := l.group(name)
	switch turns := l.cell.Measured(g); name.Turns {
	case figure.FirstTurn:
		return turnValue(l.cell, turns, 0, where, name.Rest)
	case figure.LastTurn:
		return turnValue(l.cell, turns, len(turns)-1, where, name.Rest)
	case figure.AllTurns:
		return groupNumber(l.cell, g, turns, where, name.Rest)
	default:
		return distValue(l.cell, g, name.Level != figure.TurnLevel, where, name.Rest)
	}
}

// group returns the turns that a name selects in this scope, and a label for them.
func (l *view) group(name figure.Name) (g Group, where string) {
	g = l.in
	switch {
	case name.Part != figure.NoPart:
		chosen := groupOf(name)
		g.Conversation, g.Step = cmp.Or(chosen.Conversation, g.Conversation), chosen.Step
		g.Phase = chosen.Phase
		if g.Conversation != l.in.Conversation {
			g.Item = 0 // another conversation does not have this item
		}
		return g, string(name.Part) + " " + name.ID
	case g.Step != "":
		return g, "step " + g.Step
	case g.Conversation != "":
		return g, "conversation " + g.Conversation
	}
	return g, "the run"
}

// groupOf returns the turns of the step, phase or conversation that a name selects.
func groupOf(name figure.Name) Group {
	switch name.Part {
	case figure.StepPart:
		return Group{Step: name.ID}
	case figure.PhasePart:
		return Group{Phase: name.ID}
	case figure.ConversationPart:
		return Group{Conversation: name.ID}
	}
	return Group{}
}

func turnValue(c *Cell, g []*event.Request, i int, where, name string) Value {
	d, ok := Lookup(name)
	if !ok || !d.At(TurnLevel) {
		return Value{Why: name + " is not a metric of a turn"}
	}
	if len(g) == 0 {
		return Value{Unit: d.Unit, Why: where + " was not played in this repeat"}
	}
	return d.Each(c, g[i])
}

func groupNumber(c *Cell, of Group, g []*event.Request, where, name string) Value {
	d, ok := Lookup(name)
	if !ok || d.At(CellLevel) {
		return Value{Why: name + " is not a metric of " + where}
	}
	if why := c.cut(d, of); why != "" && len(g) > 0 {
		return Value{Unit: d.Unit, Source: d.Source, Why: why}
	}
	v := d.Over(c, g)
	if len(g) == 0 && v.Why != "" {
		v.Why = where + " was not played"
	}
	return v
}

// Spread describes a metric over a group; every path and statistic uses it. A step is described over its turns. A
// phase, a conversation or the run has one value per repeat, its turns folded as the metric says, because the turns
// of a repeat share its conditions. Within one repeat the values are the turns.
func (d *Def) Spread(c *Cell, g Group) Dist {
	m, none := d.chosen(c, g)
	return m.described(none)
}

// chosen are the values that [Def.Spread] describes, or why there are none.
func (d *Def) chosen(c *Cell, g Group) (m members, none string) {
	if g.Step == "" && (d.over != nil || d.Fold == Sum || g.Repeat == 0 && d.Fold != None) {
		return d.ofRepeats(c, g)
	}
	return d.ofTurns(c, c.Measured(g))
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
	return d.supported(c, statValue(d, dist, stat, sourceOf(d, c, g)))
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
	return statValue(d, d.Dist(c, nil), stat, c.Observed(name).Source), true
}

func statValue(d *Def, dist Dist, stat, source string) Value {
	v := Value{Source: fmt.Sprintf("%s; n=%d", source, dist.Count())}
	if dist.Turns > dist.Count() {
		v.Source += fmt.Sprintf(" of %d turns", dist.Turns)
	}
	if dist.Unknown > 0 {
		v.Source += fmt.Sprintf(", %d unknown", dist.Unknown)
	}
	f, why := dist.Stat(stat)
	v.Why = why
	if r, ok := dist.Within(stat); ok {
		v.Range = &r
	}
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

// CutStat splits the statistic off a path such as ttft_ms.p95.
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

// serverFact returns what the server reported about itself when the cell was opened.
func serverFact(c *Cell, rest string) Value {
	v := Value{Source: "server"}
	if c.Started == nil {
		v.Why = "no server was opened"
		return v
	}
	s := c.Started.Server
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
