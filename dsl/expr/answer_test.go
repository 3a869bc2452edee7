package expr

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"homellm/dsl/figure"
)

// said evaluates an expression on an answer.
func said(t *testing.T, that, answer string) Result {
	t.Helper()
	return mustCompile(t, figure.StepScope, that).Eval(func(path string) Value {
		if path == "turn.text" {
			return Value{V: answer}
		}
		return testLookup(path)
	})
}

func TestNumberIn(t *testing.T) {
	for answer, want := range map[string]string{
		"42": "42", "The answer is 42.": "42", "17 + 25 = 42": "42", "= -5": "-5", "10-5": "5", "−7 °C": "-7",
		"1,234.5 euros": "1234.5", "1\u202f234": "1234", "**42**": "42", "`3.50`": "3.5", ".5": "0.5", "1,2,3": "3",
		"$1,200": "1200", "50%": "50", "6e3": "6000", "a B12 costs 3": "3", "the 4th": "4", "x=9": "9", "+8": "8",
	} {
		r := said(t, "number_in(turn.text) == "+want, answer)
		if r.Verdict != Pass {
			t.Errorf("%q: %s (%s), want %s", answer, r.Verdict, r.Why, want)
		}
	}
	for _, that := range []string{"number_in(turn.text) == 4", "number_in(turn.text) != 4",
		"not (number_in(turn.text) > 4)"} {
		for _, answer := range []string{"forty-two", "", "B12", "no number"} {
			if r := said(t, that, answer); r.Verdict != Fail || r.Why != "there is no number in the text" {
				t.Errorf("%s of %q: %s (%s)", that, answer, r.Verdict, r.Why)
			}
		}
	}
	if r := said(t, "turn.text == 'none' or number_in(turn.text) == 4", "none"); r.Verdict != Pass {
		t.Errorf("what is decided without the number: %s (%s)", r.Verdict, r.Why)
	}
	if r := said(t, "number_in(turn.text) == 4", strings.Repeat("9", 400)); r.Verdict != Unknown {
		t.Errorf("a number without end: %s (%s)", r.Verdict, r.Why)
	}
}

func TestNormalised(t *testing.T) {
	for answer, want := range map[string]string{
		"  The  Boat-House.\n": "the boat house", "don’t": "dont", "“Lomvik”!": "lomvik", "**Rye** _bread_": "rye bread",
		"1,234.5 kg": "1,234.5 kg", "-5, or 5-6?": "-5 or 5 6", "ﬁne ½": "fine 1⁄2", "50 %": "50", "50%": "50%",
		"e\u0301té": "été", "`x`": "x", "...": "",
	} {
		if got := normalise(answer); got != want {
			t.Errorf("%q: %q, want %q", answer, got, want)
		}
		if again := normalise(want); again != want {
			t.Errorf("%q is not at rest: %q", want, again)
		}
	}
	if r := said(t, "normalised(turn.text) == 'oslo'", " Oslo."); r.Verdict != Pass {
		t.Errorf("%s (%s)", r.Verdict, r.Why)
	}
}

func TestSimilar(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want float64
	}{
		{"kitten", "sitting", 1 - 3.0/7}, {"same", "same", 1}, {"", "abc", 0}, {"abc", "xyz", 0}, {"été", "ete", 1.0 / 3},
		{"", "", 1},
	} {
		for _, that := range []string{c.a, c.b} {
			other := c.a + c.b
			other = strings.Replace(other, that, "", 1)
			got, err := newRuntime(nil, nil).similar(that, other)
			if err != nil || fmt.Sprintf("%.6f", got) != fmt.Sprintf("%.6f", c.want) {
				t.Errorf("%q and %q: %v (%v), want %v", that, other, got, err, c.want)
			}
		}
	}
}

