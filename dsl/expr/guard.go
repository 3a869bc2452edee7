package expr

import (
	"reflect"
	"slices"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
)

// guard replaces the operations that could pass for no good reason by calls that cannot. It works from the leaves up
// and keeps the types of what it builds, because a guard higher up depends on the types below.
func (c *compilation) guard(n ast.Node) ast.Node {
	if done, ok := c.guarded[n]; ok {
		return done
	}
	out := c.guardNode(n)
	c.guarded[n] = out
	c.guarded[out] = out
	return out
}

func (c *compilation) guardAll(list []ast.Node) {
	for i := range list {
		list[i] = c.guard(list[i])
	}
}

func (c *compilation) guardNode(n ast.Node) ast.Node {
	switch n := n.(type) {
	case *ast.IdentifierNode:
		if l := c.local(n.Value); l != nil {
			n.SetType(l.kind)
		}
	case *ast.UnaryNode:
		n.Node = c.guard(n.Node)
		if n.Operator == "-" || n.Operator == "+" {
			n.SetType(n.Node.Type())
		}
	case *ast.BinaryNode:
		return c.guardBinary(n)
	case *ast.MemberNode:
		n.Node, n.Property = c.guard(n.Node), c.guard(n.Property)
	case *ast.SliceNode:
		n.Node = c.guard(n.Node)
		if n.From != nil {
			n.From = c.guard(n.From)
		}
		if n.To != nil {
			n.To = c.guard(n.To)
		}
	case *ast.CallNode:
		c.guardAll(n.Arguments)
		c.numbers(n, n.Callee.(*ast.IdentifierNode).Value, n.Arguments)
	case *ast.BuiltinNode:
		return c.guardBuiltin(n)
	case *ast.PredicateNode:
		// Each step of a predicate is counted, because expr's machine has no time limit.
		body := c.guard(n.Node)
		steps := &ast.SequenceNode{Nodes: []ast.Node{call(n.Location(), callTick), body}}
		steps.SetLocation(n.Location())
		n.Node = steps
	case *ast.ConditionalNode:
		n.Cond = c.guard(n.Cond)
		return c.choose(n, n.Cond, c.guard(n.Exp1), c.guard(n.Exp2))
	case *ast.VariableDeclaratorNode:
		n.Value = c.guard(n.Value)
		c.locals = append(c.locals, local{n.Name, n.Value.Type()})
		n.Expr = c.guard(n.Expr)
		c.locals = c.locals[:len(c.locals)-1]
		n.SetType(n.Expr.Type())
	case *ast.ArrayNode:
		c.guardAll(n.Nodes)
	}
	return n
}

// guardedOperators are the operators that a runtime call replaces, by the types of their operands.
var guardedOperators = map[string]struct {
	between func(l, r ast.Node) bool
	call    string
	gives   reflect.Type
}{
	"/":       {areNumbers, callDivide, floatType},
	"**":      {areNumbers, callPower, floatType},
	"^":       {areNumbers, callPower, floatType},
	"%":       {areOf(intType), callModulo, intType},
	"*":       {areNumbersWithAFloat, callMultiply, floatType},
	"+":       {areOf(textType), callConcat, textType},
	"matches": {areOf(textType), callMatches, boolType},
}

func areNumbers(l, r ast.Node) bool { return isNumber(l) && isNumber(r) }

func areNumbersWithAFloat(l, r ast.Node) bool {
	return areNumbers(l, r) && (l.Type() == floatType || r.Type() == floatType)
}

func areOf(t reflect.Type) func(l, r ast.Node) bool {
	return func(l, r ast.Node) bool { return l.Type() == t && r.Type() == t }
}

func (c *compilation) guardBinary(n *ast.BinaryNode) ast.Node {
	var condition ast.Node
	if n.Operator == "??" {
		condition = known(n.Left, c.program.leaves, callGiven) // before the guards hide an inner ??
	}
	l, r := c.guard(n.Left), c.guard(n.Right)
	n.Left, n.Right = l, r
	at := n.Location()
	if g, ok := guardedOperators[n.Operator]; ok && g.between(l, r) {
		return typed(call(at, g.call, l, r), g.gives)
	}
	switch n.Operator {
	case "??":
		return c.choose(n, condition, l, r)
	case "*", "+", "-":
		n.SetType(sumType(l, r))
	case "==", "!=":
		if (c.fractional(l) || c.fractional(r)) && !isZero(l) && !isZero(r) {
			c.warn(at.From, at.To, "expr/float-equal", "use within(x, target, tolerance)",
				"%s on measured numbers is hardly ever what is meant", n.Operator)
		}
	}
	return n
}

