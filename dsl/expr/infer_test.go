package expr

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"homellm/dsl/figure"
)

// partly is a value that is known to lie in an interval.
func partly(low, high float64) Value { return Value{Range: &Range{low, high}, Why: "1 of 2 turns"} }

func cut(text string) Value { return Value{SoFar: text, Why: "the reply was cut"} }

var notReported = Value{Why: "the server has no field for it", Unsupported: true}

type inferenceTest struct {
	that   string
	values map[string]Value
	want   Verdict
}

func inferenceTests() []inferenceTest {
	lost := Value{Why: "the field was absent"}
	hit, ttft, text := "turn.cache.hit_rate", "turn.ttft_ms", "turn.text"
	return []inferenceTest{
		// Kleene: what is decided by one side is decided.
		{"turn.cache.hit_rate > 0.5 || turn.ok", map[string]Value{hit: lost}, Pass},
		{"turn.cache.hit_rate > 0.5 && !turn.ok", map[string]Value{hit: lost}, Fail},
		{"turn.cache.hit_rate > 0.5 || !turn.ok", map[string]Value{hit: lost}, Unknown},
		{"turn.prompt_tokens / turn.cache.reusable_rate > 1 || turn.ok", nil, Pass},
		{"turn.ok ? true : turn.cache.hit_rate > 0.5", map[string]Value{hit: lost}, Pass},
		{"turn.cache.hit_rate > 0.5 ? turn.ttft_ms < 200 : turn.ttft_ms < 130", map[string]Value{hit: lost}, Pass},
		{"turn.cache.hit_rate > 0.5 ? turn.ttft_ms < 200 : turn.ttft_ms < 100", map[string]Value{hit: lost}, Unknown},

		// Intervals: over all of it, over none of it, or neither.
		{"turn.cache.hit_rate > 0.3", map[string]Value{hit: partly(0.34, 0.55)}, Pass},
		{"turn.cache.hit_rate > 0.6", map[string]Value{hit: partly(0.34, 0.55)}, Fail},
		{"turn.cache.hit_rate > 0.45", map[string]Value{hit: partly(0.34, 0.55)}, Unknown},
		{"turn.cache.hit_rate > 0.55", map[string]Value{hit: partly(0.34, 0.55)}, Fail},
		{"turn.cache.hit_rate >= 0.55", map[string]Value{hit: partly(0.34, 0.55)}, Unknown},
		{"within(turn.cache.hit_rate, 0.45, 0.05)", map[string]Value{hit: partly(0.34, 0.55)}, Unknown},
		{"!within(turn.cache.hit_rate, 0.45, 0.05)", map[string]Value{hit: partly(0.34, 0.55)}, Unknown},
		{"within(turn.cache.hit_rate, 0.45, 0.2)", map[string]Value{hit: partly(0.34, 0.55)}, Pass},
		{"within(turn.cache.hit_rate, 0.9, 0.2)", map[string]Value{hit: partly(0.34, 0.55)}, Fail},
		{"0.3 < turn.cache.hit_rate < 0.6", map[string]Value{hit: partly(0.34, 0.55)}, Pass},
		{"let half = turn.cache.hit_rate / 2; half < 0.3", map[string]Value{hit: partly(0.34, 0.55)}, Pass},
		{"max(turn.cache.hit_rate, 0.6) == 0.6", map[string]Value{hit: partly(0.34, 0.55)}, Pass},
		{"abs(turn.cache.hit_rate - 0.45) < 0.2", map[string]Value{hit: partly(0.34, 0.55)}, Pass},
		{"turn.ttft_ms - turn.ttft_ms < 1", map[string]Value{ttft: partly(10, 20)}, Unknown},
		{"turn.ttft_ms / turn.ttft_ms < 3", map[string]Value{ttft: partly(10, 20)}, Pass},
		{"pct_change(turn.ttft_ms, 100) < 0.2", map[string]Value{ttft: partly(90, 110)}, Pass},
		{"100 / turn.ttft_ms > 0", map[string]Value{ttft: partly(0, 20)}, Unknown},
		{"turn.ttft_ms < 100", map[string]Value{ttft: partly(110, math.Inf(1))}, Fail},
		{"turn.ttft_ms * 0 == 0", map[string]Value{ttft: partly(110, math.Inf(1))}, Pass},

		// What is unknown still lies where its metric can.
		{"turn.cache.hit_rate <= 1 && turn.ok", map[string]Value{hit: lost}, Pass},
		{"turn.ttft_ms < 0", map[string]Value{ttft: lost}, Fail},
		{"turn.ttft_ms < 1", map[string]Value{ttft: lost}, Unknown},

		// known() asks for the exact value, and ?? takes what there is.
		{"known(turn.cache.hit_rate)", map[string]Value{hit: partly(0.34, 0.55)}, Fail},
		{"(turn.cache.hit_rate ?? 0) > 0.3", map[string]Value{hit: partly(0.34, 0.55)}, Pass},
		{"(turn.cache.hit_rate ?? 0) > 0.4", map[string]Value{hit: partly(0.34, 0.55)}, Unknown},
		{"(turn.cache.hit_rate ?? 0) > 0.3", map[string]Value{hit: lost}, Fail},
		{"(turn.cache.hit_rate ?? 1) > 0.3", map[string]Value{hit: notReported}, Pass},

		// Unsupported means that the server cannot report it; one value that it should have reported makes it unknown.
		{"turn.cache.hit_rate > 0.5", map[string]Value{hit: notReported}, Unsupported},
		{"turn.cache.hit_rate > 0.5 && turn.ok", map[string]Value{hit: notReported}, Unsupported},
		{"turn.cache.hit_rate > 0.5 && turn.ttft_ms < 1", map[string]Value{hit: notReported, ttft: lost}, Unknown},
		{"turn.cache.hit_rate > 0.5 || turn.ttft_ms < 0", map[string]Value{hit: notReported, ttft: lost}, Unsupported},
		{"turn.cache.hit_rate > 0.5 && turn.prompt_tokens / turn.cache.reusable_rate > 1", map[string]Value{hit: notReported},
			Unknown},
		{"turn.cache.hit_rate > 0.5 && !turn.ok", map[string]Value{hit: notReported}, Fail},

		// A cut text is known up to the cut. What its rest cannot mend has failed, and what its rest could break has not
		// passed.
		{`turn.text contains "41"`, map[string]Value{text: cut("torque 41")}, Pass},
		{`turn.text contains "42"`, map[string]Value{text: cut("torque 41")}, Fail},
		{`not (turn.text contains "42")`, map[string]Value{text: cut("torque 41")}, Unknown},
		{`not (turn.text contains "41")`, map[string]Value{text: cut("torque 41")}, Fail},
		{`!(turn.text matches "4[2-9]")`, map[string]Value{text: cut("torque 41")}, Unknown},
		{`turn.text matches "4[0-9]"`, map[string]Value{text: cut("torque 41")}, Pass},
		{`turn.text matches "4[0-9]$"`, map[string]Value{text: cut("torque 41")}, Unknown},
		{`turn.text matches "^torque\\b"`, map[string]Value{text: cut("torque 41")}, Pass},
		{`turn.text matches "41\\b"`, map[string]Value{text: cut("torque 41")}, Unknown},
		{`turn.text startsWith "torque"`, map[string]Value{text: cut("torque 41")}, Pass},
		{`turn.text startsWith "Torque"`, map[string]Value{text: cut("torque 41")}, Fail},
		{`turn.text startsWith "torque 41 N"`, map[string]Value{text: cut("torque 41")}, Fail},
		{`not (turn.text endsWith "1")`, map[string]Value{text: cut("torque 41")}, Fail},
		{`not (turn.text endsWith "2")`, map[string]Value{text: cut("torque 41")}, Unknown},
		{`turn.text contains "42" || turn.cache.hit_rate > 0.5`, map[string]Value{text: cut("torque 41"), hit: lost}, Unknown},
		{`turn.text contains "42" && turn.cache.hit_rate > 0.5`, map[string]Value{text: cut("torque 41"), hit: lost}, Fail},
		{`turn.text == ""`, map[string]Value{text: cut("")}, Unknown},
		{`turn.text == ""`, map[string]Value{text: cut("torque")}, Fail},
		{`turn.text != "none"`, map[string]Value{text: cut("torque")}, Pass},
		{`turn.text not in ["torque", "41"]`, map[string]Value{text: cut("torque")}, Fail},
		{`turn.text not in ["none", "41"]`, map[string]Value{text: cut("torque")}, Pass},
		{`turn.text in ["torque"]`, map[string]Value{text: cut("")}, Fail},
		{`lower(turn.text) contains "torque"`, map[string]Value{text: cut("Torque")}, Pass},
		{`not (lower(turn.text) contains "x")`, map[string]Value{text: cut("Torque")}, Unknown},
		{`len(turn.text) < 90`, map[string]Value{text: cut("Torque")}, Unknown},
		{`len(turn.text) < 5`, map[string]Value{text: cut("Torque")}, Fail},
		{`len(trim(turn.text)) > 5`, map[string]Value{text: cut(" Torque ")}, Pass},
		{`turn.text + "!" contains "que"`, map[string]Value{text: cut("Torque")}, Pass},
		{`not ("> " + turn.text contains "x")`, map[string]Value{text: cut("Torque")}, Unknown},
		{`count(split(turn.text, ". "), # != "") < 3`, map[string]Value{text: cut("One. Two")}, Unknown},
		{`none(split(turn.text, " "), # == "x")`, map[string]Value{text: cut("One two")}, Unknown},
		{`all(split(turn.text, " "), # != "x")`, map[string]Value{text: cut("One two")}, Unknown},
		{`not any(split(turn.text, " "), # == "x")`, map[string]Value{text: cut("")}, Unknown},
		{`find(split(turn.text, " "), # != "x") != "y"`, map[string]Value{text: cut("One two")}, Unknown},
		{`let said = turn.text; not (said contains "x")`, map[string]Value{text: cut("One two")}, Unknown},
		{`(turn.ok ? turn.text : "") not in ["x"]`, map[string]Value{text: cut("")}, Unknown},
		{`(turn.text ?? "none") contains "x"`, map[string]Value{text: cut("")}, Fail},
		{`not conforms(turn.text, "schema")`, map[string]Value{text: cut("{}")}, Unknown},
		{`not (turn.text[0:3] == "abc")`, map[string]Value{text: cut("One")}, Unknown},
		{`"one two" contains turn.text`, map[string]Value{text: cut("three")}, Fail},
		{`string(turn.ttft_ms) != "5"`, map[string]Value{ttft: partly(1, 9)}, Unknown},
		{`all([1, 2], # < turn.ttft_ms)`, map[string]Value{ttft: partly(5, 9)}, Unknown},
		{`turn.prompt_tokens % 16 < 16`, map[string]Value{"turn.prompt_tokens": partly(5, 900)}, Pass},
	}
}

