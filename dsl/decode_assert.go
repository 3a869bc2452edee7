package dsl

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"homellm/dsl/expr"
	"homellm/dsl/figure"
	"homellm/dsl/syntax"
)

// pending is an assertion to be compiled when all steps are known.
type pending struct {
	assertion    *expr.Assertion
	node         *syntax.Node // of the expression
	conversation int          // index; -1 in scenario scope
	step         int          // index; -1 above step scope
	allowSmallN  bool
	set          *itemSet // of the conversation; nil: it has none
	sought       bool     // it is not in the file: see [Search]
}

// conversationAsserts reads the assertions of a conversation and of its steps.
func (d *decoder) conversationAsserts(c *Conversation, n *syntax.Node, steps []decodedStep, index int) []pending {
	var all []pending
	for i, s := range steps {
		var own []pending
		s.step.Assert, own = d.asserts(s.node, "assert", figure.StepScope, "step."+s.step.ID+".", index, i)
		all = append(all, own...)
		if s.step.Do != nil && s.turns() == 0 && len(own) > 0 {
			d.errorKey(s.node, "assert", "links/assert", "assert in a later step",
				"step %q sends nothing, so there is nothing to judge", s.step.ID)
		}
	}
	var own []pending
	c.Assert, own = d.asserts(n, "assert", figure.ConversationScope, "conversation."+c.ID+".", index, -1)
	return append(all, own...)
}

// asserts reads the list of assertions at a key of a step, conversation or scenario. An assertion without a name is
// called by its position, such as step.after_removal.assert[2], counted from 1.
func (d *decoder) asserts(n *syntax.Node, key string, scope figure.Scope, prefix string, conversation,
	step int) ([]*expr.Assertion, []pending) {
	var out []*expr.Assertion
	var checks []pending
	for i, item := range d.list(n, key) {
		a := &expr.Assertion{
			Name: fmt.Sprintf("%s%s[%d]", prefix, key, i+1), OnUnknown: "inconclusive", Severity: "fail", MinPassRate: 1,
			Scope: scope,
		}
		that, small := item, false
		if item.Kind == syntax.MapKind {
			that = d.get(item, "that")
			if name := d.declare("assertion", item, "name"); name != "" {
				a.Name = name
			}
			a.OnUnknown = d.strOr(item, "on_unknown", a.OnUnknown)
			a.Severity = d.strOr(item, "severity", a.Severity)
			a.Message = d.str(item, "message")
			small = d.flag(item, "allow_small_n", false)
			d.often(item, a)
		}
		a.That, a.Pos = strings.TrimSpace(that.Text()), d.src.Pos(firstOf(that, item))
		out = append(out, a)
		if that != nil && that.Kind == syntax.StringKind && a.That != "" {
			checks = append(checks, pending{a, that, conversation, step, small, d.set, false})
		}
	}
	return out, checks
}

// objectives reads the conditions on single turns.
func (d *decoder) objectives(n *syntax.Node) (out []*expr.Assertion, checks []pending) {
	if n == nil || n.Kind != syntax.MapKind {
		return nil, nil
	}
	for _, e := range n.Entries {
		if slices.Contains(expr.Statistics(), e.Key) {
			d.errorf(e.At(), "links/objective", "choose another name, such as "+e.Key+"_turns",
				"%q cannot be the name of an objective: it is that of a statistic", e.Key)
		}
		a := &expr.Assertion{Name: e.Key, That: strings.TrimSpace(e.Node.Text()), Pos: d.src.Pos(e.Node),
			Scope: figure.TurnScope, Severity: expr.CountOnly}
		out = append(out, a)
		if e.Node.Kind == syntax.StringKind && a.That != "" {
			checks = append(checks, pending{assertion: a, node: e.Node, conversation: -1, step: -1})
		}
	}
	return out, checks
}

// objectiveNames lists the names of the objectives of a scenario.
func objectiveNames(root *syntax.Node) (out []string) {
	if n := root.Get("slo"); n != nil {
		for _, e := range n.Entries {
			out = append(out, e.Key)
		}
	}
	return out
}

// often reads how often an assertion is to hold, or how surely if it is judged over all cells.
func (d *decoder) often(n *syntax.Node, a *expr.Assertion) {
	if a.Scope == figure.OverallScope {
		a.Confidence = d.percent(n, "confidence", 0)
		return
	}
	a.MinPassRate = d.percent(n, "min_pass_rate", a.MinPassRate)
	a.Abort = d.flag(n, "abort", false)
	d.checkCount(n, a)
	if rate := d.get(n, "min_pass_rate"); rate != nil && a.Scope == figure.ScenarioScope {
		d.warnf(rate, "links/assert", "remove it; below scenario scope there is one evaluation a repeat",
			"an assertion of the scenario is evaluated once, so a pass rate means nothing")
	}
}

