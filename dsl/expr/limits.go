package expr

import (
	"slices"

	"github.com/expr-lang/expr/ast"
)

// collect finds the comparisons of a value with a constant that must hold for the expression to be true: those joined
// by && only.
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

// Visit finds the comparisons with measured values, times constants, on both sides.
func (c *compilation) Visit(node *ast.Node) {
	n, ok := (*node).(*ast.BinaryNode)
	if !ok || !isComparison(n.Operator) {
		return
	}
	var d difference
	if c.linear(n.Left, 1, &d) && c.linear(n.Right, -1, &d) && len(d.leaves) > 1 {
		c.program.apart = append(c.program.apart, d)
	}
}

// linear adds a sum of measured values, times constants, and reports whether the node is such a sum.
func (c *compilation) linear(n ast.Node, factor float64, d *difference) bool {
	if v, ok := c.constant(n); ok {
		d.offset += factor * v
		return true
	}
	if i := leafIndex(n); i >= 0 {
		l := c.program.leaves[i]
		if at := slices.Index(d.leaves, i); at >= 0 {
			d.factors[at] += factor
		} else {
			d.leaves, d.factors = append(d.leaves, i), append(d.factors, factor)
		}
		return l.measured && l.kind.number()
	}
	switch n := n.(type) {
	case *ast.UnaryNode:
		return n.Operator == "+" && c.linear(n.Node, factor, d) || n.Operator == "-" && c.linear(n.Node, -factor, d)
	case *ast.BinaryNode:
		return c.linearBinary(n, factor, d)
	}
	return false
}

// linearBinary is linear for an operator.
func (c *compilation) linearBinary(n *ast.BinaryNode, factor float64, d *difference) bool {
	left, isLeft := c.constant(n.Left)
	right, isRight := c.constant(n.Right)
	switch {
	case n.Operator == "+":
		return c.linear(n.Left, factor, d) && c.linear(n.Right, factor, d)
	case n.Operator == "-":
		return c.linear(n.Left, factor, d) && c.linear(n.Right, -factor, d)
	case n.Operator == "*" && isLeft:
		return c.linear(n.Right, factor*left, d)
	case n.Operator == "*" && isRight:
		return c.linear(n.Left, factor*right, d)
	case n.Operator == "/" && isRight && right != 0:
		return c.linear(n.Left, factor/right, d)
	}
	return false
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