func TestInference(t *testing.T) {
	for _, c := range inferenceTests() {
		r := mustCompile(t, figure.StepScope, c.that).Eval(func(path string) Value {
			if v, ok := c.values[path]; ok {
				return v
			}
			return testLookup(path)
		})
		if r.Verdict != c.want || (r.Why == "") != (c.want == Pass || c.want == Fail) {
			t.Errorf("%s over %v: %s (%s), want %s", c.that, c.values, r.Verdict, r.Why, c.want)
		}
	}
}

func TestWhatIsMissingIsNamed(t *testing.T) {
	for want, v := range map[string]Value{
		"turn.cache.hit_rate is unknown: the field was absent":                    {Why: "the field was absent"},
		"turn.cache.hit_rate is unsupported: the server has no field for it":      notReported,
		"turn.cache.hit_rate is only known to be from 0.34 to 0.55: 1 of 2 turns": partly(0.34, 0.55),
	} {
		r := mustCompile(t, figure.StepScope, "turn.cache.hit_rate > 0.5").Eval(func(string) Value { return v })
		if r.Why != want {
			t.Errorf("got %q, want %q", r.Why, want)
		}
	}
}

// expressions makes up expressions of numbers and truths over four values.
type expressions struct{ *rand.Rand }

var measuredNames = []string{"turn.ttft_ms", "turn.prompt_tokens", "turn.cache.hit_rate", "turn.cache.cached_tokens"}

