package dsl

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"

	"homellm/dsl/expr"
	"homellm/dsl/figure"
	"homellm/dsl/syntax"
	"homellm/engine/text"
)

// hitRate is the only metric with a greatest value that a plan knows: a prefix cache can only hit what it has seen
// before.
const hitRate = "cache.hit_rate"

// forecast lists the assertions of a cell in the order of the file.
func (p *planner) forecast(c *Cell) []forecast {
	var out []forecast
	add := func(list []*expr.Assertion, conversation, step string) {
		for _, a := range list {
			out = append(out, forecast{Assertion: a, Conversation: conversation, Step: step, SelfTest: a.Reported()})
		}
	}
	for i, conversation := range c.Scenario.Conversations {
		if c.Scenario.Again(i) {
			continue
		}
		for _, step := range conversation.Steps {
			add(step.Assert, conversation.ID, step.ID)
		}
		add(conversation.Assert, conversation.ID, "")
	}
	add(c.Scenario.Assert, "", "")
	return out
}

// greatest is the highest possible value of a hit rate, and the turn that determines it.
type greatest struct {
	value float64
	turn  *PlannedTurn // nil: several turns determine it
	exact bool
	most  float64 // (n-1)/n: certain without an estimate
	seen  float64 // the ceiling of a cache of single tokens, if the server's has larger blocks
}

// thresholds compares every hit rate in an assertion with what a prefix cache can reach in each cell.
func (p *planner) thresholds() {
	type finding struct {
		cell *Cell
		diag syntax.Diagnostic
		top  greatest
	}
	var order []syntax.Pos
	found := map[syntax.Pos][]finding{}
	judged := map[syntax.Pos]int{}
	for _, c := range p.plan.Cells {
		if c.Skip != "" {
			continue
		}
		p.unstable(c)
		for _, f := range c.forecasts {
			p.floors(c, f)
			for _, l := range f.Assertion.Limits() {
				if l.Metric != hitRate {
					continue
				}
				top, ok := c.ceilingOf(f, l.Path)
				if !ok {
					continue
				}
				at := f.Assertion.Pos
				at.Col += l.From // a key only: several limits of one assertion differ in it
				judged[at]++
				severity, _ := against(l, top)
				if severity == "" {
					continue
				}
				if f.Assertion.Severity != "fail" {
					severity = syntax.Warning
				}
				if found[at] == nil {
					order = append(order, at)
				}
				found[at] = append(found[at], finding{c, p.beyond(c, f, l, top, severity), top})
			}
		}
	}
	for _, at := range order {
		all := found[at]
		worst := slices.MinFunc(all, func(a, b finding) int {
			if a.diag.Severity != b.diag.Severity {
				return strings.Compare(string(a.diag.Severity), string(b.diag.Severity)) // errors before warnings
			}
			return int(math.Copysign(1, a.top.value-b.top.value))
		})
		if len(p.plan.Cells) > 1 {
			worst.diag.Message += fmt.Sprintf(" (%s; %d of %s)", worst.cell, len(all), text.Plural(judged[at], "cell"))
		}
		p.diags = append(p.diags, worst.diag)
	}
	p.diags = p.diags.Sorted()
}

// against returns the severity of a limit above the ceiling; "" if the limit can be met. Blocks: only the server's
// block size puts it out of reach, and the run says unsupported if the cache reaches the ceiling.
func against(l expr.Limit, top greatest) (severity syntax.Severity, blocks bool) {
	beyond := func(limit float64) bool {
		switch l.Op {
		case ">":
			return l.Value >= limit
		case ">=", "==":
			return l.Value > limit
		}
		return false
	}
	switch {
	case !beyond(top.value):
		return "", false
	case !top.exact && !beyond(top.most) && l.Value <= top.value+estimateTolerance:
		return syntax.Warning, false
	case !beyond(top.seen):
		return syntax.Warning, true
	}
	return syntax.Error, false
}

