package expr

import (
	"slices"

	"github.com/expr-lang/expr/ast"
)

// jsonPath resolves a call, whose path must be known when the file is read. The value is a text unless its place
// requires a number or a boolean; see want.
func (c *compilation) jsonPath(n, text, path ast.Node) ast.Node {
	const help = `write it as "$.parts[0].name"; a path names one value`
	literal, ok := path.(*ast.StringNode)
	if !ok {
		c.failAt(path, "expr/path", help, "the path must be a literal text")
		return n
	}
	p, ok := parseJSONPath(literal.Value)
	if !ok {
		c.failAt(path, "expr/path", help, "%q is no path of a value in JSON", literal.Value)
		return n
	}
	c.program.paths = append(c.program.paths, p)
	return call(n.Location(), callJSONText, text, &ast.IntegerNode{Value: len(c.program.paths) - 1})
}

// want makes a json_path call return the kind of value that its place requires.
func want(n ast.Node, k Kind) {
	c, ok := n.(*ast.CallNode)
	if !ok {
		return
	}
	if callee, ok := c.Callee.(*ast.IdentifierNode); ok && callee.Value == callJSONText {
		switch k {
		case Float, Int:
			callee.Value = callJSONNumber
		case Bool:
			callee.Value = callJSONTruth
		}
	}
}

// wantAlike makes json_path calls on the sides of an operator return the kind that the operator, or its other side,
// requires.
func (c *compilation) wantAlike(n *ast.BinaryNode) {
	switch {
	case slices.Contains([]string{"-", "*", "/", "**", "^"}, n.Operator):
		want(n.Left, Float)
		want(n.Right, Float)
	case isLogic(n.Operator):
		want(n.Left, Bool)
		want(n.Right, Bool)
	case isComparison(n.Operator), n.Operator == "+":
		want(n.Left, c.kindOf(n.Right))
		want(n.Right, c.kindOf(n.Left))
	case n.Operator == "in":
		if list, ok := n.Right.(*ast.ArrayNode); ok && len(list.Nodes) > 0 {
			want(n.Left, c.kindOf(list.Nodes[0]))
		}
	}
}

// kindOf returns the kind of a resolved node if it is known before the types are checked; else empty.
func (c *compilation) kindOf(n ast.Node) Kind {
	if l := leafOf(n, c.program.leaves); l != nil {
		return l.kind
	}
	switch n := n.(type) {
	case *ast.IntegerNode, *ast.FloatNode:
		return Float
	case *ast.BoolNode:
		return Bool
	case *ast.UnaryNode:
		if n.Operator == "-" || n.Operator == "+" {
			return Float
		}
		return Bool
	case *ast.BinaryNode:
		switch {
		case slices.Contains([]string{"-", "*", "/", "**", "^", "%"}, n.Operator):
			return Float
		case n.Operator == "+":
			return c.kindOf(n.Left)
		case isComparison(n.Operator), isLogic(n.Operator):
			return Bool
		}
	}
	name, _ := operation(n)
	if slices.Contains([]string{"int", "float", "len", "count", callNumberIn, callSimilar, callJSONNumber}, name) {
		return Float
	}
	if fn, ok := function(name); ok && fn.numbers && name != callWithin {
		return Float
	}
	return ""
}
