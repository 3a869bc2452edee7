package expr

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"

	"homellm/dsl/syntax"
	"homellm/engine/text"
)

// refused says what to use in place of functions that expr has and this language does not.
var refused = map[string]string{
	"mean":   "a distribution has its .mean at scenario scope",
	"median": "a distribution has its .p50 at scenario scope",
	"now":    "an assertion is about what was measured, and not about the time of day",
	"date":   "an assertion is about what was measured, and not about the time of day",
	"reduce": "use count, sum, all, any or none",
	"repeat": "repeat is the number of the repeat: write it without parentheses",
	"get":    "name the metric with dots",
	"type":   "the type of every metric is known at load: see `homellm explain`",
	"avg":    "a distribution has its .mean at scenario scope",
	"p50":    "write .p50 behind the metric, at scenario scope",
	"p95":    "write .p95 behind the metric, at scenario scope",
}

// operators are the binary operators of the language.
var operators = []string{
	"==", "!=", "<", "<=", ">", ">=", "&&", "||", "and", "or", "+", "-", "*", "/", "%", "**", "^",
	"in", "??", "matches", "contains", "startsWith", "endsWith", "..",
}

// resolve replaces every name by a typed call and rejects what is not in the language. Nodes of a chained comparison
// such as 0.2 < x < 0.9 have two parents, so resolved nodes are remembered.
func (c *compilation) resolve(n ast.Node) ast.Node {
	if done, ok := c.resolved[n]; ok {
		return done
	}
	out := c.resolveNode(n)
	c.resolved[n] = out
	c.resolved[out] = out
	return out
}

func (c *compilation) resolveAll(list []ast.Node) {
	for i := range list {
		list[i] = c.resolve(list[i])
	}
}

func (c *compilation) resolveNode(n ast.Node) ast.Node {
	switch n := n.(type) {
	case *ast.StringNode, *ast.BoolNode:
	case *ast.IntegerNode:
		c.magnitude(n, float64(n.Value))
	case *ast.FloatNode:
		c.magnitude(n, n.Value)
	case *ast.NilNode:
		c.failAt(n, "expr/nil", "known(x) says whether a metric was measured", "nil is not a value here")
	case *ast.IdentifierNode:
		if c.local(n.Value) == nil {
			return c.chain(n, nil)
		}
	case *ast.MemberNode:
		return c.member(n)
	case *ast.UnaryNode:
		n.Node = c.resolve(n.Node)
		want(n.Node, c.kindOf(n))
	case *ast.BinaryNode:
		return c.binary(n)
	case *ast.SliceNode:
		c.slice(n)
	case *ast.CallNode:
		return c.authorCall(n)
	case *ast.BuiltinNode:
		return c.call(n, n.Name, n.Arguments)
	case *ast.PredicateNode:
		c.predicate(n)
	case *ast.PointerNode:
		c.pointer(n)
	case *ast.ConditionalNode:
		n.Cond, n.Exp1, n.Exp2 = c.resolve(n.Cond), c.resolve(n.Exp1), c.resolve(n.Exp2)
	case *ast.VariableDeclaratorNode:
		c.declare(n)
	case *ast.ArrayNode:
		c.resolveAll(n.Nodes)
	default:
		c.refuse(n)
	}
	return n
}

// refuse reports what is not in the language.
func (c *compilation) refuse(n ast.Node) {
	if chain, ok := n.(*ast.ChainNode); ok {
		c.failAt(chain.Node, "expr/syntax", "every name is known when the file is read: write . instead of ?.",
			"?. has no use here")
		return
	}
	c.failAt(n, "expr/syntax", "", "this is not part of the language of assertions")
}

func (c *compilation) slice(n *ast.SliceNode) {
	n.Node = c.resolve(n.Node)
	if n.From != nil {
		n.From = c.resolve(n.From)
	}
	if n.To != nil {
		n.To = c.resolve(n.To)
	}
}

// authorCall resolves a call by a name, and refuses one of a method.
func (c *compilation) authorCall(n *ast.CallNode) ast.Node {
	callee, ok := n.Callee.(*ast.IdentifierNode)
	if ok {
		return c.call(n, callee.Value, n.Arguments)
	}
	help := "functions are called by their name alone: " + strings.Join(functionNames(), " ")
	if m, ok := n.Callee.(*ast.MemberNode); ok {
		if name, ok := m.Property.(*ast.StringNode); ok {
			help = cmp.Or(method(c.text, name.Value), help)
		}
	}
	c.failAt(n, "expr/function", cmp.Or(rewritten(c.text), help), "values have no methods")
	return n
}

