package report

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"homellm/engine/compare"
	"homellm/engine/event"
	"homellm/engine/metrics"
)

// crowded is a run of many cells with many assertions, a few of which failed, with long names.
func crowded(cells, assertions, failed int, size int) *metrics.Run {
	s := start("crowded", event.Conversation{ID: "main"})
	for c := range cells {
		id := fmt.Sprint("c", c)
		s.add(id, event.CellPlanned{Labels: labels2(fmt.Sprint("server-", c), "m"), Turns: 1})
		s.add(id, event.CellStarted{Attempt: 1})
		for i := range assertions {
			v := event.Verdict{Name: fmt.Sprint("gate-", i), That: "run.turns > 9", Severity: "fail", Verdict: "pass",
				Evaluated: 1, Passed: 1, MinPassRate: 1}
			if i < failed {
				v.Verdict, v.Passed, v.Message = "fail", 0, strings.Repeat("x|", size/2)
				v.Operands = []event.Operand{{Path: "run.turns", Value: 3.0}}
			}
			s.add(id, v)
		}
		s.add(id, event.CellDone{})
	}
	s.add("", event.RunDone{})
	r := &metrics.Run{}
	for _, e := range s.events {
		r.Add(e)
	}
	return r
}

// A Markdown report fits a comment of a pull request whatever the run: it loses what passed before
// what did not, and says what it leaves out. One that fits loses nothing.
func TestMarkdown_FitsAComment(t *testing.T) {
	for _, c := range []struct {
		name                      string
		cells, assertions, failed int
		size                      int
		want, not                 []string
	}{
		{"short", 2, 5, 1, 100, []string{"gate-4"}, []string{"Left out"}},
		{"many passed", 1, 1000, 2, 100, []string{"gate-0", "gate-1", "**fail**",
			"Left out to fit a comment: 998 passed assertions."}, []string{"gate-999"}},
		{"much evidence", 1, 40, 40, 4000, []string{"gate-39", "Left out to fit a comment: ", "details"}, nil},
		{"many cells", 150, 10, 1, 100, []string{"server-0", "cells. The other reports"}, []string{"server-149"}},
		{"everything", 20, 40, 40, 4000, []string{"Left out"}, nil},
	} {
		out := render(t, format(t, "markdown"), crowded(c.cells, c.assertions, c.failed, c.size), Options{})
		if len(out) > markdownLimit {
			t.Errorf("%s: %d bytes", c.name, len(out))
		}
		if !strings.HasPrefix(out, "## FAIL: `crowded`") {
			t.Errorf("%s: the verdict does not come first: %.80s", c.name, out)
		}
		for _, w := range c.want {
			if !strings.Contains(out, w) {
				t.Errorf("%s: %q is missing", c.name, w)
			}
		}
		for _, n := range c.not {
			if strings.Contains(out, n) {
				t.Errorf("%s: %q is there", c.name, n)
			}
		}
		if strings.Count(out, "<details>") != strings.Count(out, "</details>") || strings.Count(out, "```")%2 != 0 {
			t.Errorf("%s: cut in the middle of a block", c.name)
		}
	}
}

func TestCompareMarkdown_FitsAComment(t *testing.T) {
	before, after := replay(t, "passing"), slower()
	var gates []compare.Gate
	for i := range 60 {
		path := "phases.with_rag.ttft_ms"
		if i == 40 {
			path = "phases.after_removal.ttft_ms"
		}
		g := gate(fmt.Sprint("gate-", i), path)
		if i != 40 {
			g.Severity = event.SeverityWarn // five repeats are too few for sixty that gate
		}
		gates = append(gates, g)
	}
	rules := compare.Rules{Gates: gates, OnMismatch: "inconclusive"}
	var c compare.Comparison
	for i := range 15 {
		old, changed := compare.Measured(before.Cells[0], "a"), compare.Measured(after.Cells[0], "b")
		c.Pairs = append(c.Pairs, rules.Compare(fmt.Sprint("cell-", i), old, changed, time.Time{}))
	}
	out := compareAs(t, "markdown", c)
	if len(out) > markdownLimit || !strings.HasPrefix(out, "### ❌ FAIL: worse: gate-40") {
		t.Errorf("%d bytes: %.80s", len(out), out)
	}
	if strings.Count(out, "| **worse** |") != 15 ||
		!strings.Contains(out, "Left out to fit a comment: 885 passed assertions") {
		t.Error("what became worse is left out before what did not")
	}
}

// GitHub's runner cuts off what is longer, so that what is cut is cut here, between characters.
func TestAnnotations_AreCut(t *testing.T) {
	a := annotation{"error", "f.yaml", 1, 1, strings.Repeat("ä", 300), []string{strings.Repeat("ö", 5000)}}
	var b strings.Builder
	if err := Annotations(&b, Options{}, crowded(1, 1, 1, 9000)); err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(b.String(), "\n")
	if len(first) > annotationMessage+1000 || !strings.HasSuffix(first, "…") {
		t.Errorf("%d bytes", len(first))
	}
	if got := cut(a.title, annotationTitle); len(got) > annotationTitle || !strings.HasSuffix(got, "ä…") ||
		strings.ContainsRune(got, '\ufffd') {
		t.Errorf("%d %q", len(got), got)
	}
	if got := cut("short", annotationTitle); got != "short" {
		t.Error(got)
	}
}
