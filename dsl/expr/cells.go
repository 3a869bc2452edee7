package expr

import (
	"fmt"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"

	"homellm/dsl/figure"
	"homellm/dsl/syntax"
)

func isCell(n *ast.CallNode) bool {
	callee, ok := n.Callee.(*ast.IdentifierNode)
	return ok && callee.Value == cellFunction
}

// cell resolves a figure of a cell: cell({quant: "q4"}).steps.a.ttft_ms.p50.
func (c *compilation) cell(n *ast.CallNode, parts []*ast.MemberNode) ast.Node {
	if c.scope.env.Scope != figure.OverallScope {
		c.loneCell(n)
		return n
	}
	ref, ok := c.cellRef(n)
	if !ok {
		return n
	}
	if !slices.ContainsFunc(c.program.cells, func(o CellRef) bool { return o.Prefix == ref.Prefix }) {
		c.program.cells = append(c.program.cells, ref)
	}
	first := parts[0].Property.(*ast.StringNode).Value
	inner := scope{names: c.scope.names, env: c.scope.env}
	inner.env.Scope = figure.ScenarioScope
	at := inner.root(first)
	if r := figure.Find(first); at == nil || r != nil && (r.Name == string(figure.Vars) || r.Name == string(figure.Axes)) {
		c.notOfCell(&inner, parts[0], first)
		return n
	}
	below := below(ref.Prefix, at)
	root := &ast.IdentifierNode{Value: first}
	whole := n.Location()
	whole.To = parts[0].Location().To
	root.SetLocation(whole)
	return c.follow(root, below, parts[1:])
}

// loneCell reports a cell where none can be named, or without a figure.
func (c *compilation) loneCell(n ast.Node) {
	if c.scope.env.Scope != figure.OverallScope {
		c.failAt(n, "expr/function", "move this to overall:, which sees all cells", "an assert sees its own cell only")
		return
	}
	c.failAt(n, "expr/function", "name a figure of it: "+c.scope.cellExample(), "a cell is no value")
}

// notOfCell says why a cell has no figures below a first name.
func (c *compilation) notOfCell(inner *scope, at *ast.MemberNode, first string) {
	switch first {
	case string(figure.Vars):
		c.failAt(at, "expr/name", "write vars.NAME alone", "vars are the same in every cell")
	case string(figure.Axes):
		c.failAt(at, "expr/name", "", "the values of its axes are what selects a cell")
	default:
		message, help := inner.explainRoot(first)
		c.failAt(at, "expr/name", help, "%s", message)
	}
}

// cellRef reads the values that select a cell.
func (c *compilation) cellRef(n *ast.CallNode) (ref CellRef, ok bool) {
	ref.Values = map[string]any{}
	if len(n.Arguments) == 0 {
		ref.Prefix = cellFunction + "({})."
		return ref, true
	}
	values, ok := n.Arguments[0].(*ast.MapNode)
	if !ok || len(n.Arguments) > 1 {
		c.failAt(n, "expr/function", "write it as "+c.scope.cellExample(), "cell takes the values of axes in braces")
		return ref, false
	}
	for _, pair := range values.Pairs {
		if !c.selects(pair.(*ast.PairNode), ref.Values) {
			return ref, false
		}
	}
	var shown []string
	for _, a := range c.scope.env.Axes {
		if v, ok := ref.Values[a.Name]; ok {
			shown = append(shown, a.Name+": "+a.form(v))
		}
	}
	ref.Prefix = fmt.Sprintf("%s({%s}).", cellFunction, strings.Join(shown, ", "))
	return ref, true
}

// selects reads one axis and its value.
func (c *compilation) selects(pair *ast.PairNode, into map[string]any) bool {
	key, ok := pair.Key.(*ast.StringNode)
	if !ok {
		c.failAt(pair, "expr/name", "", "an axis is named by its name alone")
		return false
	}
	var names []string
	for _, a := range c.scope.env.Axes {
		names = append(names, a.Name)
	}
	i := slices.Index(names, key.Value)
	if i < 0 {
		help := syntax.SuggestOr(key.Value, names, "its axes")
		if len(names) == 0 {
			help = "add it to `matrix:`"
		}
		c.failAt(key, "expr/name", help, "the matrix has no axis %q", key.Value)
		return false
	}
	literal, ok := literalOf(pair.Value)
	if !ok {
		axis := c.scope.env.Axes[i]
		c.failAt(pair.Value, "expr/type", "write a value of the axis: "+axis.form(axis.Values[0]),
			"the value of an axis is a text in quotes, a number, true or false")
		return false
	}
	v, wrong, help := c.scope.env.Axes[i].One(literal)
	if wrong != "" {
		c.failAt(pair.Value, "expr/name", help, "%s", wrong)
		return false
	}
	if _, twice := into[key.Value]; twice {
		c.failAt(key, "expr/name", "remove one of them", "axis %q has two values", key.Value)
		return false
	}
	into[key.Value] = v
	return true
}

// literalOf is the value of a literal.
func literalOf(n ast.Node) (any, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.IntegerNode:
		return n.Value, true
	case *ast.FloatNode:
		return n.Value, true
	case *ast.BoolNode:
		return n.Value, true
	case *ast.UnaryNode:
		switch v, _ := literalOf(n.Node); v := v.(type) {
		case int:
			return -v, n.Operator == "-"
		case float64:
			return -v, n.Operator == "-"
		}
	}
	return nil, false
}
