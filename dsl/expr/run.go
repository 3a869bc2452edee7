package expr

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/types"
	"github.com/expr-lang/expr/vm"
)

// runMessage turns an error of expr's machine into one for users.
func runMessage(err error) string {
	var e *file.Error
	if !errors.As(err, &e) {
		return err.Error()
	}
	message := e.Message
	if strings.Contains(message, "memory budget") {
		message = fmt.Sprintf("the expression builds a list of more than %d elements", memoryBudget)
	}
	return strings.TrimPrefix(message, "runtime error: ")
}

// unknownError is raised when an evaluation reaches an unknown value.
type unknownError struct {
	path string
	why  string
}

func (e *unknownError) Error() string { return e.path + " is unknown: " + e.why }

// env returns the environment of the compiled program. The checker takes the types of the
// calls from it as well.
func (r *runtime) env() map[string]any {
	return map[string]any{
		callFloat:    r.float,
		callInt:      r.whole,
		callString:   r.text,
		callBool:     r.truth,
		callKnown:    r.known,
		callGiven:    r.given,
		callDivide:   divide,
		callModulo:   modulo,
		callPower:    power,
		callMultiply: multiply,
		callConcat:   concat,
		callFilled:   filled,
		callTick:     r.tick,
		callRatio:    divide,
		callChange:   change,
		callWithin:   within,
		callJoin:     join,
		callConforms: r.conforms,
		callMatches:  r.matches,
		callSplit:    split,

		callNormalised: r.normalised,
		callNumberIn:   r.numberIn,
		callSimilar:    r.similar,
		callJSONText:   r.jsonText,
		callJSONNumber: r.jsonNumber,
		callJSONTruth:  r.jsonTruth,
	}
}

func (r *runtime) leaf(i int) (any, error) {
	v := r.values[i]
	if v.Why != "" {
		return nil, &unknownError{r.program.leaves[i].path, v.Why}
	}
	return v.V, nil
}

func (r *runtime) float(i int) (float64, error) {
	v, err := r.leaf(i)
	if err != nil {
		return 0, err
	}
	return v.(float64), nil
}

func (r *runtime) whole(i int) (int, error) {
	v, err := r.leaf(i)
	if err != nil {
		return 0, err
	}
	return v.(int), nil
}

func (r *runtime) text(i int) (string, error) {
	v, err := r.leaf(i)
	if err != nil {
		return "", err
	}
	return v.(string), nil
}

func (r *runtime) truth(i int) (bool, error) {
	v, err := r.leaf(i)
	if err != nil {
		return false, err
	}
	return v.(bool), nil
}

func (r *runtime) known(i int) bool { return r.values[i].Why == "" }

// given says whether ?? keeps a value.
func (r *runtime) given(i int) bool { return r.values[i].given() }

// conforms checks a text against a schema and records where it does not fit.
func (r *runtime) conforms(text string, i int) (bool, error) {
	s := r.program.schemas[i]
	ok, why, err := s.schema.Check(text)
	if err != nil {
		return false, err
	}
	if !ok {
		r.misfits = append(r.misfits, "it does not conform to "+s.name+": "+why)
	}
	return ok, nil
}

// tick counts one predicate call.
func (r *runtime) tick() (bool, error) {
	r.steps++
	if r.steps > stepBudget {
		return false, fmt.Errorf("the expression takes more than %d steps", stepBudget)
	}
	return true, r.late()
}

// arithmetic applies an operation to two numbers and rejects a result that is not a number.
func arithmetic(x, y any, op func(a, b float64) (float64, error)) (float64, error) {
	a, err := number(x)
	if err != nil {
		return 0, err
	}
	b, err := number(y)
	if err != nil {
		return 0, err
	}
	v, err := op(a, b)
	if err == nil && (math.IsNaN(v) || math.Abs(v) > largest) {
		return 0, errResult
	}
	return v, err
}

var (
	errDivision = errors.New("division by zero")
	errResult   = errors.New("the result is not a number")
)

// divide is x/y, for ratio as well.
func divide(x, y any) (float64, error) {
	return arithmetic(x, y, func(a, b float64) (float64, error) {
		if b == 0 {
			return 0, errDivision
		}
		return a / b, nil
	})
}

func modulo(x, y int) (int, error) {
	if y == 0 {
		return 0, errDivision
	}
	return x % y, nil
}

func power(x, y any) (float64, error) {
	return arithmetic(x, y, func(a, b float64) (float64, error) { return math.Pow(a, b), nil })
}

func multiply(x, y any) (float64, error) {
	return arithmetic(x, y, func(a, b float64) (float64, error) { return a * b, nil })
}

// change is the relative change from old to new: 0.1 is 10 % more.
func change(x, old any) (float64, error) {
	return arithmetic(x, old, func(a, b float64) (float64, error) {
		if b == 0 {
			return 0, errDivision
		}
		return (a - b) / b, nil
	})
}

