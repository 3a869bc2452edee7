package expr

import (
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/checker"
	exprcompiler "github.com/expr-lang/expr/compiler"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/types"
	"github.com/expr-lang/expr/vm"

	"homellm/dsl/syntax"
)

// Condition is a condition on one call of a tool. It holds no state, so it may be shared.
type Condition struct {
	code   *vm.Program
	schema any // of the arguments
}

// Call holds the parts of a call that a condition may name.
type Call struct {
	Name      string
	Arguments any // as encoding/json makes them; nil where they are not valid
	Text      string
	N         int // which call of this tool it is in the conversation, from 1
}

// callType lists the names after "call." in a condition.
var callType = types.Map{"name": types.String, "arguments": types.String, "n": types.Int}

// conditionFunctions are the functions that a condition may call.
var conditionFunctions = []string{"len", "lower", "upper", "trim", "split", "all", "any", "none", "abs", "int", "float"}

// CompileCondition compiles the text of a node as a condition on calls of a tool. Schema is the JSON Schema of the
// arguments, as decoded by encoding/json; nil: the tool takes none.
func CompileCondition(n *syntax.Node, schema any) (*Condition, syntax.Diagnostics) {
	text := strings.TrimSpace(n.Text())
	c := &compilation{text: text}
	args, _ := typeOf(schema, 0).(types.Map)
	if args == nil {
		args = types.Map{}
	}
	code := c.condition(args)
	place := Assertion{source: n.Src}
	shift := len([]rune(n.Text())) - len([]rune(strings.TrimLeft(n.Text(), " \t\n")))
	var out syntax.Diagnostics
	for _, g := range c.problems {
		out = append(out, place.diagnose(n, g, shift))
	}
	if code == nil {
		return nil, out
	}
	return &Condition{code, schema}, out
}

func (c *compilation) condition(args types.Map) (code *vm.Program) {
	defer func() {
		if r := recover(); r != nil { // expr's checker dereferences nodes that a syntax error left empty
			c.fail(0, 0, "expr/syntax", "", "the expression cannot be read")
			code = nil
		}
	}()
	if n := len([]rune(c.text)); n > maxExprRunes {
		c.fail(0, 0, "expr/size", "", "the expression has %d characters, and %d are allowed", n, maxExprRunes)
		return nil
	}
	config := conf.CreateNew()
	config.WithEnv(types.Map{"args": args, "call": callType})
	config.MaxNodes, config.DisableIfOperator = maxExprNodes, true
	tree, err := parser.ParseWithConfig(c.text, config)
	if err != nil {
		c.syntax(err)
		return nil
	}
	names := &conditionNames{compilation: c, args: args}
	ast.Walk(&tree.Node, names)
	if c.failed() {
		return nil
	}
	if !names.named {
		c.fail(0, 0, "expr/constant", "name a parameter, as in args."+firstName(args)+`, or call.n; without "when" a result `+
			"answers every call", "the condition names no parameter: it is the same for every call")
		return nil
	}
	t, err := checker.Check(tree, config)
	if err != nil {
		c.mistyped(err)
		return nil
	}
	if t.Kind() != reflect.Bool {
		c.fail(0, 0, "expr/type", "compare it with something", "a condition must be true or false, but this is %s",
			typeName(t))
		return nil
	}
	config.Expect = reflect.Bool
	if code, err = exprcompiler.Compile(tree, config); err != nil {
		c.mistyped(err)
		return nil
	}
	return code
}

func firstName(args types.Map) string {
	for _, name := range slices.Sorted(maps.Keys(args)) {
		return name
	}
	return "NAME"
}

// conditionNames checks the names in a condition, before the types are checked.
type conditionNames struct {
	*compilation
	args  types.Map
	named bool
}

// Visit rejects unknown names and functions.
func (v *conditionNames) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.MemberNode:
		group, ok := n.Node.(*ast.IdentifierNode)
		property, text := n.Property.(*ast.StringNode)
		if !ok || !text {
			return
		}
		known := map[string]types.Map{"args": v.args, "call": callType}[group.Value]
		if known == nil {
			return
		}
		v.named = true
		if _, ok := known[property.Value]; !ok {
			what := "the tool has no parameter %q"
			if group.Value == "call" {
				what = "nothing of a call is named %q"
			}
			help := syntax.SuggestOr(property.Value, slices.Sorted(maps.Keys(known)), "names known here")
			v.failAt(n.Property, "expr/name", help, what, property.Value)
		}
	case *ast.IdentifierNode:
		if n.Value != "args" && n.Value != "call" {
			help := `write args.NAME for a parameter, or call.name, call.n, call.arguments`
			if _, ok := v.args[n.Value]; ok {
				help = "write args." + n.Value
			}
			v.failAt(n, "expr/name", help, "unknown name %q", n.Value)
		}
	case *ast.BuiltinNode:
		v.function(n, n.Name)
	case *ast.CallNode:
		name := ""
		if id, ok := n.Callee.(*ast.IdentifierNode); ok {
			name = id.Value
		}
		v.function(n, name)
	}
}

func (v *conditionNames) function(n ast.Node, name string) {
	if !slices.Contains(conditionFunctions, name) {
		v.failAt(n, "expr/function", syntax.SuggestOr(name, conditionFunctions, "functions known here"),
			"a condition cannot call %q", name)
	}
}

// Holds reports whether the condition is true of a call. Arguments that are missing or of another type than the
// parameters say make it false: a model may send anything.
func (c *Condition) Holds(call Call) bool {
	args, _ := conform(call.Arguments, typeOf(c.schema, 0)).(map[string]any)
	if args == nil {
		args = map[string]any{}
	}
	out, err := vm.Run(c.code, map[string]any{
		"args": args, "call": map[string]any{"name": call.Name, "arguments": call.Text, "n": call.N},
	})
	is, _ := out.(bool)
	return err == nil && is
}

// deepest bounds how far into a schema types are followed.
const deepest = 8

// typeOf is the type of the values that a JSON Schema accepts, if the schema names a single one.
func typeOf(schema any, depth int) types.Type {
	doc, _ := schema.(map[string]any)
	if depth > deepest {
		return types.Any
	}
	switch doc["type"] {
	case "string":
		return types.String
	case "integer":
		return types.Int
	case "number":
		return types.Float64
	case "boolean":
		return types.Bool
	case "array":
		return types.Array(typeOf(doc["items"], depth+1))
	case "object":
		properties, ok := doc["properties"].(map[string]any)
		if !ok {
			return types.Any
		}
		out := types.Map{}
		for name, of := range properties {
			out[name] = typeOf(of, depth+1)
		}
		return out
	}
	return types.Any
}

// conform makes integers of the numbers that a schema says are integers: JSON has only one kind of number.
func conform(v any, t types.Type) any {
	switch v := v.(type) {
	case float64:
		if t.Equal(types.Int) && v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			return int(v)
		}
	case map[string]any:
		of, ok := t.(types.Map)
		if !ok {
			return v
		}
		out := map[string]any{}
		for name, value := range v {
			if field, ok := of[name]; ok {
				out[name] = conform(value, field)
			}
		}
		return out
	}
	return v
}
