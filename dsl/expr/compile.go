// Package expr compiles and evaluates the expressions of assertions: names, types, limits and outcomes. The input is
// the text of an expression, its names and the measured values; the output is a verdict with its operands, and what a
// plan can know before the run. It knows nothing of the decoding of files and of how anything is measured.
package expr

import (
	"reflect"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/checker"
	exprcompiler "github.com/expr-lang/expr/compiler"
	"github.com/expr-lang/expr/parser"

	"homellm/dsl/syntax"
)

// compileExpr compiles an expression for one scope. It returns no program if a problem is an error. It never panics,
// whatever the text.
func compileExpr(text string, s *scope, gate bool) (p *program, problems []problem) {
	c := &compilation{
		scope: s, text: text, gate: gate,
		program:  &program{smallN: s.env.AllowSmallN},
		index:    map[string]int{},
		resolved: map[ast.Node]ast.Node{},
		guarded:  map[ast.Node]ast.Node{},
	}
	defer func() {
		// expr's parser and checker dereference nodes that a syntax error left empty. Such a text is wrong in any case.
		if r := recover(); r != nil {
			p, problems = nil, append(c.problems, problem{
				severity: syntax.Error, code: "expr/syntax", message: "the expression cannot be read",
			})
		}
	}()
	c.run()
	if slices.ContainsFunc(c.problems, func(p problem) bool { return p.severity == syntax.Error }) {
		return nil, c.problems
	}
	return c.program, c.problems
}

func (c *compilation) run() {
	if strings.TrimSpace(c.text) == "" {
		c.fail(0, 0, "expr/empty", "an unquoted # starts a YAML comment, and an unquoted ! a YAML tag: quote the whole "+
			"expression",
			"the expression is empty")
		return
	}
	if n := len([]rune(c.text)); n > maxExprRunes {
		c.fail(0, 0, "expr/size", c.shorter(),
			"the expression has %d characters, and %d are allowed", n, maxExprRunes)
		return
	}
	config := exprConfig()
	tree, err := parser.ParseWithConfig(c.text, config)
	if err != nil {
		c.syntax(err)
		return
	}
	tree.Node = c.resolve(tree.Node)
	if c.failed() {
		return
	}
	c.collect(tree.Node)
	if c.scope.env.Confidence > 0 {
		c.confident(tree.Node)
		c.apart(tree.Node)
	}
	ast.Walk(&tree.Node, c)
	if !c.namesMetric() {
		c.constantWhole()
		return
	}
	if _, err := checker.Check(tree, config); err != nil {
		c.mistyped(err)
		return
	}
	tree.Node = c.guard(tree.Node)
	if c.failed() {
		return
	}
	t, err := checker.Check(tree, config)
	if err != nil {
		c.mistyped(err)
		return
	}
	if t.Kind() != reflect.Bool {
		c.fail(0, 0, "expr/type", c.comparisonHelp(), "%s must be true or false, but this is %s", c.noun(), typeName(t))
		return
	}
	c.untyped(tree.Node)
	if c.failed() {
		return
	}
	config.Expect = reflect.Bool
	code, err := exprcompiler.Compile(tree, config)
	if err != nil {
		c.mistyped(err)
		return
	}
	c.program.code, c.program.tree = code, tree.Node
}

// comparisonHelp suggests a comparison for an expression that is a single value.
func (c *compilation) comparisonHelp() string {
	if len(c.program.leaves) != 1 || !c.program.leaves[0].kind.number() {
		return "compare it with something"
	}
	if c.program.leaves[0].rate {
		return "compare it with a share: " + c.program.leaves[0].path + " > 0.5"
	}
	return "compare it with something: " + c.program.leaves[0].path + " < 100"
}

// namesMetric reports whether a measurement can change the outcome.
func (c *compilation) namesMetric() bool {
	return slices.ContainsFunc(c.program.leaves, func(l leaf) bool { return l.measured })
}