func TestJSONPath(t *testing.T) {
	const answer = "```json\n" + `{"name": "pump", "torque": 40.0, "ok": true, "id": 12345678901234567890, "none": null,
		"parts": [{"a b": "x"}, {"n": -2}], "1": {"<": "&"}}` + "\n```"
	for that, want := range map[string]Verdict{
		`json_path(turn.text, "$.name") == "pump"`:                       Pass,
		`json_path(turn.text, "$.torque") == 40`:                         Pass,
		`json_path(turn.text, "$.torque") == "40.0"`:                     Pass,
		`40 == json_path(turn.text, "$.torque")`:                         Pass,
		`json_path(turn.text, "$.torque") in [39, 40]`:                   Pass,
		`39 < json_path(turn.text, "$.torque") < 41`:                     Pass,
		`json_path(turn.text, "$.torque") / 4 == 10`:                     Pass,
		`within(json_path(turn.text, "$.torque"), 40.5, 1)`:              Pass,
		`json_path(turn.text, "$.torque") > turn.ttft_ms`:                Fail,
		`json_path(turn.text, "$.ok") and turn.ok`:                       Pass,
		`not json_path(turn.text, "$.ok") or turn.ttft_ms < 0`:           Fail,
		`json_path(turn.text, "$.ok") == true`:                           Pass,
		`json_path(turn.text, "$.id") == "12345678901234567890"`:         Pass,
		`json_path(turn.text, "$.none") == "null"`:                       Pass,
		`json_path(turn.text, "$.parts[0]['a b']") == "x"`:               Pass,
		`json_path(turn.text, "$.parts[-1].n") == -2`:                    Pass,
		`json_path(turn.text, '$["1"]') == '{"<":"&"}'`:                  Pass,
		`number_in(json_path(turn.text, "$.torque")) == 40`:              Pass,
		`json_path(turn.text, "$.name") != 3`:                            Fail, // it is not a number
		`json_path(turn.text, "$.parts[2]") != "x"`:                      Fail,
		`json_path(turn.text, "$.name.x") != "x"`:                        Fail,
		`json_path(turn.text, "$.nothing") == "x" or turn.ttft_ms > 100`: Pass,
	} {
		if r := said(t, that, answer); r.Verdict != want {
			t.Errorf("%s: %s (%s), want %s", that, r.Verdict, r.Why, want)
		}
	}
	for answer, want := range map[string]string{
		"pump": "fail the text is not JSON: ", `{"name": "pump"} and more`: "fail the text is not JSON alone",
		"```\n{}":                                "fail it is not JSON: the fenced block has no end",
		"[" + strings.Repeat("1,", 1<<19) + "1]": "unknown the text has ",
		`{"name": [1]}`:                          "fail ", `{}`: "fail there is no $.name in the JSON of the text",
	} {
		r := said(t, `json_path(turn.text, "$.name") == "pump"`, answer)
		if got := string(r.Verdict) + " " + r.Why; !strings.HasPrefix(got, want) {
			t.Errorf("%.30s: %s, want %s", answer, got, want)
		}
	}
	for that, want := range map[string]string{
		`json_path(turn.text, turn.text) == "x"`:   "a literal text",
		`json_path(turn.text, "name") == "x"`:      `"name" is no path`,
		`json_path(turn.text, "$..name") == "x"`:   "is no path",
		`json_path(turn.text, "$.a[*]") == "x"`:    "is no path",
		`json_path(turn.ttft_ms, "$.name") == "x"`: "",
		`json_path(turn.text, "$.name")`:           "must be true or false",
		`number_in(turn.ttft_ms) == 1`:             "",
		`similar(turn.text) > 0.5`:                 "takes 2 arguments",
	} {
		p, problems := compileExpr(that, testScope(figure.StepScope), true)
		if p != nil || len(problems) == 0 || !strings.Contains(problems[0].message+problems[0].help, want) {
			t.Errorf("%s: %v, want %q", that, problems, want)
		}
	}
}

// TestAnswerFunctionsAreBounded checks that an untrusted scenario cannot make them compute for long.
func TestAnswerFunctionsAreBounded(t *testing.T) {
	long := strings.Repeat("4 ", 4<<20)
	for that, why := range map[string]string{
		"normalised(turn.text) == ''":                               "at most 4194304 are read",
		"number_in(turn.text) == 4":                                 "at most 4194304 are read",
		"similar(turn.text, '4') > 0.5":                             "up to 10000 characters",
		`json_path(turn.text, "$") == 4`:                            "at most 1048576 are checked",
		"any(split(turn.text[0:400000], ' '), similar(#, '5') > 2)": "more than",
	} {
		synctest.Test(t, func(t *testing.T) { // virtual time stands still, so only the size limit can end it
			if r := said(t, that, long); r.Verdict != Unknown || !strings.Contains(r.Why, why) {
				t.Errorf("%s: %s (%s)", that, r.Verdict, r.Why)
			}
		})
	}
	late := newRuntime(&program{paths: []jsonPath{{text: "$"}}}, nil)
	late.started = late.started.Add(-maxEval)
	for name, err := range map[string]error{
		"similar":    second(late.similar("abc", "abd")),
		"number_in":  second(late.numberIn("1 2")),
		"normalised": second(late.normalised("a")),
		"json_path":  second(late.jsonText("1", 0)),
	} {
		if err == nil || !strings.Contains(err.Error(), "takes longer") {
			t.Errorf("%s goes on after the time is up: %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// TestAnswerFunctionsOfACutReply checks that an assertion stays unknown if the missing rest of a cut reply could change
// it.
func TestAnswerFunctionsOfACutReply(t *testing.T) {
	for that, want := range map[string]Verdict{
		"number_in(turn.text) == 41":               Unknown, // another number may follow
		"number_in(turn.text) == 42":               Fail,
		"normalised(turn.text) startsWith 'torq'":  Pass,
		"normalised(turn.text) == 'torque is 41'":  Unknown,
		"normalised(turn.text) == 'torque was 41'": Fail,
		"similar(turn.text, 'Torque is 41') > 0.9": Unknown,
		"similar(turn.text, 'Something') > 0.9":    Fail,
		`json_path(turn.text, "$.a") == 1`:         Fail,
	} {
		r := mustCompile(t, figure.StepScope, that).Eval(func(string) Value { return cut("Torque is 41") })
		if r.Verdict != want {
			t.Errorf("%s: %s (%s), want %s", that, r.Verdict, r.Why, want)
		}
	}
}