// guardBuiltin makes questions about the elements of an empty list unknown.
func (c *compilation) guardBuiltin(n *ast.BuiltinNode) ast.Node {
	c.guardAll(n.Arguments)
	c.numbers(n, n.Name, n.Arguments)
	switch n.Name {
	case "all", "any", "none", "one":
		n.SetType(boolType)
		return typed(logic(n.Location(), "&&", builtin(n.Location(), callFilled, "len", n.Arguments[0]), n), boolType)
	case "find":
		// If nothing is found the result is nil, which is equal to nothing and would be a plain false.
		return where(builtin(n.Location(), callFilled, "count", n.Arguments...), n)
	case "sum":
		// The sum of no elements would be a zero that was not measured.
		return where(builtin(n.Location(), callFilled, "len", n.Arguments[0]), n)
	case "min", "max":
		t := intType
		if slices.ContainsFunc(n.Arguments, func(a ast.Node) bool { return a.Type() == floatType }) {
			t = floatType
			for i, a := range n.Arguments {
				n.Arguments[i] = toFloat(a)
			}
		}
		n.SetType(t)
	case "abs":
		n.SetType(n.Arguments[0].Type())
	}
	return n
}

// builtin passes the result of one of expr's functions to the runtime.
func builtin(at file.Location, name, function string, arguments ...ast.Node) ast.Node {
	inner := &ast.BuiltinNode{Name: function, Arguments: arguments}
	inner.SetLocation(at)
	return call(at, name, inner)
}

// where returns a node that is evaluated only if a condition holds, which is true or raises an error.
func where(condition, n ast.Node) ast.Node {
	out := &ast.ConditionalNode{Ternary: true, Cond: condition, Exp1: n, Exp2: n}
	out.SetLocation(n.Location())
	return typed(out, n.Type())
}

// numbers checks the arguments of functions that take any number.
func (c *compilation) numbers(n ast.Node, name string, arguments []ast.Node) {
	if fn, ok := function(name); !ok || !fn.numbers {
		return
	}
	for _, a := range arguments {
		if !isNumber(a) {
			c.failAt(n, "expr/type", "", "%s takes numbers, and %s is not one", name, typeName(a.Type()))
			return
		}
	}
}

// choose builds `condition ? yes : no` with both sides of one type.
func (c *compilation) choose(n ast.Node, condition, yes, no ast.Node) ast.Node {
	if isNumber(yes) && isNumber(no) && yes.Type() != no.Type() {
		yes, no = toFloat(yes), toFloat(no)
	}
	if yes.Type() != no.Type() {
		c.failAt(n, "expr/type", "", "both sides must have one type, but one is %s and the other %s",
			typeName(yes.Type()), typeName(no.Type()))
	}
	out := &ast.ConditionalNode{Ternary: true, Cond: condition, Exp1: yes, Exp2: no}
	out.SetLocation(n.Location())
	return typed(out, yes.Type())
}

// fractional reports whether a node is a measured number that is rarely the same twice. A number read from an answer is
// exact.
func (c *compilation) fractional(n ast.Node) bool {
	if n.Type() != floatType {
		return false
	}
	if _, literal := n.(*ast.FloatNode); literal {
		return false
	}
	if l := leafOf(n, c.program.leaves); l != nil {
		return l.measured && !l.whole
	}
	name, _ := operation(n)
	return name != callNumberIn && name != callJSONNumber
}

// sumType is the type of a sum.
func sumType(l, r ast.Node) reflect.Type {
	if l.Type() == intType && r.Type() == intType {
		return intType
	}
	if isNumber(l) && isNumber(r) {
		return floatType
	}
	return l.Type()
}

// toFloat converts a number to a float.
func toFloat(n ast.Node) ast.Node {
	if n.Type() == floatType {
		return n
	}
	var out ast.Node
	if i, ok := n.(*ast.IntegerNode); ok {
		out = &ast.FloatNode{Value: float64(i.Value)}
	} else {
		out = &ast.BuiltinNode{Name: "float", Arguments: []ast.Node{n}}
	}
	out.SetLocation(n.Location())
	return typed(out, floatType)
}

// untyped rejects operators on values of unknown type: the type would only be known at run time.
func (c *compilation) untyped(n ast.Node) {
	if b, ok := n.(*ast.BinaryNode); ok {
		for _, side := range []ast.Node{b.Left, b.Right} {
			if side.Type().Kind() == reflect.Interface {
				c.failAt(b, "expr/type", "", "the type of one side of %s is not known", b.Operator)
				return
			}
		}
	}
	for _, child := range children(n) {
		c.untyped(child)
	}
}
