package expr

import (
	"reflect"
	"slices"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
)

var (
	floatType = reflect.TypeFor[float64]()
	intType   = reflect.TypeFor[int]()
	textType  = reflect.TypeFor[string]()
	boolType  = reflect.TypeFor[bool]()
)

func typed(n ast.Node, t reflect.Type) ast.Node {
	n.SetType(t)
	return n
}

func isNumber(n ast.Node) bool { return n.Type() == floatType || n.Type() == intType }

func isZero(n ast.Node) bool {
	i, ok := n.(*ast.IntegerNode)
	return ok && i.Value == 0
}

// children lists the nodes directly below a node.
func children(n ast.Node) []ast.Node {
	switch n := n.(type) {
	case *ast.UnaryNode:
		return []ast.Node{n.Node}
	case *ast.BinaryNode:
		return []ast.Node{n.Left, n.Right}
	case *ast.MemberNode:
		return []ast.Node{n.Node, n.Property}
	case *ast.SliceNode:
		out := []ast.Node{n.Node}
		for _, end := range []ast.Node{n.From, n.To} {
			if end != nil {
				out = append(out, end)
			}
		}
		return out
	case *ast.CallNode:
		return n.Arguments
	case *ast.BuiltinNode:
		return n.Arguments
	case *ast.PredicateNode:
		return []ast.Node{n.Node}
	case *ast.ConditionalNode:
		return []ast.Node{n.Cond, n.Exp1, n.Exp2}
	case *ast.VariableDeclaratorNode:
		return []ast.Node{n.Value, n.Expr}
	case *ast.SequenceNode:
		return n.Nodes
	case *ast.ArrayNode:
		return n.Nodes
	}
	return nil
}

// leafIndex returns the number of the value that a node reads, or -1.
func leafIndex(n ast.Node) int {
	c, ok := n.(*ast.CallNode)
	if !ok {
		return -1
	}
	callee, ok := c.Callee.(*ast.IdentifierNode)
	if !ok || !slices.Contains([]string{callFloat, callInt, callString, callBool}, callee.Value) {
		return -1
	}
	return c.Arguments[0].(*ast.IntegerNode).Value
}

// leafOf returns the value that a node reads, or nil if it is something else.
func leafOf(n ast.Node, leaves []leaf) *leaf {
	if i := leafIndex(n); i >= 0 {
		return &leaves[i]
	}
	return nil
}

// known builds the condition under which a resolved node can be evaluated, or nil if it always can. A value before ??
// may be unknown if what follows is known; everywhere else all values below the node must be known, even those that a
// short circuit might skip. By is the call that checks one value.
func known(n ast.Node, leaves []leaf, by string) ast.Node {
	if i := leafIndex(n); i >= 0 {
		if leaves[i].constant != nil {
			return nil
		}
		return call(n.Location(), by, &ast.IntegerNode{Value: i})
	}
	if b, ok := n.(*ast.BinaryNode); ok && b.Operator == "??" {
		l, r := known(b.Left, leaves, by), known(b.Right, leaves, by)
		if l == nil || r == nil {
			return nil
		}
		return logic(n.Location(), "||", l, r)
	}
	if c, ok := n.(*ast.CallNode); ok && c.Callee.(*ast.IdentifierNode).Value == callKnown {
		return nil
	}
	var all ast.Node
	for _, child := range children(n) {
		switch k := known(child, leaves, by); {
		case k == nil:
		case all == nil:
			all = k
		default:
			all = logic(n.Location(), "&&", all, k)
		}
	}
	return all
}

func logic(at file.Location, op string, l, r ast.Node) ast.Node {
	n := &ast.BinaryNode{Operator: op, Left: l, Right: r}
	n.SetLocation(at)
	return n
}

// call builds a call of the runtime.
func call(at file.Location, name string, arguments ...ast.Node) *ast.CallNode {
	callee := &ast.IdentifierNode{Value: name}
	callee.SetLocation(at)
	n := &ast.CallNode{Callee: callee, Arguments: arguments}
	n.SetLocation(at)
	return n
}

func isLogic(op string) bool { return slices.Contains([]string{"&&", "||", "and", "or"}, op) }

func isComparison(op string) bool {
	return slices.Contains([]string{"<", "<=", ">", ">=", "==", "!="}, op)
}

// The names of the runtime's calls. An author cannot use them, because the resolver rejects every name that is not in
// scope.
const (
	callFloat    = "__number"
	callInt      = "__whole"
	callString   = "__text"
	callBool     = "__truth"
	callKnown    = "__known"
	callGiven    = "__given"
	callDivide   = "__divide"
	callModulo   = "__modulo"
	callPower    = "__power"
	callMultiply = "__multiply"
	callConcat   = "__concat"
	callFilled   = "__filled"
	callTick     = "__tick"
	callRatio    = "ratio"
	callChange   = "pct_change"
	callWithin   = "within"
	callJoin     = "__join"
	callConforms = "__conforms"
	callMatches  = "__matches"
	callSplit    = "__split"

	callNormalised = "normalised"
	callNumberIn   = "number_in"
	callSimilar    = "similar"
	callJSONText   = "__json_text"
	callJSONNumber = "__json_number"
	callJSONTruth  = "__json_truth"
)
