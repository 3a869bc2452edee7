package dsl

import "github.com/expr-lang/expr/ast"

// collect gathers the comparisons of a value with a constant that must hold for the expression
// to be true: those joined by && only.
func (c *compilation) collect(n ast.Node) {
	switch n := n.(type) {
	case *ast.VariableDeclaratorNode:
		c.collect(n.Expr)
	case *ast.BinaryNode:
		if n.Operator == "&&" || n.Operator == "and" {
			c.collect(n.Left)
			c.collect(n.Right)
			return
		}
		if !isComparison(n.Operator) || n.Operator == "!=" {
			return
		}
		c.bound(n, n.Left, n.Right, n.Operator)
		c.bound(n, n.Right, n.Left, map[string]string{"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "=="}[n.Operator])
	}
}

func (c *compilation) bound(n *ast.BinaryNode, side, other ast.Node, op string) {
	i := leafIndex(side)
	if i < 0 || !c.program.leaves[i].measured {
		return
	}
	if v, ok := c.constant(other); ok {
		at := side.Location()
		c.program.bounds = append(c.program.bounds, bound{i, op, v, at.From, max(at.To, n.Location().To)})
	}
}

// Visit gathers the comparisons of two measured values.
func (c *compilation) Visit(node *ast.Node) {
	n, ok := (*node).(*ast.BinaryNode)
	if !ok || !isComparison(n.Operator) {
		return
	}
	i, j := leafIndex(n.Left), leafIndex(n.Right)
	if i >= 0 && j >= 0 && c.program.leaves[i].measured && c.program.leaves[j].measured {
		c.program.beside = append(c.program.beside, [2]int{i, j})
	}
}

// constant returns the value of an expression of literals, vars and axes.
func (c *compilation) constant(n ast.Node) (float64, bool) {
	switch n := n.(type) {
	case *ast.IntegerNode:
		return float64(n.Value), true
	case *ast.FloatNode:
		return n.Value, true
	case *ast.UnaryNode:
		v, ok := c.constant(n.Node)
		switch n.Operator {
		case "-":
			return -v, ok
		case "+":
			return v, ok
		}
	case *ast.BinaryNode:
		l, ok1 := c.constant(n.Left)
		r, ok2 := c.constant(n.Right)
		if !ok1 || !ok2 {
			return 0, false
		}
		switch {
		case n.Operator == "+":
			return l + r, true
		case n.Operator == "-":
			return l - r, true
		case n.Operator == "*":
			return l * r, true
		case n.Operator == "/" && r != 0:
			return l / r, true
		}
	default:
		if l := leafOf(n, c.program.leaves); l != nil {
			if v, err := number(l.constant); err == nil {
				return v, true
			}
		}
	}
	return 0, false
}
