package expr

import (
	"errors"
	"reflect"
	"slices"

	"github.com/expr-lang/expr/ast"
	exprcompiler "github.com/expr-lang/expr/compiler"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"
)

// inference evaluates an expression whose values are not all known: numbers as intervals, booleans by Kleene's logic,
// texts by their beginnings. Parts with known values are computed as in a compiled program. It decides only what
// holds for all possible values.
type inference struct {
	*runtime
	locals map[string]possible
	parts  map[ast.Node]*vm.Program
	failed error // of the whole
}

var errNoPart = errors.New("it cannot be computed by itself")

// infer evaluates the expression over values that are not all known. Failed is why the compiled program has no
// outcome, if all are.
func (r *runtime) infer(failed error) possible {
	e := &inference{runtime: r, locals: map[string]possible{}, parts: r.program.compileParts(), failed: failed}
	return e.eval(r.program.tree)
}

// compileParts compiles every part of the expression separately, when one is needed for the first time.
func (p *program) compileParts() map[ast.Node]*vm.Program {
	p.once.Do(func() {
		p.parts = map[ast.Node]*vm.Program{}
		config := exprConfig()
		var walk func(ast.Node)
		walk = func(n ast.Node) {
			if p.parts[n] != nil {
				return
			}
			if code, err := exprcompiler.Compile(&parser.Tree{Node: n}, config); err == nil {
				p.parts[n] = code
			}
			if _, ok := n.(*ast.PredicateNode); ok {
				return // its element is known only inside the list's function
			}
			for _, child := range children(n) {
				walk(child)
			}
		}
		walk(p.tree)
	})
	return p.parts
}

// eval returns what is known of the value of a node.
func (e *inference) eval(n ast.Node) possible {
	if i := leafIndex(n); i >= 0 {
		return e.program.leaves[i].possible(i, e.values[i])
	}
	var failed error // of a node whose values are all known
	if !e.inexact(n) {
		var out possible
		if out, failed = e.compute(n); failed == nil {
			return out
		}
	}
	out := e.byParts(n, failed)
	if failed != nil && out.inexact() {
		out.open = out.open.because(failed)
	}
	return out
}

// byParts returns what follows for a node from what is known about its children. Failed is why it has no value, if all
// children have one.
func (e *inference) byParts(n ast.Node, failed error) possible {
	switch n := n.(type) {
	case *ast.IdentifierNode:
		return e.locals[n.Value]
	case *ast.ConditionalNode:
		return e.choice(n)
	case *ast.VariableDeclaratorNode:
		outer, had := e.locals[n.Name]
		e.locals[n.Name] = e.eval(n.Value)
		out := e.eval(n.Expr)
		if delete(e.locals, n.Name); had {
			e.locals[n.Name] = outer
		}
		return out
	case *ast.BinaryNode:
		switch {
		case isGuard(n.Left):
			return e.guarded(n.Left, n.Right)
		case isLogic(n.Operator):
			return e.logic(n)
		case n.Operator == "in":
			return e.in(n)
		}
	}
	return e.apply(n, failed)
}

// inexact says whether a value below a node is unknown.
func (e *inference) inexact(n ast.Node) bool {
	if i := leafIndex(n); i >= 0 {
		return e.values[i].Why != ""
	}
	switch n := n.(type) {
	case *ast.CallNode:
		if name, _ := operation(n); name == callKnown || name == callGiven {
			return false
		}
	case *ast.IdentifierNode:
		l, ok := e.locals[n.Value]
		return ok && l.inexact()
	}
	return slices.ContainsFunc(children(n), e.inexact)
}

// compute runs the compiled program of a part whose values are all known.
func (e *inference) compute(n ast.Node) (possible, error) {
	code := e.parts[n]
	switch {
	case n == e.program.tree && e.failed != nil:
		return possible{}, e.failed
	case code == nil:
		return possible{}, errNoPart
	}
	env := e.env()
	for name, l := range e.locals {
		env[name] = l.v
	}
	machine := vm.VM{MemoryBudget: memoryBudget}
	v, err := machine.Run(code, env)
	if err != nil {
		return possible{}, runError(err)
	}
	return exactly(v), nil
}

