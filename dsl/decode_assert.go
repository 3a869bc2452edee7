package dsl

import (
	"fmt"
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
}

// conversationAsserts reads the assertions of a conversation and of its steps.
func (d *decoder) conversationAsserts(c *Conversation, n *syntax.Node, steps []decodedStep, index int) []pending {
	var all []pending
	for i, s := range steps {
		var own []pending
		s.step.Assert, own = d.asserts(s.node, figure.StepScope, "step."+s.step.ID+".", index, i)
		all = append(all, own...)
		if s.step.Do != nil && s.turns() == 0 && len(own) > 0 {
			d.errorKey(s.node, "assert", "links/assert", "assert in a later step",
				"step %q sends nothing, so there is nothing to judge", s.step.ID)
		}
	}
	var own []pending
	c.Assert, own = d.asserts(n, figure.ConversationScope, "conversation."+c.ID+".", index, -1)
	return append(all, own...)
}

// asserts reads the list of assertions of a step, conversation or scenario. An assertion without a name is called by
// its position, such as step.after_removal.assert[2], counted from 1.
func (d *decoder) asserts(n *syntax.Node, scope figure.Scope, prefix string, conversation, step int) ([]*expr.Assertion,
	[]pending) {
	var out []*expr.Assertion
	var checks []pending
	for i, item := range d.list(n, "assert") {
		a := &expr.Assertion{
			Name: fmt.Sprintf("%sassert[%d]", prefix, i+1), OnUnknown: "inconclusive", Severity: "fail", MinPassRate: 1,
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
			a.MinPassRate = d.percent(item, "min_pass_rate", a.MinPassRate)
			a.Message = d.str(item, "message")
			a.Abort = d.flag(item, "abort", false)
			small = d.flag(item, "allow_small_n", false)
			if rate := d.get(item, "min_pass_rate"); rate != nil && scope == figure.ScenarioScope {
				d.warnf(rate, "links/assert", "remove it; below scenario scope there is one evaluation a repeat",
					"an assertion of the scenario is evaluated once, so a pass rate means nothing")
			}
		}
		a.That, a.Pos = strings.TrimSpace(that.Text()), d.src.Pos(firstOf(that, item))
		out = append(out, a)
		if that != nil && that.Kind == syntax.StringKind && a.That != "" {
			checks = append(checks, pending{a, that, conversation, step, small})
		}
	}
	return out, checks
}

// compileAll compiles every assertion with the names of its scope.
func (d *decoder) compileAll(s *Scenario, checks []pending) {
	if d.compile == nil {
		return
	}
	turns := map[string]int{}
	var all, conversations []string
	for _, c := range s.Conversations {
		conversations = append(conversations, c.ID)
		for _, step := range c.Steps {
			all = append(all, step.ID)
			if step.Do != nil {
				turns[step.ID] = step.Do.Turns()
			}
		}
	}
	for _, p := range checks {
		env := expr.Env{
			Scope: p.assertion.Scope, Steps: all, Conversations: conversations, Turns: turns, Repeats: s.Run.Repeats,
			Schemas: s.Schemas, AllowSmallN: p.allowSmallN, Vars: d.values.vars, Matrix: d.values.matrix, Node: p.node,
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
		d.diags = append(d.diags, d.compile(p.assertion, env)...)
	}
}
