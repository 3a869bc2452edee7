package metrics

import (
	"testing"

	"homellm/engine/event"
)

func TestOutcome(t *testing.T) {
	on := func(cell string, b event.Body) event.Event { return event.Event{Cell: cell, Body: b} }
	verdict := func(v event.Outcome, severity event.Severity, unknown event.OnUnknown) event.Event {
		return on("a", event.Verdict{Name: "n", Verdict: v, Severity: severity, OnUnknown: unknown})
	}
	pass := verdict("pass", "fail", "inconclusive")
	started := on("a", event.CellStarted{Attempt: 1})
	done := on("a", event.CellDone{})
	end := event.Event{Body: event.RunDone{}}
	good, bad, cut := reply(), reply(), reply()
	bad.Err = &event.Error{Class: "timeout_idle"}
	cut.Err = &event.Error{Class: "cancelled"}
	warm := bad
	warm.Warmup = true

	tests := []struct {
		name    string
		events  []event.Event
		verdict event.Outcome
		code    int
		reason  string
	}{
		{"passed", []event.Event{started, on("a", good), pass, done, end}, event.Pass, 0, "1 assertion passed"},
		{"failed", []event.Event{started, pass, verdict("fail", "fail", ""), done, end}, event.Fail, 1,
			"1 assertion failed: n"},
		{"unknown", []event.Event{started, pass, verdict("unknown", "fail", "inconclusive"), done, end}, Inconclusive, 4,
			"1 assertion could not be judged: n"},
		{"unknown by default", []event.Event{started, pass, verdict("unknown", "fail", ""), done, end}, Inconclusive, 4,
			"1 assertion could not be judged: n"},
		{"failed and unknown", []event.Event{started, verdict("fail", "fail", ""), verdict("unknown", "fail", ""), done, end},
			event.Fail, 1, "1 assertion failed: n"},
		{"unknown fails", []event.Event{started, pass, verdict("unknown", "fail", "fail"), done, end}, event.Fail, 1,
			"1 assertion failed: n"},
		{"unknown is not looked away from", []event.Event{started, pass, verdict("unknown", "fail", "skip"), done, end},
			Inconclusive, 4, "1 assertion could not be judged: n"},
		{"unknown does not only warn", []event.Event{started, pass, verdict("unknown", "fail", "warn"), done, end},
			Inconclusive, 4, "1 assertion could not be judged: n"},
		{"unsupported is allowed", []event.Event{started, pass, verdict("unsupported", "fail", "skip"),
			verdict("unsupported", "fail", "warn"), done, end}, event.Pass, 0, "1 assertion passed"},
		{"unsupported", []event.Event{started, pass, verdict("unsupported", "fail", ""), done, end}, Inconclusive, 4,
			"1 assertion could not be judged: n"},
		{"unsupported fails", []event.Event{started, pass, verdict("unsupported", "fail", "fail"), done, end}, event.Fail, 1,
			"1 assertion failed: n"},
		{"a warning never gates", []event.Event{started, pass, verdict("fail", "warn", ""),
			verdict("unknown", "warn", "fail"), verdict("unsupported", "warn", "fail"), done, end}, event.Pass, 0,
			"1 assertion passed"},
		{"only warnings", []event.Event{started, verdict("pass", "warn", ""), done, end}, Inconclusive, 4,
			"no assertion that gates was evaluated"},
		{"only unsupported ones", []event.Event{started, verdict("unsupported", "fail", "skip"), done, end}, Inconclusive,
			4, "no assertion that gates was evaluated"},
		{"only skipped", []event.Event{started, verdict("skipped", "fail", ""), done, end}, Inconclusive, 4,
			"no assertion that gates was evaluated"},
		{"no assertion", []event.Event{started, on("a", good), done, end}, Inconclusive, 4,
			"no assertion that gates was evaluated"},
		{"an unknown verdict fails", []event.Event{started, pass, verdict("error", "fail", ""), done, end}, event.Fail, 1,
			"1 assertion failed: n"},

		{"requests failed", []event.Event{started, on("a", good), on("a", bad), pass, done, end}, Broken, 6,
			"a: 1 of 2 requests failed, the error budget is 0 %"},
		{"requests hide a failed gate", []event.Event{started, on("a", bad), verdict("fail", "fail", ""), done, end}, Broken,
			6, "a: 1 of 1 requests failed, the error budget is 0 %"},
		{"warm-ups may fail", []event.Event{started, on("a", good), on("a", warm), pass, done, end}, event.Pass, 0,
			"1 assertion passed"},
		{"cancelled is not failed", []event.Event{started, on("a", good), on("a", cut), pass, done, end}, event.Pass, 0,
			"1 assertion passed"},

		{"did not start", []event.Event{on("a", event.CellFailed{Err: "port 8000 is taken"}), end}, Broken, 5,
			"a: port 8000 is taken"},
		{"one cell of two did not start", []event.Event{started, pass, done, on("b", event.CellFailed{Err: "no model"}), end},
			Broken, 5, "b: no model"},
		{"ended early", []event.Event{started, on("a", good), pass, on("a", event.CellDone{Err: "the server died"}), end},
			Broken, 5, "a ended early: the server died"},
		{"every cell skipped", []event.Event{on("a", event.CellPlanned{Skip: "needs a GPU"}), end}, Broken, 5,
			"every cell was skipped: needs a GPU"},
		{"one cell skipped", []event.Event{on("b", event.CellPlanned{Skip: "needs a GPU"}), started, pass, done, end},
			event.Pass, 0, "1 assertion passed"},
		{"never played", []event.Event{on("b", event.CellPlanned{}), started, pass, done, end}, Broken, 5,
			"b was never played to its end"},
		{"nothing planned", []event.Event{end}, Broken, 5, "nothing was planned"},

		{"aborted by a gate", []event.Event{started, verdict("fail", "fail", ""),
			{Body: event.RunDone{Aborted: "assertion n failed"}}}, event.Fail, 1, "1 assertion failed: n"},
		{"aborted for another reason", []event.Event{started, pass, {Body: event.RunDone{Aborted: "--fail-fast: x"}}},
			event.Fail, 1, "ended early: --fail-fast: x"},
		{"interrupted", []event.Event{started, verdict("fail", "fail", ""), {Body: event.RunDone{Interrupted: "SIGINT"}}},
			Interrupted, 130, "ended by SIGINT"},
		{"terminated", []event.Event{started, on("b", event.CellFailed{Err: "x"}),
			{Body: event.RunDone{Interrupted: "SIGTERM"}}}, Interrupted, 143, "ended by SIGTERM"},
		{"hung up", []event.Event{started, {Body: event.RunDone{Interrupted: "SIGHUP"}}}, Interrupted, 129,
			"ended by SIGHUP"},
		{"cut off", []event.Event{started, pass, done}, Interrupted, 130, "the journal ends before the run did"},
		{"empty", nil, Interrupted, 130, "the journal ends before the run did"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			verdict, code, reason := foldAll(tt.events).Outcome()
			if verdict != tt.verdict || code != tt.code || reason != tt.reason {
				t.Errorf("got  %s %d %q\nwant %s %d %q", verdict, code, reason, tt.verdict, tt.code, tt.reason)
			}
		})
	}
}