func (c *compilation) predicate(n *ast.PredicateNode) {
	c.depth++
	if c.depth > maxNesting {
		c.failAt(n, "expr/size", c.shorter(), "predicates are nested more than %d deep", maxNesting)
	} else {
		n.Node = c.resolve(n.Node)
	}
	c.depth--
}

func (c *compilation) pointer(n *ast.PointerNode) {
	if n.Name != "" && n.Name != "index" {
		c.failAt(n, "expr/name", "# is the element and #index its place", "unknown name #%s", n.Name)
	}
}

// magnitude rejects literals that could leave the range of a float64.
func (c *compilation) magnitude(n ast.Node, v float64) {
	if math.Abs(v) > maxLiteral {
		c.failAt(n, "expr/type", "", "the number is larger than 1e15")
	}
}

// declare resolves `let name = value; rest`.
func (c *compilation) declare(n *ast.VariableDeclaratorNode) {
	if c.scope.root(n.Name) != nil || slices.Contains(functionNames(), n.Name) || strings.HasPrefix(n.Name, "_") {
		c.failAt(n, "expr/name", "choose another name", "%s cannot be declared again", n.Name)
		return
	}
	n.Value = c.resolve(n.Value)
	c.locals = append(c.locals, local{name: n.Name})
	n.Expr = c.resolve(n.Expr)
	c.locals = c.locals[:len(c.locals)-1]
}

// binary resolves an operator and reports comparisons with an outcome that no measurement can change.
func (c *compilation) binary(n *ast.BinaryNode) ast.Node {
	if !slices.Contains(operators, n.Operator) {
		c.failAt(n, "expr/syntax", "", "unknown operator %s", n.Operator)
		return n
	}
	if isComparison(n.Operator) && n.Left.String() == n.Right.String() {
		c.failAt(n, "expr/constant", "", "both sides of %s are the same", n.Operator)
	}
	if isLogic(n.Operator) {
		for _, side := range []ast.Node{n.Left, n.Right} {
			if b, ok := side.(*ast.BoolNode); ok {
				c.failAt(b, "expr/constant", "leave it out", "%t next to %s decides nothing or everything", b.Value, n.Operator)
			}
		}
	}
	n.Left = c.resolve(n.Left)
	if c.bareText(n.Left, n.Right) {
		return n
	}
	n.Right = c.resolve(n.Right)
	c.wantAlike(n)
	switch {
	case n.Operator == "..":
		c.bounded(n)
	case n.Operator == "??":
		if known(n.Left, c.program.leaves, callGiven) == nil {
			c.failAt(n, "expr/constant", "leave ?? out", "the value before ?? is always known")
		} else if c.gate {
			loc := n.Location()
			c.warn(loc.From, loc.To, "expr/masked", "let on_unknown say what an unmeasured value means",
				"?? puts a number in the place of a measurement, so this gate can pass without one")
		}
	case n.Operator == "matches":
		c.pattern(n.Right)
	case isComparison(n.Operator):
		c.rate(n, n.Left, n.Right)
		c.rate(n, n.Right, n.Left)
	}
	return n
}

