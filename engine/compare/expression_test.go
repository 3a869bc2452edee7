package compare

import (
	"strings"
	"testing"
	"time"

	"homellm/dsl"
	"homellm/engine/event"
	"homellm/engine/judge"
	"homellm/engine/metrics"
)

// around is a cell of which step q has TTFTs of n values one apart, the middle ones around at.
func around(at, n int) *metrics.Cell {
	r := &metrics.Run{}
	r.Add(event.Event{Body: event.RunStarted{Scenario: event.Scenario{Name: "s"}}})
	r.Add(event.Event{Cell: "x", Body: event.CellPlanned{}})
	r.Add(event.Event{Cell: "x", Body: event.CellStarted{Attempt: 1, Server: event.Server{Engine: "sim"}}})
	for i := range n {
		q := event.Request{Repeat: i + 1, Conversation: "c", Step: "q", Turn: 1}
		q.Sent = new(time.Duration(0))
		q.Chunks = []event.Chunk{{At: time.Duration(at-n/2+i) * time.Millisecond, Channel: event.Answer, Bytes: 1}}
		r.Add(event.Event{Cell: "x", Body: q})
	}
	r.Add(event.Event{Cell: "x", Body: event.Verdict{Name: "ok", Verdict: "pass", Severity: "fail"}})
	r.Add(event.Event{Cell: "x", Body: event.CellDone{}})
	r.Add(event.Event{Body: event.RunDone{}})
	return r.Cell("x")
}

func expressions(t *testing.T, that, more string) []ExpressionGate {
	t.Helper()
	g, ds := dsl.LoadGates(dsl.File{Name: "g.yaml", Data: []byte("schema: homellm.gates/v1\nassert: [{name: a, that: '" +
		that + "'" + more + "}]\n")}, judge.Vocabulary())
	if ds.Errors() {
		t.Fatal(ds)
	}
	return expressionGates(g)
}

// TestExpressionGates checks expressions over two sides whose values are bounded. Ten values one apart bound their
// median by the second and the ninth: 95…104 by 96 and 103.
func TestExpressionGates(t *testing.T) {
	for _, c := range []struct {
		that, more string
		old, new   *metrics.Cell
		want       event.Outcome
		why        string
	}{
		{"steps.q.ttft_ms.p50 < 1.2 * base.steps.q.ttft_ms.p50", "", around(100, 10), around(100, 10), "pass",
			"steps.q.ttft_ms.p50 is 99 ms, base.steps.q.ttft_ms.p50 is 99 ms"},
		{"steps.q.ttft_ms.p50 < 1.2 * base.steps.q.ttft_ms.p50", "", around(100, 10), around(140, 10), "fail", "139 ms"},
		{"steps.q.ttft_ms.p50 < 1.05 * base.steps.q.ttft_ms.p50", "", around(100, 10), around(100, 10), "unknown",
			"steps.q.ttft_ms.p50 is from 96 to 103"},
		// 116 of 124 is sure of the new side alone and not of both.
		{"steps.q.ttft_ms.p50 < 1.2 * base.steps.q.ttft_ms.p50", "", around(100, 10), around(115, 10), "unknown",
			"base.steps.q.ttft_ms.p50 is from 96 to 103"},
		// no bound is claimed
		{"steps.q.ttft_ms.max < 1.05 * base.steps.q.ttft_ms.max", "", around(100, 10), around(100, 10), "pass", ""},
		{"steps.q.ttft_ms.p95 < 2 * base.steps.q.ttft_ms.p95", "", around(100, 10), around(100, 10), "unknown",
			"rests on 10 repeats, too few to bound it: play more (--repeats 59)"},
		{"steps.q.ttft_ms.p95 < 2 * base.steps.q.ttft_ms.p95", ", allow_small_n: true", around(100, 10), around(100, 10),
			"pass", ""},
		{"steps.q.ttft_ms.p95 < 2 * base.steps.q.ttft_ms.p95", "", around(100, 60), around(100, 60), "pass", ""},
		{"steps.r.ttft_ms.p50 < 2 * base.steps.q.ttft_ms.p50", "", around(100, 10), around(100, 10), "unknown",
			"step r was not played"},
		{"steps.q.ttft_ms.p50 < 50", ", message: too slow", around(100, 10), around(100, 10), "fail", "too slow"},
	} {
		gates := expressions(t, c.that, c.more)
		rules := Rules{Expressions: gates}
		b, err := record(c.old, wants("steps.q.ttft_ms"), rules.baseFigures(), 0)
		if err != nil {
			t.Fatal(err)
		}
		// A run and the baseline that was recorded of it are the same old side.
		for side, old := range map[string]Source{"run": Measured(c.old, "old"), "baseline": b.Source("old")} {
			d := rules.Compare("x", old, Measured(c.new, "new"), time.Now()).Deltas[0]
			if d.Verdict != c.want || !strings.Contains(d.Why, c.why) {
				t.Errorf("%s, with a %s: %s (%s), want %s (%s)", c.that, side, d.Verdict, d.Why, c.want, c.why)
			}
		}
	}
}

// TestExpressionGates_Incomparable checks that no gate passes against a side that cannot be compared.
func TestExpressionGates_Incomparable(t *testing.T) {
	old, new := Measured(around(100, 10), "old"), Measured(around(100, 10), "new")
	old.Fingerprint = Fingerprint{"gpu.name": "RTX 3090"}
	gates := expressions(t, "steps.q.ttft_ms.p50 < 2 * base.steps.q.ttft_ms.p50", "")
	for on, want := range map[string]event.Outcome{"inconclusive": "unknown", "fail": "unknown", "warn": "pass"} {
		rules := Rules{Expressions: gates, Match: []string{"gpu.name"}, OnMismatch: on}
		d := rules.Compare("x", old, new, time.Now()).Deltas[0]
		if d.Verdict != want || want == "unknown" && !strings.Contains(d.Why, "gpu.name: RTX 3090 -> not known") {
			t.Errorf("on_mismatch %s: %s (%s), want %s", on, d.Verdict, d.Why, want)
		}
	}
	rules := Rules{Expressions: expressions(t, "base.matches", ""), Match: []string{"gpu.name"},
		OnMismatch: "inconclusive"}
	if d := rules.Compare("x", old, new, time.Now()).Deltas[0]; d.Verdict != "fail" {
		t.Errorf("base.matches is %s", d.Verdict)
	}
	// Without a baseline what asks for it is left out, and what does not is judged.
	rules.Expressions = append(rules.Expressions, expressions(t, "steps.q.ttft_ms.p50 < 200", "")...)
	p := rules.absent(Pair{Missing: "no baseline"}, new, time.Now())
	if len(p.Deltas) != 1 || p.Deltas[0].Verdict != "pass" {
		t.Errorf("without a baseline: %+v", p.Deltas)
	}
	b := Baseline{}
	if v := b.Source("").Figure("steps.q.ttft_ms.p50"); !strings.Contains(v.Why, "record it anew") {
		t.Errorf("a figure that no baseline holds: %+v", v)
	}
}
