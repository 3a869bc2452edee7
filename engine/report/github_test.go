package report

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"homellm/engine/event"
	"homellm/engine/metrics"
)

// judgedRun is a run in which so many assertions failed and so many warned.
func judgedRun(name string, failed, warned int) *metrics.Run {
	s := start(name, event.Conversation{ID: "main"})
	s.add("c1", event.CellPlanned{Labels: labels2("vllm", "m"), Turns: 1})
	s.add("c1", event.CellStarted{Attempt: 1})
	for i := range failed + warned {
		severity := event.SeverityFail
		if i >= failed {
			severity = event.SeverityWarn
		}
		s.add("c1", event.Verdict{Name: fmt.Sprint("gate: ", i, ", 100%"), That: "run.turns > 9", Severity: severity,
			Verdict: "fail", Evaluated: 1, MinPassRate: 1,
			File: "dir/a,b:c.yaml", Line: i + 1, Column: 7, Message: "line one\nline two, 50%",
			Operands: []event.Operand{{Path: "run.turns", Value: 3.0}}})
	}
	s.add("c1", event.CellDone{})
	s.add("", event.RunDone{})
	r := &metrics.Run{}
	for _, e := range s.events {
		r.Add(e)
	}
	return r
}

func TestAnnotations_EscapeAndPlace(t *testing.T) {
	out := render(t, format(t, "github"), judgedRun("x", 1, 0),
		Options{Path: func(f string) string { return "repo/" + f }})
	first, _, _ := strings.Cut(out, "\n")
	want := `::error file=repo/dir/a%2Cb%3Ac.yaml,line=1,col=7,title=gate%3A 0%2C 100%25::` +
		`vllm x m%0A3 > 9 is false (0/1 repeats)%0Aline one\nline two, 50%25%0Arun.turns   3`
	if first != want {
		t.Errorf("got  %s\nwant %s", first, want)
	}
}

// GitHub shows ten annotations of a severity and step. One more would push the tenth out without a
// word; and several runs of one step share the limit.
func TestAnnotations_Limit(t *testing.T) {
	for _, c := range []struct {
		runs            []*metrics.Run
		errors, warns   int
		moreErr, moreOf string
	}{
		{[]*metrics.Run{judgedRun("a", 10, 10)}, 10, 10, "", ""},
		{[]*metrics.Run{judgedRun("a", 11, 3)}, 10, 3, "::error::and 2 more, see summary", ""},
		{[]*metrics.Run{judgedRun("a", 6, 8), judgedRun("b", 6, 8)}, 10, 10, "::error::and 3 more, see summary",
			"::warning::and 7 more, see summary"},
	} {
		var b bytes.Buffer
		if err := Annotations(&b, Options{}, c.runs...); err != nil {
			t.Fatal(err)
		}
		out := b.String()
		if e, w := strings.Count(out, "::error"), strings.Count(out, "::warning"); e != c.errors || w != c.warns {
			t.Errorf("%d errors and %d warnings, want %d and %d:\n%s", e, w, c.errors, c.warns, out)
		}
		if !strings.Contains(out, c.moreErr) || !strings.Contains(out, c.moreOf) {
			t.Errorf("%q or %q is missing in\n%s", c.moreErr, c.moreOf, out)
		}
		if strings.Index(out, "::warning") < strings.LastIndex(out, "::error") {
			t.Errorf("a warning stands before an error:\n%s", out)
		}
	}
}
