package report

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"homellm/engine/event"
	"homellm/engine/metrics"
)

// gridRun is a run of many cells along two axes, in turn, with times that grow along both.
func gridRun(places, sizes, repeats int) *metrics.Run {
	s := start("grid", event.Conversation{ID: "main"})
	id := func(p, n int) string { return fmt.Sprintf("p%dn%d", p, n) }
	for p := range places {
		for n := range sizes {
			s.add(id(p, n), event.CellPlanned{Labels: append(labels2("sim", "m"),
				event.Label{Name: "place", Value: string(rune('a' + p))}, event.Label{Name: "size", Value: fmt.Sprint(8 << n)}),
				Turns: 4})
			s.add(id(p, n), event.CellStarted{Attempt: 1, Server: event.Server{Profile: "sim", Engine: "sim", Model: "m",
				URL: "http://127.0.0.1:8901", Simulated: true, Capabilities: []string{"cache_report", "usage"}}})
		}
	}
	for repeat := 1; repeat <= repeats; repeat++ {
		for p := range places {
			for n := range sizes {
				for i, step := range []string{"q1", "q2", "q3", "q4"} {
					s.turn(id(p, n), repeat, false, turn{"main", step, "ask", "before", 1,
						50 + float64(10*p+40*n+repeat%2), 100 * (i + 1), 90 * i, 96 * i, 11, "Yes. It is so."})
				}
			}
		}
	}
	for p := range places {
		for n := range sizes {
			for v := range 4 {
				s.add(id(p, n), event.Verdict{Name: fmt.Sprint("fast-", v), That: "turn.ttft_ms < 300", Scope: "step",
					Conversation: "main", Step: "q1", Severity: "fail", OnUnknown: "inconclusive", Verdict: "pass",
					Evaluated: repeats, Passed: repeats, MinPassRate: 1, File: "grid.yaml", Line: 9, Column: 5,
					Operands: []event.Operand{{Path: "turn.ttft_ms", Value: 50.0, Unit: "ms", Source: "client"}}})
			}
			s.add(id(p, n), event.CellDone{})
		}
	}
	s.add("", event.RunDone{})
	r := &metrics.Run{}
	for _, e := range s.events {
		r.Add(e)
	}
	return r
}

// Every format for people puts the cells beside each other and marks the best, with its interval.
func TestOverview(t *testing.T) {
	r := gridRun(2, 2, 10)
	for name, want := range map[string][]string{
		"table": {"place  size  TTFT p50", "a      8      ★ 50 ms", "b      16      100 ms",
			"TTFT p50: best place=a x size=8 with 50 ms (50-51 ms with 95 % confidence); surely better than",
			"the same in all cells: hit rate"},
		"markdown": {"### 4 cells", "★ 50 ms (50-51 ms)", "`a`", "- TTFT p50: best place=a x size=8"},
		"html": {`data-name="TTFT p50">★ 50 ms <span class="hint">50-51 ms</span>`, "<strong>TTFT p50 by place</strong>", "<strong>TTFT p50 by size</strong>",
			`<a href="#cell-4">b</a>`, `<a href="#cell-1">sim x m`},
		"json": {`"name": "phases.before.ttft_ms.p50"`, `"certain": true`},
	} {
		out := render(t, format(t, name), r, Options{})
		for _, w := range want {
			if !strings.Contains(out, w) {
				t.Errorf("%s: %q is not in\n%.3000s", name, w, out)
			}
		}
	}
	alone := render(t, format(t, "table"), replay(t, "passing"), Options{})
	if strings.Contains(alone, "the best as measured") {
		t.Error("a run of one cell has an overview")
	}
}

// Several verdicts of one assertion over all cells are told apart in the list of a terminal, however long its name is.
func TestOverview_VerdictsOfOneAssertion(t *testing.T) {
	r := gridRun(2, 2, 2)
	for _, size := range []string{"8", "16"} {
		r.Add(event.Event{Body: event.Verdict{Name: "the-first-place-is-as-quick-as-the-second-one", Scope: "overall",
			That:     `cell({place: "a"}).run.output_tps < cell({place: "b"}).run.output_tps`,
			Severity: "fail", Verdict: "pass", Evaluated: 1, Passed: 1, Labels: []event.Label{{Name: "size", Value: size}}}})
	}
	out := render(t, format(t, "table"), r, Options{Width: 80})
	for _, want := range []string{"size=8 ", "size=16 "} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
}

// 300 cells take one screen, and less than 2 MB of JSON that says what it leaves out.
func TestOverview_ManyCells(t *testing.T) {
	r := gridRun(25, 12, 2)
	out := render(t, format(t, "table"), r, Options{})
	if n := strings.Count(out, "\n"); n > 40 {
		t.Errorf("%d lines:\n%s", n, out)
	}
	for _, want := range []string{"280 more cells are in the other reports", "300 more cells are not shown", "PASS"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	r.Cells[0].Started = nil
	if out := render(t, format(t, "table"), r, Options{}); !strings.Contains(out, "a real server: 299 of 300 cells\n") {
		t.Errorf("it names every simulated cell:\n%.1000s", out)
	}
	if out := render(t, format(t, "markdown"), r, Options{}); len(out) > markdownLimit {
		t.Errorf("%d bytes of Markdown", len(out))
	}
	page := render(t, format(t, "html"), r, Options{})
	if n := strings.Count(page, `<details class="data fold">`); n != 300 || len(page) > 10_000_000 {
		t.Errorf("the page of %d bytes folds %d cells", len(page), n)
	}
	accessible(t, "300 cells", page)

	text := render(t, format(t, "json"), r, Options{})
	if len(text) >= 2_000_000 {
		t.Errorf("%d bytes of JSON", len(text))
	}
	schema, err := jsonschema.Compile("../../schema/result.v1.json")
	if err != nil {
		t.Fatal(err)
	}
	var doc any
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(doc); err != nil {
		t.Errorf("%#v", err)
	}
	left := doc.(map[string]any)["left_out"].(map[string]any)
	if left["turns"] != 2400.0 || left["passed"] != 1200.0 || left["others"] != 0.0 || left["metrics"] == 0.0 {
		t.Errorf("left out: %v", left)
	}
}
