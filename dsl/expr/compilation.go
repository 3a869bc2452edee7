package expr

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/expr-lang/expr/ast"

	"homellm/dsl/figure"
	"homellm/dsl/syntax"
)

// An assertion's expression goes through five stages:
//
//  1. parse: expr's own parser, on a text of bounded length and size;
//  2. resolve: every name is looked up in the scope of the assertion, everything outside the
//     allowed language is refused, and each chain of names becomes a typed call that returns
//     the value or raises unknownError;
//  3. check: expr's type checker, in an environment that holds those calls only;
//  4. guard: with the types known, `??`, division, text joining and lists become calls that can
//     neither divide by zero, overflow, run without end nor pass because a list is empty;
//  5. check again and compile.
//
// Nothing is left to the run but values: a program cannot meet a name or a type it does not know.

// The bounds of an expression.
const (
	maxExprRunes = 2048
	maxExprNodes = 200
	maxNesting   = 2      // predicates inside predicates
	maxRange     = 10_000 // elements of a range such as 1..10
	maxLiteral   = 1e15   // so that no arithmetic on literals leaves float64
)

// compilation is the state of compiling one expression.
type compilation struct {
	scope *scope
	text  string
	gate  bool // a failure fails the run

	problems []problem
	program  *program
	index    map[string]int // path to leaf
	locals   []local
	depth    int                   // depth of predicates around the current node
	resolved map[ast.Node]ast.Node // nodes of a chained comparison have two parents
	guarded  map[ast.Node]ast.Node
}

// local is a name declared by let.
type local struct {
	name string
	kind reflect.Type
}

func (c *compilation) fail(from, to int, code, help, format string, args ...any) {
	c.add(problem{from, to, syntax.Error, code, fmt.Sprintf(format, args...), help})
}

func (c *compilation) warn(from, to int, code, help, format string, args ...any) {
	c.add(problem{from, to, syntax.Warning, code, fmt.Sprintf(format, args...), help})
}

func (c *compilation) add(p problem) {
	// expr reports a missing part after the end of the text.
	end := len([]rune(c.text))
	p.from = min(p.from, end)
	p.to = min(max(p.to, p.from), end)
	c.problems = append(c.problems, p)
}

func (c *compilation) failAt(n ast.Node, code, help, format string, args ...any) {
	loc := n.Location()
	c.fail(loc.From, loc.To, code, help, format, args...)
}

func (c *compilation) failed() bool {
	return slices.ContainsFunc(c.problems, func(p problem) bool { return p.severity == syntax.Error })
}

func (c *compilation) local(name string) *local {
	for i := len(c.locals) - 1; i >= 0; i-- {
		if c.locals[i].name == name {
			return &c.locals[i]
		}
	}
	return nil
}

// noun names what is compiled.
func (c *compilation) noun() string {
	if c.scope.env.Scope == figure.BoxScope {
		return string(figure.BoxScope)
	}
	return "an assertion"
}

// shorter says what to do about an expression that is too large.
func (c *compilation) shorter() string {
	if c.scope.env.Scope == figure.BoxScope {
		return "give the boxes that can a label of their own, and ask for that: box.label.<key>"
	}
	return "split it into several assertions"
}

// constantWhole reports an expression whose outcome nothing can change.
func (c *compilation) constantWhole() {
	if c.scope.env.Scope == figure.BoxScope {
		c.fail(0, 0, "expr/constant", "name a fact of the box, such as "+boxExample,
			"this is the same for every box: it names no fact of a box")
		return
	}
	c.fail(0, 0, "expr/constant", "name a metric of the turn, step, conversation or run",
		"no measurement can change this assertion: it names no metric")
}