func (g expressions) number(depth int) string {
	n := func() string { return g.number(depth - 1) }
	if depth <= 0 {
		if g.IntN(3) == 0 {
			return []string{"0", "1", "2", "3", "0.5", "2.5", "100", "-4"}[g.IntN(8)]
		}
		return measuredNames[g.IntN(len(measuredNames))]
	}
	switch g.IntN(14) {
	case 0, 1:
		return fmt.Sprintf("(%s %s %s)", n(), []string{"+", "-", "*", "/"}[g.IntN(4)], n())
	case 2:
		return fmt.Sprintf("%s(%s, %s)", []string{"min", "max", "ratio", "pct_change"}[g.IntN(4)], n(), n())
	case 3:
		return fmt.Sprintf("%s(%s)", []string{"abs", "floor", "ceil", "round"}[g.IntN(4)], n())
	case 4:
		return fmt.Sprintf("(%s ? %s : %s)", g.truth(depth-1), n(), n())
	case 5:
		return fmt.Sprintf("(-%s)", n())
	case 6:
		return fmt.Sprintf("(%s ** %d)", n(), g.IntN(4))
	case 7:
		return fmt.Sprintf("int(%s)", n())
	case 8:
		return fmt.Sprintf("(turn.prompt_tokens %% %d)", 1+g.IntN(9))
	case 9:
		return fmt.Sprintf("(%s ?? %s)", measuredNames[g.IntN(len(measuredNames))], n())
	}
	return n()
}

