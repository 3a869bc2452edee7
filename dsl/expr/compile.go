// Package expr compiles and evaluates the expressions of assertions: names, types, limits and outcomes.
// The text of an expression, what it may name and the values that were measured come in; a verdict
// with its operands, and what a plan can know beforehand, go out. It knows nothing of the files'
// decoding and of how anything is measured.
package expr

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/checker"

	"homellm/dsl/syntax"

	exprcompiler "github.com/expr-lang/expr/compiler"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/types"
	"github.com/expr-lang/expr/vm"

	"homellm/schema"
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

// program is a compiled expression. It holds no state of an evaluation, so it may be shared.
type program struct {
	code   *vm.Program
	leaves []leaf       // each path once, in order of appearance
	spans  []span       // where the leaves stand
	bounds []bound      // comparisons with constants that must hold for the assertion to pass
	apart  []difference // comparisons of measured values with each other, wherever they stand
	smallN bool         // percentiles of few samples are allowed
	shapes []namedShape
}

// leaf is one value that an expression reads.
type leaf struct {
	path     string
	metric   string // the name below its group, such as cache.hit_rate
	kind     Kind
	unit     string
	measured bool
	rate     bool   // a share from 0 to 1
	whole    bool   // a count, or a count out of a distribution of counts
	constant any    // the value of a var or an axis
	source   string // where the constant stands
	floor    int    // of a percentile: the samples it needs
	samples  int    // that are planned for it; 0: not known when the file is read
}

// namedShape is a schema that an expression holds a text against.
type namedShape struct {
	name  string
	shape *schema.Shape
}

// span is a stretch of the expression, in runes.
type span struct {
	leaf     int
	from, to int
}

// bound is a necessary condition: leaf op value.
type bound struct {
	leaf     int
	op       string // < <= > >= ==
	value    float64
	from, to int
}

// problem is a finding about an expression. From and to are rune offsets into it; to is 0 if
// only the start is known.
type problem struct {
	from, to int
	severity syntax.Severity
	code     string
	message  string
	help     string
}

// compilation is the work on one expression.
type compilation struct {
	scope *scope
	text  string
	gate  bool // a failure fails the run

	problems []problem
	program  *program
	index    map[string]int // path to leaf
	locals   []local
	depth    int                   // predicates around the node at hand
	resolved map[ast.Node]ast.Node // nodes of a chained comparison have two parents
	guarded  map[ast.Node]ast.Node
}

// local is a name declared by let.
type local struct {
	name string
	kind reflect.Type
}

// compileExpr compiles an expression for one scope. It returns no program if a problem is an
// error. It never panics, whatever the text.
func compileExpr(text string, s *scope, gate bool) (p *program, problems []problem) {
	c := &compilation{
		scope: s, text: text, gate: gate,
		program:  &program{smallN: s.env.AllowSmallN},
		index:    map[string]int{},
		resolved: map[ast.Node]ast.Node{},
		guarded:  map[ast.Node]ast.Node{},
	}
	defer func() {
		// expr's parser and checker dereference nodes that a syntax error left empty. Such a
		// text is wrong in any case.
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
		c.fail(0, 0, "expr/empty", "an unquoted # starts a YAML comment, and an unquoted ! a YAML tag: quote the whole expression",
			"the expression is empty")
		return
	}
	if n := len([]rune(c.text)); n > maxExprRunes {
		c.fail(0, 0, "expr/size", "split it into several assertions",
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
	ast.Walk(&tree.Node, c)
	if !c.namesMetric() {
		c.fail(0, 0, "expr/constant", "name a metric of the turn, step, conversation or run",
			"no measurement can change this assertion: it names no metric")
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
		c.fail(0, 0, "expr/type", c.comparisonHelp(), "an assertion must be true or false, but this is %s", typeName(t))
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
	c.program.code = code
}

// comparisonHelp proposes what to do with an expression that is one value.
func (c *compilation) comparisonHelp() string {
	if len(c.program.leaves) != 1 || !c.program.leaves[0].kind.number() {
		return "compare it with something"
	}
	if c.program.leaves[0].rate {
		return "compare it with a share: " + c.program.leaves[0].path + " > 0.5"
	}
	return "compare it with something: " + c.program.leaves[0].path + " < 100"
}

// exprConfig returns the settings of parser, checker and compiler. The environment holds the
// calls of the runtime only: by the time it is used, every name of the author is resolved.
func exprConfig() *conf.Config {
	config := conf.CreateNew()
	env := types.Map{}
	for name, fn := range newRuntime(nil, nil).env() {
		env[name] = types.TypeOf(fn)
	}
	config.WithEnv(env)
	config.MaxNodes = maxExprNodes
	config.Optimize = false // folding constants would go round the guards
	config.DisableIfOperator = true
	return config
}

func (c *compilation) fail(from, to int, code, help, format string, args ...any) {
	c.add(problem{from, to, syntax.Error, code, fmt.Sprintf(format, args...), help})
}

func (c *compilation) warn(from, to int, code, help, format string, args ...any) {
	c.add(problem{from, to, syntax.Warning, code, fmt.Sprintf(format, args...), help})
}

func (c *compilation) add(p problem) {
	// expr places what is missing behind the end of the text.
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

// namesMetric reports whether a measurement can change the outcome.
func (c *compilation) namesMetric() bool {
	return slices.ContainsFunc(c.program.leaves, func(l leaf) bool { return l.measured })
}
