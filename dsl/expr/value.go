package expr

import (
	"fmt"
	"math"
)

// Verdict is the outcome of one evaluation.
type Verdict string

// The verdicts.
const (
	Pass Verdict = "pass"
	Fail Verdict = "fail"
	// the server should have reported it, and did not or cannot be trusted
	Unknown     Verdict = "unknown"
	Unsupported Verdict = "unsupported" // the server does not report it, as was known before the run
)

// Lookup returns the value of a path. It need not know vars and axes, because a program has those from its scenario.
// For an unknown path it returns a value with a Why.
type Lookup func(path string) Value

// Value is one value with its source. V is a float64, int, string or bool. If Why is not empty, V is nil, Why says
// what is missing, and Range or SoFar what is known nevertheless.
type Value struct {
	V           any
	Unit        string
	Source      string
	Why         string
	Range       *Range // of a number
	SoFar       any    // of an answer that was cut off: the value for the part that came; a text begins so
	Unsupported bool   // the server does not report it, as was known before the run
}

// Operand is one value that an expression reads.
type Operand struct {
	Path string
	Value
}

// Result is the outcome of one evaluation. Operands has every value that the expression names, in order of
// appearance, including those that a short circuit skipped.
type Result struct {
	Verdict  Verdict
	Operands []Operand
	Why      string // why the verdict is neither; of a Fail, what did not conform to a schema
}

// unknownAs converts what is known of an unknown value to the type that the expression was compiled for.
func (v Value) unknownAs(k Kind) Value {
	v.V = nil
	if v.Range != nil && (!k.number() || math.IsNaN(v.Range.Low) || math.IsNaN(v.Range.High)) {
		v.Range = nil
	}
	if v.SoFar != nil {
		v.SoFar = Value{V: v.SoFar}.as(k).V
	}
	return v
}

// as converts the value to the type that the expression was compiled for.
func (v Value) as(k Kind) Value {
	if v.Why != "" {
		return v.unknownAs(k)
	}
	switch x := v.V.(type) {
	case float64:
		if math.IsNaN(x) || math.Abs(x) > largest {
			return Value{Unit: v.Unit, Source: v.Source, Why: "the value is not a number"}
		}
		if k == Float {
			return v
		}
		if k == Int && isWhole(x) {
			v.V = int(x)
			return v
		}
	case int:
		switch k {
		case Int:
			return v
		case Float:
			v.V = float64(x)
			return v
		}
	case string:
		if k == String {
			return v
		}
	case bool:
		if k == Bool {
			return v
		}
	case nil:
		return Value{Unit: v.Unit, Source: v.Source, Why: "it was not measured"}
	}
	return Value{Unit: v.Unit, Source: v.Source, Why: fmt.Sprintf("%s was expected, and the value is %v", k.Words(), v.V)}
}

// isWhole reports whether a number is a whole one that an int holds.
func isWhole(x float64) bool { return x == math.Trunc(x) && math.Abs(x) < maxLiteral }

// largest limits the magnitude of a value, so that sums of a few are still finite.
const largest = 1e300

// number converts a value that the checker found to be a number.
func number(v any) (float64, error) {
	switch v := v.(type) {
	case float64:
		return v, nil
	case int:
		return float64(v), nil
	}
	return 0, fmt.Errorf("%v is not a number", v)
}
