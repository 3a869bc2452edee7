package report

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"homellm/engine/event"
	"homellm/engine/exit"
	"homellm/engine/metrics"
)

// readSuites is JUnit as a reader sees it.
type readSuites struct {
	readCounts
	Suites []readSuite `xml:"testsuite"`
}

type readSuite struct {
	readCounts
	Name  string     `xml:"name,attr"`
	Cases []readCase `xml:"testcase"`
}

type readCase struct {
	Name    string      `xml:"name,attr"`
	Class   string      `xml:"classname,attr"`
	File    string      `xml:"file,attr"`
	Line    int         `xml:"line,attr"`
	Failure *readResult `xml:"failure"`
	Error   *readResult `xml:"error"`
	Skipped *readResult `xml:"skipped"`
}

type readCounts struct {
	Tests    int    `xml:"tests,attr"`
	Failures int    `xml:"failures,attr"`
	Errors   int    `xml:"errors,attr"`
	Skipped  int    `xml:"skipped,attr"`
	Time     string `xml:"time,attr"`
}

type readResult struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

func readJUnit(t *testing.T, out string) readSuites {
	t.Helper()
	var s readSuites
	if err := xml.Unmarshal([]byte(out), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// The counters of suites and root are what their cases add up to, and a run is red if and only
// if it did not pass.
func TestJUnit_CountersAgree(t *testing.T) {
	runs := map[string]*metrics.Run{"empty": {}}
	for name := range stories {
		runs[name] = replay(t, name)
	}
	for i, p := range payloads {
		runs[fmt.Sprint("payload ", i)] = attacked(p)
	}
	for name, r := range runs {
		s := readJUnit(t, render(t, format(t, "junit"), r, Options{}))
		var root readCounts
		var names []string
		for _, suite := range s.Suites {
			var n readCounts
			for _, c := range suite.Cases {
				n.Tests++
				switch {
				case c.Failure != nil:
					n.Failures++
				case c.Error != nil:
					n.Errors++
				case c.Skipped != nil:
					n.Skipped++
				}
			}
			n.Time = suite.Time
			if n != suite.readCounts {
				t.Errorf("%s: suite %s counts %+v, has %+v", name, suite.Name, suite.readCounts, n)
			}
			root.Tests, root.Failures, root.Errors, root.Skipped = root.Tests+n.Tests, root.Failures+n.Failures,
				root.Errors+n.Errors, root.Skipped+n.Skipped
			names = append(names, suite.Name)
		}
		root.Time = s.Time
		if root != s.readCounts {
			t.Errorf("%s: the root counts %+v, has %+v", name, s.readCounts, root)
		}
		if !slices.IsSorted(names) {
			t.Errorf("%s: the suites stand in the order %v", name, names)
		}
		_, code, _ := r.Outcome()
		if red := root.Failures+root.Errors > 0; red != (code != exit.Pass) {
			t.Errorf("%s: exit code %d, but %d failures and %d errors", name, code, root.Failures, root.Errors)
		}
	}
}

func TestJUnit_Policies(t *testing.T) {
	for _, c := range []struct {
		verdict                event.Outcome
		severity               event.Severity
		onUnknown              event.OnUnknown
		element, kind, message string
	}{
		{"pass", "fail", "", "", "", ""},
		{"fail", "fail", "", "failure", "assertion", "0.31 > 0.5 is false (9/12 repeats)"},
		{"fail", "warn", "", "skipped", "", "warning: 0.31 > 0.5 is false (9/12 repeats)"},
		{"unknown", "fail", "inconclusive", "error", "unknown", "unknown: no data"},
		{"unknown", "fail", "fail", "failure", "unknown", "unknown: no data"},
		{"unknown", "fail", "skip", "error", "unknown", "unknown: no data"},
		{"unknown", "warn", "inconclusive", "skipped", "", "unknown: no data"},
		{"unsupported", "fail", "inconclusive", "error", "unsupported", "unsupported: no data"},
		{"unsupported", "fail", "fail", "failure", "unsupported", "unsupported: no data"},
		{"unsupported", "fail", "skip", "skipped", "", "unsupported: no data"},
		{"unsupported", "fail", "warn", "skipped", "", "unsupported: no data"},
		{"skipped", "fail", "", "skipped", "", "no data"},
	} {
		s := start("rag", event.Conversation{ID: "main"})
		s.add("c1", event.CellPlanned{Labels: labels2("qwen-optimized", "qwen2.5-7b"), Turns: 1})
		s.add("c1", event.CellStarted{Attempt: 1})
		s.add("c1", event.Verdict{Name: "survives", That: "turn.cache.hit_rate > 0.5", Scope: "step", Severity: c.severity,
			OnUnknown: c.onUnknown, Verdict: c.verdict, Why: "no data",
			Evaluated: 12, Passed: 9, MinPassRate: 1, File: "rag.yaml", Line: 77,
			Operands: []event.Operand{{Path: "turn.cache.hit_rate", Value: 0.31}}})
		s.add("c1", event.CellDone{})
		s.add("", event.RunDone{})
		r := &metrics.Run{}
		for _, e := range s.events {
			r.Add(e)
		}
		got := readJUnit(t, render(t, format(t, "junit"), r, Options{})).Suites
		k := slices.IndexFunc(got, func(s readSuite) bool { return strings.Contains(s.Name, " x ") })
		test := got[k].Cases[0]
		if test.Name != "survives" || test.Class != "rag.qwen-optimized.qwen2.5-7b" || test.File != "rag.yaml" ||
			test.Line != 77 {
			t.Errorf("%+v: the case is %+v", c, test)
		}
		for element, res := range map[string]*readResult{"failure": test.Failure, "error": test.Error,
			"skipped": test.Skipped} {
			switch {
			case (res != nil) != (element == c.element):
				t.Errorf("%+v: <%s> is there: %t", c, element, res != nil)
			case res != nil && (res.Message != c.message || res.Type != c.kind):
				t.Errorf("%+v: got %q of type %q", c, res.Message, res.Type)
			}
		}
	}
}

// A file that does not load is red: CI must never show "0 tests, green".
func TestJUnit_BrokenFile(t *testing.T) {
	var b bytes.Buffer
	err := JUnit(&b, []*metrics.Run{replay(t, "passing")},
		[]Broken{{"bad.yaml", "2 errors", "bad.yaml:3:1: error: unknown key \x1b[31m\nbad.yaml:4:1: error: <b>\n"}})
	if err != nil {
		t.Fatal(err)
	}
	s := readJUnit(t, b.String())
	if len(s.Suites) != 2 || s.Errors != 1 || s.Suites[0].Name != "bad.yaml" || len(s.Suites[0].Cases) != 1 {
		t.Fatalf("%+v", s)
	}
	if e := s.Suites[0].Cases[0].Error; e == nil || e.Type != "load" || e.Message != "2 errors" ||
		e.Text != "bad.yaml:3:1: error: unknown key \\x1b[31m\nbad.yaml:4:1: error: <b>" {
		t.Errorf("%+v", e)
	}
	valid(t, b.String())
}

func TestJUnit_FollowsTheSchema(t *testing.T) {
	for name := range stories {
		valid(t, render(t, format(t, "junit"), replay(t, name), Options{}))
	}
	for _, p := range payloads {
		valid(t, render(t, format(t, "junit"), attacked(p), Options{}))
	}
	valid(t, render(t, format(t, "junit"), &metrics.Run{}, Options{}))
}

// valid checks a document against testdata/junit.xsd with xmllint, and where that is not
// installed against its list of elements and attributes.
func valid(t *testing.T, out string) {
	t.Helper()
	wellFormed(t, out)
	if xmllint, err := exec.LookPath("xmllint"); err == nil {
		path := filepath.Join(t.TempDir(), "junit.xml")
		if err := os.WriteFile(path, []byte(out), 0o600); err != nil {
			t.Fatal(err)
		}
		if msg, err := exec.CommandContext(t.Context(), xmllint, "--noout", "--nonet", "--schema",
			filepath.Join("testdata", "junit.xsd"), path).CombinedOutput(); err != nil {
			t.Errorf("%s\n%s", msg, out)
		}
	}
	schema, err := os.ReadFile(filepath.Join("testdata", "junit.xsd"))
	if err != nil {
		t.Fatal(err)
	}
	d := xml.NewDecoder(strings.NewReader(out))
	for {
		token, err := d.Token()
		if err != nil {
			return
		}
		if e, ok := token.(xml.StartElement); ok {
			for _, name := range append([]xml.Attr{{Name: e.Name}}, e.Attr...) {
				if !bytes.Contains(schema, []byte(`name="`+name.Name.Local+`"`)) {
					t.Errorf("the schema does not know %s of <%s>", name.Name.Local, e.Name.Local)
				}
			}
		}
	}
}