// beyond describes a threshold that no cache can reach.
func (p *planner) beyond(c *Cell, f forecast, l expr.Limit, top greatest, severity syntax.Severity) syntax.Diagnostic {
	about := ""
	if !top.exact {
		about = "about "
	}
	// If an estimate cannot exclude the threshold, the finding is a warning and says so.
	message := fmt.Sprintf("no prefix cache can exceed %s%s here", about, hitShare(top.value))
	if !top.exact && severity == syntax.Warning {
		message = fmt.Sprintf("a prefix cache is unlikely to exceed %s%s here", about, hitShare(top.value))
	}
	if t := top.turn; t != nil {
		where := "have been sent before"
		if t.removed {
			where = "stand before the removed document"
		}
		message += fmt.Sprintf(": %s of %s prompt tokens %s", thousands(t.Reusable), thousands(t.PromptTokens), where)
	}
	help := "compare with what can be reused: "
	if _, blocks := against(l, top); blocks {
		message = fmt.Sprintf("the prefix cache of server %s cannot exceed %s%s here: it keeps whole blocks", c.Server.Name,
			about, hitShare(top.value))
		if t := top.turn; t != nil {
			message += fmt.Sprintf(" of %d tokens, and %s of %s prompt tokens have been sent before", t.block,
				thousands(t.seen), thousands(t.PromptTokens))
		}
		help = "the run says unsupported if its cache reaches that. Compare with what can be reused: "
	}
	a := f.Assertion
	d := a.DiagnoseAt(l.From, l.To)
	d.Severity, d.Code, d.Message = severity, "plan/ceiling", message
	d.Help = help + fmt.Sprintf("%s >= 0.9 * %s", l.Path,
		strings.Replace(l.Path, hitRate, "cache.reusable_rate", 1))
	return d
}

// hitShare formats a ceiling rounded down, because rounding up would claim the impossible.
func hitShare(v float64) string { return fmt.Sprintf("%.2f", math.Floor(v*100)/100) }

// ceilingOf returns the ceiling of a path in the scope of an assertion.
func (c *Cell) ceilingOf(f forecast, path string) (greatest, bool) {
	name, ok := figure.Parse(f.Assertion.Scope, path)
	if !ok {
		return greatest{}, false
	}
	var turns []PlannedTurn
	for _, t := range c.Turns {
		if f.sees(t, name) {
			turns = append(turns, t)
		}
	}
	if slices.ContainsFunc(turns, func(t PlannedTurn) bool { return t.Retrieved }) {
		return greatest{}, false // only an interval is known, and its ends are of different prompts
	}
	switch name.Turns {
	case figure.FirstTurn:
		return single(turns, 0)
	case figure.LastTurn:
		return single(turns, -1)
	case figure.AllTurns:
		return weighted(turns)
	case figure.EachTurn:
		return ofStatistic(turns, path)
	}
	return greatest{}, false
}

// sees reports whether a turn is among those that a name selects in the scope of the assertion.
func (f forecast) sees(t PlannedTurn, name figure.Name) bool {
	if f.Conversation != "" && t.Conversation != f.Conversation {
		return false
	}
	switch {
	case name.Part != figure.NoPart:
		return t.in(name)
	case f.Step != "":
		return t.Step == f.Step // turn, first_turn and step
	}
	return true
}

// in reports whether a turn belongs to the step, phase or conversation that a name selects.
func (t PlannedTurn) in(name figure.Name) bool {
	switch name.Part {
	case figure.StepPart:
		return t.Step == name.ID
	case figure.PhasePart:
		return string(t.Phase) == name.ID
	case figure.ConversationPart:
		return t.Conversation == name.ID
	}
	return false
}

// single is the ceiling of one turn; -1 is the last.
func single(turns []PlannedTurn, i int) (greatest, bool) {
	if len(turns) == 0 {
		return greatest{}, false
	}
	if i < 0 {
		i = len(turns) - 1
	}
	t := turns[i]
	return greatest{t.Ceiling, &t, t.Exact, allButOne(t), share(t.seen, t.PromptTokens)}, t.PromptTokens > 0
}