// within reports whether x is at most tolerance away from target.
func within(x, target, tolerance any) (bool, error) {
	distance, err := arithmetic(x, target, func(a, b float64) (float64, error) { return math.Abs(a - b), nil })
	if err != nil {
		return false, err
	}
	t, err := number(tolerance)
	if err != nil {
		return false, err
	}
	return distance <= t, nil
}

var errText = fmt.Errorf("the expression builds a text of more than %d bytes", maxText)

func concat(a, b string) (string, error) {
	if len(a)+len(b) > maxText {
		return "", errText
	}
	return a + b, nil
}

func join(list []string, separator string) (string, error) {
	size := 0
	for _, s := range list {
		if size += len(s) + len(separator); size > maxText {
			return "", errText
		}
	}
	return strings.Join(list, separator), nil
}

func split(text, separator string) ([]string, error) {
	parts := strings.SplitN(text, separator, maxParts+1)
	if len(parts) > maxParts {
		return nil, fmt.Errorf("the text has more than %d parts", maxParts)
	}
	return parts, nil
}

var errEmpty = errors.New("there is no element to look at")

// filled raises an error for an empty list: "all of nothing" is not a pass.
func filled(size int) (bool, error) {
	if size == 0 {
		return false, errEmpty
	}
	return true, nil
}

// run runs the compiled program. An error says why it has no outcome.
func (r *runtime) run() (pass bool, err error) {
	machine := vm.VM{MemoryBudget: memoryBudget}
	out, err := machine.Run(r.program.code, r.env())
	if err != nil {
		return false, runError(err)
	}
	pass, ok := out.(bool)
	if !ok {
		return false, fmt.Errorf("the expression gave %T", out)
	}
	return pass, nil
}

// runError turns an error of expr's machine into a message for users.
func runError(err error) error {
	if unknown, ok := errors.AsType[*unknownError](err); ok {
		return unknown
	}
	if lacks, ok := errors.AsType[*absentError](err); ok {
		return lacks
	}
	return errors.New(runMessage(err))
}

// judge evaluates the expression. A program whose values are all known is run; otherwise the outcome is inferred from
// its parts.
func (r *runtime) judge() (verdict Verdict, why string) {
	known := !slices.ContainsFunc(r.values, func(v Value) bool { return v.Why != "" })
	var failed error
	if known {
		var pass bool
		if pass, failed = r.run(); failed == nil {
			return r.decided(pass)
		}
	}
	out := r.infer(failed)
	if pass, known := out.truth(); known {
		return r.decided(pass)
	}
	if lacks, ok := errors.AsType[*absentError](out.open.trouble); ok && len(out.open.leaves) == 0 {
		return Fail, lacks.Error()
	}
	if failed != nil {
		return Unknown, failed.Error()
	}
	if came := r.asCame(out.open); came != nil {
		if verdict, why := came.judge(); verdict == Fail {
			return verdict, why
		}
	}
	return r.undecided(out.open)
}

// asCame is the evaluation over the received parts of incomplete answers; nil if no value comes from one. What does
// not hold for the received part has failed, because nothing else was said. What holds only because nothing else was
// said is not a pass.
func (r *runtime) asCame(o open) *runtime {
	values := slices.Clone(r.values)
	cut := false
	for _, i := range o.leaves {
		if came := values[i].SoFar; came != nil {
			values[i], cut = Value{V: came}, true
		}
	}
	if !cut {
		return nil
	}
	out := newRuntime(r.program, values)
	out.started, out.steps = r.started, r.steps
	return out
}

func (r *runtime) decided(pass bool) (verdict Verdict, why string) {
	if pass {
		return Pass, ""
	}
	return Fail, strings.Join(r.misfits, "; ")
}

// undecided says why there is no outcome: unsupported if everything that is missing is unsupported.
func (r *runtime) undecided(o open) (verdict Verdict, why string) {
	for _, i := range o.leaves {
		if v := r.values[i]; !v.Unsupported {
			return Unknown, v.missing(r.program.leaves[i].path)
		}
	}
	if o.trouble != nil || len(o.leaves) == 0 {
		return Unknown, fmt.Sprint(o.trouble)
	}
	first := o.leaves[0]
	return Unsupported, r.values[first].missing(r.program.leaves[first].path)
}

// exprConfig returns the settings of parser, checker and compiler. The environment holds only the calls of the
// runtime: by then every name of the author is resolved.
func exprConfig() *conf.Config {
	config := conf.CreateNew()
	env := types.Map{}
	for name, fn := range newRuntime(nil, nil).env() {
		env[name] = types.TypeOf(fn)
	}
	config.WithEnv(env)
	config.MaxNodes = maxExprNodes
	config.Optimize = false // folding constants would bypass the guards
	config.DisableIfOperator = true
	return config
}