// checkCount checks an assertion that only counts its passes: it needs a name by which its pass rate is read, and
// decides nothing by itself.
func (d *decoder) checkCount(item *syntax.Node, a *expr.Assertion) {
	if a.Severity != expr.CountOnly {
		return
	}
	at := item.Get("severity")
	switch {
	case a.Scope.Wide():
		d.errorf(at, "links/assert", "move it to a step or a conversation",
			"an assertion of the scenario is evaluated once: there is nothing to count")
	case !a.Named():
		d.errorf(at, "links/assert", `write name: answers, and assert run.pass_rate["answers"] in the scenario`,
			"an assertion that only counts needs a name, by which its pass rate is read")
	}
	for _, key := range []string{"min_pass_rate", "abort", "on_unknown"} {
		if n := item.Get(key); n != nil {
			d.warnf(n, "links/assert", "remove it", "%s says nothing of an assertion that only counts", key)
		}
	}
}

// compileAll compiles every assertion with the names of its scope.
func (d *decoder) compileAll(s *Scenario, checks []pending) {
	if d.compile == nil {
		return
	}
	turns := map[string]int{}
	var all, conversations []string
	scores, ofItems := map[string]int{}, map[string]bool{}
	for i, c := range s.Conversations {
		if s.Again(i) {
			continue
		}
		conversations = append(conversations, c.ID)
		for _, step := range c.Steps {
			all = append(all, step.ID)
			if step.Do != nil {
				turns[step.ID] = step.Do.Turns() * max(c.Items, 1)
			}
		}
		for _, a := range c.scored() {
			scores[a.Name], ofItems[a.Name] = cmp.Or(c.Items, s.Run.Repeats), c.Items > 0
		}
	}
	for _, p := range checks {
		env := expr.Env{
			Scope: p.assertion.Scope, Steps: all, Conversations: conversations, Turns: turns, Scores: scores,
			OfItems: ofItems, Repeats: s.Run.Repeats,
			Schemas: s.Schemas, AllowSmallN: p.allowSmallN, Vars: d.values.vars, Matrix: d.values.matrix, Node: p.node,
			InTurn: s.Run.Order != Sequential,
		}
		if p.conversation >= 0 {
			var own []string
			for _, step := range s.Conversations[p.conversation].Steps {
				own = append(own, step.ID)
			}
			env.Steps = own
			if p.step >= 0 {
				env.Steps, env.LaterSteps = own[:p.step], own[p.step:]
			}
		}
		if p.set != nil {
			env.Item, env.Columns = p.set.name, p.set.columns()
		}
		if p.sought {
			d.diags = append(d.diags, d.compileSought(p, env)...)
			continue
		}
		d.diags = append(d.diags, d.compile(p.assertion, env)...)
		d.checkRead(p)
		d.checkReach(p.assertion, scores)
	}
}

// checkReach warns of a limit of a pass rate that so few items or repeats can never clear with certainty, even if all
// of them pass or none does.
func (d *decoder) checkReach(a *expr.Assertion, scores map[string]int) {
	const missed = 0.05 // probability
	for _, l := range a.Limits() {
		name, ok := figure.CutScore(l.Path)
		if !ok || scores[name] == 0 || a.Severity != "fail" {
			continue
		}
		n := scores[name]
		least := math.Pow(missed, 1/float64(n)) // the bound of the share if all pass
		reach := map[string]bool{">": least > l.Value, ">=": least >= l.Value, "<": 1-least < l.Value,
			"<=": 1-least <= l.Value}
		if can, bounded := reach[l.Op]; bounded && !can {
			g := a.DiagnoseAt(l.From, l.To)
			g.Severity, g.Code = syntax.Warning, "links/gate"
			g.Message = fmt.Sprintf("even if all %d pass, the share is only known to be above %.4g, with 95 %% confidence: "+
				"this cannot pass for certain", n, least)
			if l.Op[0] == '<' {
				g.Message = fmt.Sprintf("even if none of %d passes, the share is only known to be below %.4g, with 95 %% "+
					"confidence: this cannot pass for certain", n, 1-least)
			}
			g.Help = "play more items, or ask for less"
			d.diags = append(d.diags, g)
		}
	}
}

// checkRead checks the columns that an assertion reads.
func (d *decoder) checkRead(p pending) {
	if d.set = p.set; d.set == nil {
		return
	}
	for _, path := range p.assertion.Paths() {
		if column, ok := strings.CutPrefix(path, p.set.name+"."); ok {
			d.checkColumn(column, true)
		}
	}
	d.set = nil
}
