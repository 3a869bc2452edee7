package expr

import (
	"math"
	"strings"

	"github.com/expr-lang/expr/ast"
)

// arithmeticRules are the operations on two numbers, by their operator or call. The other tables are by the type of
// an operand.
var arithmeticRules = map[string]func(a, b Range) (Range, bool){
	"+": sum, "-": less, "*": product, callMultiply: product, callDivide: quotient, callRatio: quotient,
	callPower: raised, callModulo: remainder, callChange: relative,
}

// numberRules are the functions of one number.
var numberRules = map[string]func(Range) Range{
	"abs":   Range.magnitude,
	"floor": func(r Range) Range { return r.growing(math.Floor) },
	"ceil":  func(r Range) Range { return r.growing(math.Ceil) },
	"round": func(r Range) Range { return r.growing(math.Round) },
	"int":   func(r Range) Range { return r.growing(math.Trunc) },
	"float": func(r Range) Range { return r },
	"+":     func(r Range) Range { return r },
	"-":     negative,
}

// listRules are the functions of several numbers.
var listRules = map[string]func(a, b float64) float64{"min": math.Min, "max": math.Max}

// comparisonRules say whether a comparison of two numbers holds for all numbers in the intervals, for none, or
// neither.
var comparisonRules = map[string]func(a, b Range) (holds, decided bool){
	"<":  ordered(func(a, b Range) bool { return a.High < b.Low }, func(a, b Range) bool { return a.Low >= b.High }),
	"<=": ordered(func(a, b Range) bool { return a.High <= b.Low }, func(a, b Range) bool { return a.Low > b.High }),
	">":  ordered(func(a, b Range) bool { return a.Low > b.High }, func(a, b Range) bool { return a.High <= b.Low }),
	">=": ordered(func(a, b Range) bool { return a.Low >= b.High }, func(a, b Range) bool { return a.High < b.Low }),
	"==": ordered(same, apart),
	"!=": ordered(apart, same),
}

func ordered(always, never func(a, b Range) bool) func(a, b Range) (holds, decided bool) {
	return func(a, b Range) (bool, bool) { return always(a, b), always(a, b) || never(a, b) }
}

func same(a, b Range) bool  { return a.Low == a.High && a == b }
func apart(a, b Range) bool { return a.High < b.Low || b.High < a.Low }

// textRules say whether a relation of two texts holds if only the beginning of one or both is known.
var textRules = map[string]func(r *runtime, a, b beginning) (holds, decided bool, err error){
	"==":         func(_ *runtime, a, b beginning) (bool, bool, error) { return a == b, decided(a, b), nil },
	"!=":         func(_ *runtime, a, b beginning) (bool, bool, error) { return a != b, decided(a, b), nil },
	"contains":   contained,
	"startsWith": started,
	"endsWith":   func(*runtime, beginning, beginning) (bool, bool, error) { return false, false, nil },
	callMatches:  matched,
}

// beginning is a text, or the beginning of one.
type beginning struct {
	text  string
	whole bool
}

// decided says whether two texts are certainly equal or certainly not.
func decided(a, b beginning) bool {
	n := min(len(a.text), len(b.text))
	return a.whole && b.whole || a.text[:n] != b.text[:n] || a.whole && len(a.text) < len(b.text) || b.whole &&
		len(b.text) < len(a.text)
}

func contained(_ *runtime, a, b beginning) (holds, decided bool, err error) {
	found := strings.Contains(a.text, b.text)
	return found, found && b.whole || !found && a.whole, nil
}

func started(_ *runtime, a, b beginning) (holds, decided bool, err error) {
	if strings.HasPrefix(a.text, b.text) {
		return true, b.whole, nil
	}
	n := min(len(a.text), len(b.text))
	return false, a.text[:n] != b.text[:n] || a.whole, nil
}

// matched says that a pattern matches a text if it matches the beginning, unless the rest may undo the match.
func matched(r *runtime, a, b beginning) (holds, decided bool, err error) {
	if !b.whole || a.whole {
		return false, false, nil
	}
	holds, err = r.matchesForGood(a.text, b.text)
	return holds, holds, err
}

// textFunctions apply functions to the beginning of a text.
var textFunctions = map[string]func(string) string{"lower": strings.ToLower, "upper": strings.ToUpper,
	"trim": strings.TrimSpace, callNormalised: normalisedStart}

// amounts are the functions that count.
var amounts = []string{"len", "count"}

// operation is a node's name in the tables, and its operands.
func operation(n ast.Node) (name string, operands []ast.Node) {
	switch n := n.(type) {
	case *ast.UnaryNode:
		return n.Operator, children(n)
	case *ast.BinaryNode:
		return n.Operator, children(n)
	case *ast.CallNode:
		return n.Callee.(*ast.IdentifierNode).Value, n.Arguments
	case *ast.BuiltinNode:
		return n.Name, n.Arguments
	}
	return "", nil
}