func share(part, whole int) float64 { return float64(part) / float64(max(1, whole)) }

func allButOne(t PlannedTurn) float64 {
	return float64(t.PromptTokens-1) / float64(max(1, t.PromptTokens))
}

// weighted is the ceiling of a hit rate over several turns: the ratio of the sums of their tokens.
func weighted(turns []PlannedTurn) (greatest, bool) {
	reusable, seen, prompt := 0, 0, 0
	out := greatest{exact: true, most: 1}
	for _, t := range turns {
		reusable += t.Reusable
		seen += t.seen
		prompt += t.PromptTokens
		out.exact = out.exact && t.Exact
	}
	if prompt == 0 {
		return out, false
	}
	out.value, out.seen = share(reusable, prompt), share(seen, prompt)
	if len(turns) == 1 {
		return single(turns, 0)
	}
	return out, true
}

// ofStatistic is the ceiling of a statistic over turns. Every repeat has the same ceilings, so the number of repeats
// changes the rank of a percentile by at most one.
func ofStatistic(turns []PlannedTurn, path string) (greatest, bool) {
	if len(turns) == 0 {
		return greatest{}, false
	}
	stat := path[strings.LastIndexByte(path, '.')+1:]
	sorted := slices.Clone(turns)
	sort.SliceStable(sorted, func(i, j int) bool { return sorted[i].Ceiling < sorted[j].Ceiling })
	var at int
	switch stat {
	case "min":
		at = 0
	case "max", "p90", "p95", "p99":
		at = len(sorted) - 1
	case "p50":
		at = len(sorted) / 2 // the higher of two, so that nothing possible is rejected
	case "mean":
		out := greatest{exact: true, most: 1}
		for _, t := range sorted {
			out.value += t.Ceiling / float64(len(sorted))
			out.seen += share(t.seen, t.PromptTokens) / float64(len(sorted))
			out.exact = out.exact && t.Exact
		}
		if len(sorted) == 1 {
			return single(sorted, 0)
		}
		return out, true
	default:
		return greatest{}, false
	}
	return single(sorted, at)
}

// unstable warns if assertions on the cache would measure the template.
func (p *planner) unstable(c *Cell) {
	stable := c.Model != nil && c.Model.PrefixStable
	if c.examined {
		stable = c.rewrites == ""
	}
	if c.Model == nil || c.Model.Template == "" || stable && !c.daily {
		return
	}
	for _, f := range c.forecasts {
		if !slices.ContainsFunc(f.Assertion.Measured(), func(path string) bool { return strings.Contains(path, "cache.") }) {
			continue
		}
		d := f.Assertion.DiagnoseAt(0, len([]rune(f.Assertion.That)))
		d.Severity, d.Code = syntax.Warning, "plan/template"
		d.Message = fmt.Sprintf("template %s of model %s rewrites what it has rendered before, so this measures the template",
			c.Model.Template, c.Model.Name)
		d.Help = c.Model.Reason
		if c.examined {
			d.Help = c.rewrites
		}
		if stable {
			d.Message = fmt.Sprintf("template %s of model %s prints today's date into every prompt: a run across midnight "+
				"loses its prefix there", c.Model.Template, c.Model.Name)
			d.Help = "fix it in the server's profile, where the server takes it: " +
				`body: {chat_template_kwargs: {date_string: "26 Jul 2024"}}`
		}
		p.once(d)
		return
	}
}

// floors checks percentiles of phases and conversations, whose sample sizes only a plan knows.
func (p *planner) floors(c *Cell, f forecast) {
	a := f.Assertion
	if a.Scope != figure.ScenarioScope {
		return
	}
	for _, s := range a.Percentiles() {
		name, ok := figure.Parse(a.Scope, s.Path)
		turns := 0
		for _, t := range c.Turns {
			if ok && t.in(name) {
				turns++
			}
		}
		if d, few := a.TooFew(s, c.Scenario.Run.Repeats, turns); few && turns > 0 {
			p.once(d)
		}
	}
}