func TestOutcome_ErrorBudget(t *testing.T) {
	bad := reply()
	bad.Err = &event.Error{Class: "reset"}
	r := foldAll([]event.Event{{Body: event.RunStarted{Scenario: event.Scenario{ErrorBudget: 0.25}}}})
	for range 3 {
		r.Add(event.Event{Cell: "a", Body: reply()})
	}
	r.Add(event.Event{Cell: "a", Body: bad})
	r.Add(event.Event{Cell: "a", Body: event.Verdict{Verdict: "pass", Severity: "fail"}})
	r.Add(event.Event{Cell: "a", Body: event.CellDone{}})
	r.Add(event.Event{Body: event.RunDone{}})
	if _, code, reason := r.Outcome(); code != 0 {
		t.Errorf("1 of 4 failed with a budget of 25 %%: %d %s", code, reason)
	}
	r.Add(event.Event{Cell: "a", Body: bad})
	r.Add(event.Event{Body: event.RunDone{}})
	if _, code, reason := r.Outcome(); code != 6 || reason != "a: 2 of 5 requests failed, the error budget is 25 %" {
		t.Errorf("2 of 5 failed with a budget of 25 %%: %d %s", code, reason)
	}
}

// A budget that is met exactly is met: 29 of 100 must not lose to 0.29 * 100 = 28.999…
func TestOutcome_ErrorBudgetIsExact(t *testing.T) {
	bad := reply()
	bad.Err = &event.Error{Class: "reset"}
	g := make([]*event.Request, 100)
	for i := range g {
		q := reply()
		if g[i] = &q; i < 29 {
			g[i] = &bad
		}
	}
	if overBudget(g, 0.29) {
		t.Error("29 of 100 failed with a budget of 29 %: over")
	}
	if g[29] = &bad; !overBudget(g, 0.29) {
		t.Error("30 of 100 failed with a budget of 29 %: within")
	}
}

func TestFindings_ListEverything(t *testing.T) {
	bad := reply()
	bad.Err = &event.Error{Class: "reset"}
	r := foldAll([]event.Event{
		{Cell: "a", Body: bad}, {Cell: "a", Body: event.Verdict{Name: "n", Verdict: "fail", Severity: "fail"}},
		{Cell: "a", Body: event.Verdict{Name: "u", Verdict: "unknown", Severity: "fail"}},
		{Cell: "a", Body: event.CellDone{}},
		{Cell: "b", Body: event.CellFailed{Err: "x"}}, {Body: event.RunDone{Interrupted: "SIGINT"}},
	})
	var codes []int
	for _, f := range r.Findings() {
		codes = append(codes, f.Code)
	}
	want := []int{130, 5, 6, 1, 4}
	if len(codes) != len(want) {
		t.Fatalf("got %v, want %v", codes, want)
	}
	for i := range want {
		if codes[i] != want[i] {
			t.Fatalf("got %v, want %v", codes, want)
		}
	}
}

func TestCell_Name(t *testing.T) {
	c := Cell{ID: "c1"}
	if c.Name() != "c1" {
		t.Errorf("without labels: %q", c.Name())
	}
	c.Planned.Labels = []event.Label{{Name: "doc_tokens", Value: "4096"}, {Name: "server", Value: "sim"},
		{Name: "model", Value: "qwen"}}
	if got := c.Name(); got != "sim x qwen x doc_tokens=4096" {
		t.Errorf("got %q", got)
	}
}