func (g expressions) truth(depth int) string {
	if depth <= 1 || g.IntN(2) == 0 {
		if g.IntN(8) == 0 {
			return fmt.Sprintf("within(%s, %s, %s)", g.number(depth-1), g.number(depth-1), g.number(depth-1))
		}
		return fmt.Sprintf("(%s %s %s)", g.number(depth-1), []string{"<", "<=", ">", ">=", "==", "!="}[g.IntN(6)],
			g.number(depth-1))
	}
	t := func() string { return g.truth(depth - 1) }
	switch g.IntN(5) {
	case 0:
		return fmt.Sprintf("(not %s)", t())
	case 1:
		return fmt.Sprintf("(%s ? %s : %s)", t(), t(), t())
	case 2:
		return fmt.Sprintf("(any([1, 2, 3], # < %s))", g.number(1))
	}
	return fmt.Sprintf("(%s %s %s)", t(), []string{"&&", "||"}[g.IntN(2)], t())
}

func (g expressions) assertion() string {
	if g.IntN(4) == 0 {
		return fmt.Sprintf("let v = %s; %s", g.number(2), strings.Replace(g.truth(3), "turn.ttft_ms", "v", 1))
	}
	return g.truth(4)
}

// value is one that a measured name may have, and box an interval around it.
func (g expressions) value(name string) float64 {
	switch {
	case strings.HasSuffix(name, "rate"):
		return float64(g.IntN(5)) / 4
	case strings.HasSuffix(name, "tokens"):
		return float64(g.IntN(6) * g.IntN(40))
	}
	return g.Float64() * float64(g.IntN(300))
}

func compiled(g expressions) (string, *Assertion) {
	for {
		that := g.assertion()
		if p, _ := compileExpr(that, testScope(figure.StepScope), false); p != nil {
			return that, &Assertion{That: that, program: p}
		}
	}
}

// TestInferenceIsNeverWrong compares random expressions over random boxes with the compiled program at points of each
// box: what is decided for the box must be true at every point.
func TestInferenceIsNeverWrong(t *testing.T) {
	g := expressions{rand.New(rand.NewPCG(1, 14))}
	decided, expressionsTried := 0, 0
	for range 2000 {
		that, a := compiled(g)
		expressionsTried++
		box := map[string]Value{}
		for _, name := range measuredNames {
			low, high := g.value(name), g.value(name)
			switch low, high = min(low, high), max(low, high); {
			case g.IntN(4) == 0:
				box[name] = Value{V: low}
			case g.IntN(8) == 0 && !strings.HasSuffix(name, "rate"):
				box[name] = partly(low, math.Inf(1))
			default:
				box[name] = partly(low, high)
			}
		}
		r := a.Eval(func(path string) Value { return box[path] })
		if r.Verdict != Pass && r.Verdict != Fail {
			continue
		}
		decided++
		for range 12 {
			at := map[string]Value{}
			for name, v := range box {
				if v.Range == nil {
					at[name] = v
					continue
				}
				high := min(v.Range.High, v.Range.Low+1000)
				p := []float64{v.Range.Low, high, v.Range.Low + g.Float64()*(high-v.Range.Low)}[g.IntN(3)]
				if strings.HasSuffix(name, "tokens") {
					p = math.Round(p)
				}
				at[name] = Value{V: p}
			}
			if got := a.Eval(func(path string) Value { return at[path] }); got.Verdict != r.Verdict {
				t.Fatalf("%s is %s over %v, and %s (%s) at %v", that, r.Verdict, describe(box), got.Verdict, got.Why, at)
			}
		}
	}
	if decided < expressionsTried/4 {
		t.Errorf("%d of %d are decided: nothing is tested", decided, expressionsTried)
	}
}

func describe(box map[string]Value) map[string]string {
	out := map[string]string{}
	for name, v := range box {
		if out[name] = fmt.Sprint(v.V); v.Range != nil {
			out[name] = v.Range.String()
		}
	}
	return out
}

// TestInferenceAgreesOnPoints compares intervals that are single numbers with the compiled program.
func TestInferenceAgreesOnPoints(t *testing.T) {
	g := expressions{rand.New(rand.NewPCG(2, 14))}
	open, tried := 0, 0
	for range 2000 {
		that, a := compiled(g)
		exact, points := map[string]Value{}, map[string]Value{}
		for _, name := range measuredNames {
			v := g.value(name)
			exact[name], points[name] = Value{V: v}, partly(v, v)
		}
		want := a.Eval(func(path string) Value { return exact[path] })
		got := a.Eval(func(path string) Value { return points[path] })
		if tried++; got.Verdict == Unknown && want.Verdict != Unknown {
			open++
		} else if got.Verdict != want.Verdict {
			t.Fatalf("%s at %v: %s (%s), and %s (%s) where the values are exact", that, exact, got.Verdict, got.Why,
				want.Verdict, want.Why)
		}
	}
	if open > tried/4 {
		t.Errorf("%d of %d points are left open", open, tried)
	}
}
