package dsl

import (
	"slices"
	"strings"

	"homellm/dsl/expr"
	"homellm/dsl/figure"
	"homellm/dsl/syntax"
)

// Search is what a run looks for among its cells: the one with the best value of a figure among those that meet a
// condition.
type Search struct {
	For   string // a figure with its statistic, such as steps.q.ttft_ms.p50
	Where string // an expression over a cell; empty: there is no condition
}

// The places of a search in findings.
const (
	forFlag   = "--for"
	whereFlag = "--where"
)

// isKnown stands around the figure of a search while it is compiled, since it is no condition.
const isKnown = "known("

// sought are the figure and the condition of a search, as assertions of the scenario.
func (d *decoder) sought(s *Scenario) []pending {
	if d.find == nil {
		return nil
	}
	of := func(flag, that string) pending {
		src := syntax.NewSource(flag, that)
		n := &syntax.Node{Src: src, Kind: syntax.StringKind, Scalar: that, Line: 1, Col: 1}
		a := &expr.Assertion{Name: flag, That: that, Pos: src.Pos(n), OnUnknown: "inconclusive", Severity: "warn",
			MinPassRate: 1, Scope: figure.ScenarioScope}
		return pending{assertion: a, node: n, conversation: -1, step: -1, allowSmallN: true, sought: true}
	}
	out := []pending{of(forFlag, isKnown+strings.TrimSpace(d.find.For)+")")}
	if text := strings.TrimSpace(d.find.Where); text != "" {
		condition := of(whereFlag, text)
		s.Condition = condition.assertion
		out = append(out, condition)
	}
	return out
}

// compileSought compiles the figure or the condition of a search.
func (d *decoder) compileSought(p pending, env expr.Env) syntax.Diagnostics {
	found := d.compile(p.assertion, env)
	if p.assertion.Name != forFlag {
		return found
	}
	figure := strings.TrimSpace(d.find.For)
	found = slices.DeleteFunc(found, func(g syntax.Diagnostic) bool { return g.Code == "expr/constant" }) // about known
	if len(found) == 0 && !slices.Equal(p.assertion.Paths(), []string{figure}) {
		found = append(found, syntax.Diagnostic{Pos: p.assertion.Pos, Severity: syntax.Error, Code: "expr/type",
			Message: "this is an expression, and no figure", Help: "name one with its statistic, such as steps.q.ttft_ms.p50"})
	}
	for i := range found {
		g := &found[i]
		g.Pos.Col, g.Source = max(1, g.Pos.Col-len(isKnown)), figure
		if g.EndCol > 0 {
			g.EndCol = max(g.Pos.Col+1, g.EndCol-len(isKnown))
		}
	}
	return found
}