// choice is the value of `condition ? yes : no`, and of an expression behind a guard.
func (e *inference) choice(n *ast.ConditionalNode) possible {
	if n.Exp1 == n.Exp2 {
		return e.guarded(n.Cond, n.Exp1)
	}
	condition := e.eval(n.Cond)
	if yes, known := condition.truth(); known && yes {
		return e.eval(n.Exp1)
	} else if known {
		return e.eval(n.Exp2)
	}
	yes, no := e.eval(n.Exp1), e.eval(n.Exp2)
	out := possible{span: yes.span.hull(no.span), broken: yes.broken || no.broken}
	if scalar(yes.v) && yes.v == no.v {
		out.v, out.begins = yes.v, yes.begins
	}
	if out.v == nil || out.broken {
		out.open = condition.open.and(yes.open).and(no.open)
	}
	return out
}

func scalar(v any) bool {
	_, text := v.(string)
	_, truth := v.(bool)
	_, err := number(v)
	return text || truth || err == nil
}

// isGuard says whether a node raises an error for an empty list.
func isGuard(n ast.Node) bool {
	name, _ := operation(n)
	return name == callFilled
}

// guarded is the value of a node that exists only if its guard raises no error.
func (e *inference) guarded(guard, n ast.Node) possible {
	sure := e.eval(guard)
	out := e.eval(n)
	if _, known := sure.truth(); known {
		return out
	}
	out.v, out.broken, out.open = nil, true, out.open.and(sure.open)
	return out
}

// logic is and and or: one side decides if it can, whatever the other is.
func (e *inference) logic(n *ast.BinaryNode) possible {
	decides := n.Operator == "||" || n.Operator == "or"
	l, r := e.eval(n.Left), e.eval(n.Right)
	left, leftKnown := l.truth()
	right, rightKnown := r.truth()
	switch {
	case leftKnown && left == decides, rightKnown && right == decides:
		return exactly(decides)
	case leftKnown && rightKnown:
		return exactly(!decides)
	}
	return undecided(l.open.and(r.open))
}

// in looks for a value in a literal list.
func (e *inference) in(n *ast.BinaryNode) possible {
	list, ok := n.Right.(*ast.ArrayNode)
	if !ok {
		return undecided(e.opened(n))
	}
	value := e.eval(n.Left)
	var o open
	for _, item := range list.Nodes {
		equal := e.compare("==", n.Left, item, value, e.eval(item))
		if yes, known := equal.truth(); known && yes {
			return equal
		}
		o = o.and(equal.open)
	}
	if len(o.leaves) == 0 && o.trouble == nil {
		return exactly(false)
	}
	return undecided(o)
}

// opened collects what leaves the values below a node undecided.
func (e *inference) opened(n ast.Node) open {
	if i := leafIndex(n); i >= 0 {
		return e.program.leaves[i].possible(i, e.values[i]).open
	}
	if id, ok := n.(*ast.IdentifierNode); ok {
		return e.locals[id.Value].open
	}
	var o open
	for _, child := range children(n) {
		o = o.and(e.opened(child))
	}
	return o
}

// apply is the value of an operator or a function, by the tables of operations. An operation in no table is unknown
// as soon as one of its operands is.
func (e *inference) apply(n ast.Node, failed error) possible {
	name, operands := operation(n)
	if len(operands) == 0 || slices.ContainsFunc(operands, isPredicate) {
		return opaque(n, name, e.opened(n)).because(failed)
	}
	values := make([]possible, len(operands))
	var o open
	for i, operand := range operands {
		values[i] = e.eval(operand)
		o = o.and(values[i].open)
	}
	numbers := !slices.ContainsFunc(operands, func(n ast.Node) bool { return !isNumber(n) })
	switch {
	case name == "not" || name == "!":
		if v, known := values[0].truth(); known {
			return exactly(!v)
		}
		return undecided(o)
	case numbers:
		return e.onNumbers(n, name, values, o)
	case len(values) == 2 && (textRules[name] != nil || isComparison(name)):
		return e.compare(name, operands[0], operands[1], values[0], values[1])
	case failed != nil && !slices.ContainsFunc(values, possible.inexact):
		return broken(o.because(failed))
	case name == callConcat:
		return concatenated(values[0], values[1], o)
	}
	return e.onText(n, name, operands[0], values[0], o)
}