// pattern checks a regular expression that is known when the file is read.
func (c *compilation) pattern(n ast.Node) {
	what, pattern := "not a regular expression", ""
	if text, ok := n.(*ast.StringNode); ok {
		pattern = text.Value
	} else if l := leafOf(n, c.program.leaves); l != nil {
		what = l.path + " is no regular expression"
		pattern, _ = l.constant.(string)
	}
	if _, err := compilePattern(pattern); err != nil {
		c.failAt(n, "expr/type", "the syntax is that of RE2: https://golang.org/s/re2syntax", "%s: %s", what,
			strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
}

// bareText reports a text without quotes next to a text, because it is read as an unknown name.
func (c *compilation) bareText(resolved, other ast.Node) bool {
	name, ok := other.(*ast.IdentifierNode)
	l := leafOf(resolved, c.program.leaves)
	if !ok || l == nil || l.kind != String || c.local(name.Value) != nil || c.scope.root(name.Value) != nil {
		return false
	}
	c.failAt(name, "expr/name", fmt.Sprintf("write a text in quotes: %q", name.Value), "unknown name %q", name.Value)
	return true
}

// bounded checks the bounds of a range.
func (c *compilation) bounded(n *ast.BinaryNode) {
	from, ok1 := n.Left.(*ast.IntegerNode)
	to, ok2 := n.Right.(*ast.IntegerNode)
	if !ok1 || !ok2 || to.Value-from.Value >= maxRange {
		c.failAt(n, "expr/size", "", "a range needs two literal bounds that are less than %d apart", maxRange)
	}
}

// rate reports a share that is compared with a percentage.
func (c *compilation) rate(n *ast.BinaryNode, side, other ast.Node) {
	l := leafOf(side, c.program.leaves)
	if l == nil || !l.rate {
		return
	}
	if v, ok := c.constant(other); ok && v > 1 {
		help := "write the share: 0.5 is 50 %"
		if v <= 100 {
			help = fmt.Sprintf("%g %% is %g", v, v/100)
		}
		loc := other.Location()
		if loc == (file.Location{}) {
			loc = n.Location()
		}
		c.fail(loc.From, loc.To, "expr/rate", help, "%s is a share from 0 to 1, and is compared with %g", l.path, v)
	}
}

// member resolves a chain of names, or an element of a list.
func (c *compilation) member(n *ast.MemberNode) ast.Node {
	var parts []*ast.MemberNode
	var at ast.Node = n
	for {
		m, ok := at.(*ast.MemberNode)
		if !ok {
			break
		}
		if _, name := m.Property.(*ast.StringNode); !name {
			break
		}
		parts = append(parts, m)
		at = m.Node
	}
	if root, ok := at.(*ast.IdentifierNode); ok && len(parts) > 0 && c.local(root.Value) == nil {
		slices.Reverse(parts)
		return c.chain(root, parts)
	}
	if call, ok := at.(*ast.CallNode); ok && len(parts) > 0 && isCell(call) {
		slices.Reverse(parts)
		return c.cell(call, parts)
	}
	if len(parts) > 0 {
		c.failAt(parts[len(parts)-1], "expr/name", "", "a value has no parts")
		return n
	}
	if root, ok := n.Node.(*ast.IdentifierNode); ok && c.local(root.Value) == nil && c.scope.root(root.Value) != nil {
		c.failAt(n, "expr/name", "write the name out, with dots", "a name in brackets must be a literal")
		return n
	}
	n.Node, n.Property = c.resolve(n.Node), c.resolve(n.Property)
	return n
}

// call resolves a call by the author.
func (c *compilation) call(n ast.Node, name string, arguments []ast.Node) ast.Node {
	fn, ok := function(name)
	if name == cellFunction {
		c.loneCell(n)
		return n
	}
	if !ok {
		help := cmp.Or(refused[name], syntax.Suggest(name, functionNames()), "functions: "+strings.Join(functionNames(), " "))
		c.failAt(n, "expr/function", help, "there is no function %q here", name)
		return n
	}
	if len(arguments) < fn.min || len(arguments) > fn.max {
		c.failAt(n, "expr/function", "call it as "+fn.Usage, "%s takes %s", name, takes(fn.min, fn.max))
		return n
	}
	c.resolveAll(arguments)
	if fn.numbers {
		for _, a := range arguments {
			want(a, Float)
		}
	}
	switch name {
	case "known":
		condition := known(arguments[0], c.program.leaves, callKnown)
		if condition == nil {
			c.failAt(n, "expr/constant", "known asks whether a metric was measured: name one",
				"what known asks for is always known")
			return n
		}
		return condition
	case "conforms":
		return c.conforms(n, arguments[0], arguments[1])
	case "json_path":
		return c.jsonPath(n, arguments[0], arguments[1])
	case "join":
		return call(n.Location(), callJoin, arguments...)
	case "split":
		return call(n.Location(), callSplit, arguments...)
	}
	return n
}

// conforms resolves the name of a schema.
func (c *compilation) conforms(n, text, name ast.Node) ast.Node {
	declared := c.scope.env.Schemas
	id, ok := name.(*ast.StringNode)
	if !ok {
		c.failAt(name, "expr/schema", `write the name of a schema in quotes: conforms(turn.text, "answer")`,
			"the schema must be a literal name")
		return n
	}
	found, ok := declared[id.Value]
	if !ok {
		help := "declare it: schemas: {" + id.Value + ": {type: object, …}}"
		if len(declared) > 0 {
			help = syntax.SuggestOr(id.Value, slices.Sorted(maps.Keys(declared)), "schemas of this file")
		}
		c.failAt(name, "expr/schema", help, "there is no schema %q", id.Value)
		return n
	}
	c.program.schemas = append(c.program.schemas, namedSchema{id.Value, found})
	return call(n.Location(), callConforms, text, &ast.IntegerNode{Value: len(c.program.schemas) - 1})
}

func takes(low, high int) string {
	if low == high {
		return text.Plural(low, "argument")
	}
	return fmt.Sprintf("%d to %d arguments", low, high)
}