func isPredicate(n ast.Node) bool {
	_, ok := n.(*ast.PredicateNode)
	return ok
}

// onNumbers applies operations on numbers.
func (e *inference) onNumbers(n ast.Node, name string, values []possible, o open) possible {
	if slices.ContainsFunc(values, func(v possible) bool { return v.broken }) {
		if n.Type() == boolType {
			return undecided(o)
		}
		return broken(o)
	}
	first := values[0].span
	if len(values) == 1 {
		if rule := numberRules[name]; rule != nil {
			return between(rule(first), o)
		}
		return opaque(n, name, o)
	}
	if of := listRules[name]; of != nil {
		for _, v := range values[1:] {
			first = Range{of(first.Low, v.span.Low), of(first.High, v.span.High)}
		}
		return between(first, o)
	}
	second := values[1].span
	switch {
	case arithmeticRules[name] != nil:
		out, ok := arithmeticRules[name](first, second)
		switch {
		case !ok:
			return broken(o.because(errDivision))
		case out.Low > largest || out.High < -largest:
			return broken(o.because(errResult))
		}
		return between(out, o)
	case comparisonRules[name] != nil:
		return ordinal(name, first, second, o)
	case name == callWithin:
		apart, _ := less(first, second)
		return ordinal("<=", apart.magnitude(), values[2].span, o)
	}
	return opaque(n, name, o)
}

// ordinal is the truth of a comparison of two numbers.
func ordinal(name string, a, b Range, o open) possible {
	if holds, decided := comparisonRules[name](a, b); decided {
		return exactly(holds)
	}
	return undecided(o)
}

// compare is the truth of a comparison, or of a relation of two texts.
func (e *inference) compare(name string, left, right ast.Node, a, b possible) possible {
	o := a.open.and(b.open)
	switch {
	case a.broken || b.broken:
	case isNumber(left) && isNumber(right):
		return ordinal(name, a.span, b.span, o)
	case areOf(textType)(left, right):
		return e.relate(name, a, b, o)
	case areOf(boolType)(left, right) && a.v != nil && b.v != nil:
		return exactly((a.v == b.v) == (name == "=="))
	}
	return undecided(o)
}

// relate is the truth of a relation of two texts.
func (e *inference) relate(name string, a, b possible, o open) possible {
	rule := textRules[name]
	if rule == nil {
		return undecided(o)
	}
	holds, decided, err := rule(e.runtime, a.beginning(), b.beginning())
	switch {
	case err != nil:
		return undecided(o.because(err))
	case decided:
		return exactly(holds)
	}
	return undecided(o)
}

// concatenated joins two texts; of one of them only the beginning may be known.
func concatenated(a, b possible, o open) possible {
	if !a.inexact() {
		return possible{begins: a.begins + b.begins, open: o, broken: b.broken}
	}
	return possible{begins: a.begins, open: o, broken: a.broken || b.broken}
}

// onText applies an operation to a text of which only the beginning is known.
func (e *inference) onText(n ast.Node, name string, operand ast.Node, v possible, o open) possible {
	switch {
	case v.broken:
		return broken(o)
	case operand.Type() != textType:
		return opaque(n, name, o)
	}
	if of := textFunctions[name]; of != nil {
		return possible{begins: of(v.begins), open: o}
	}
	if name == "len" {
		out := opaque(n, name, o)
		out.span.Low = float64(len([]rune(v.begins)))
		return out
	}
	return opaque(n, name, o)
}

// opaque is a value of which only the type is known.
func opaque(n ast.Node, name string, o open) possible {
	switch {
	case slices.Contains(amounts, name):
		return between(Range{0, anything.High}, o)
	case n.Type() != nil && n.Type().Kind() == reflect.Bool:
		return undecided(o)
	}
	return broken(o)
}
