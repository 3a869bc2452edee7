package report

import (
	"strings"
	"testing"
	"time"

	"homellm/engine/compare"
	"homellm/engine/event"
	"homellm/engine/metrics"
)

// TestSinceLast checks the line and its judgement.
func TestSinceLast(t *testing.T) {
	now := time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)
	of := func(cells, earlier int, moves ...event.Move) *metrics.Run {
		r := &metrics.Run{}
		r.Add(event.Event{Body: event.RunStarted{Version: event.Version, Started: now}})
		for i := range cells {
			cell := []string{"a", "b"}[i]
			r.Add(event.Event{Cell: cell, Body: event.CellPlanned{Labels: []event.Label{{Name: "server", Value: cell}}}})
			r.Add(event.Event{Cell: cell, Body: event.SinceLast{Started: now.Add(-3 * time.Hour), Earlier: earlier, Moves: moves,
				Changed: []event.Changed{{Key: "driver.version", Old: "550", New: "560"}}}})
		}
		return r
	}
	speed := event.Move{Path: "run.output_tps", Unit: "tokens/s", Old: 98, New: 97, Verdict: event.Unknown}
	early := event.Move{Path: "phases.before.ttft_ms", Unit: "ms", Old: 400, New: 500, Verdict: event.Unknown}
	late := event.Move{Path: "phases.after_removal.ttft_ms", Unit: "ms", Old: 100, New: 112.4, Usual: 0.05,
		Verdict: event.Unknown}
	judged := late
	judged.Verdict = compare.Worse
	for _, tt := range []struct {
		name string
		of   *metrics.Run
		want string
	}{
		{"few runs", of(1, 3, speed, early, late), "since the last run, 3 hours before: phases.after_removal.ttft_ms 100 ms -> 112.4 ms " +
			"(+12.4 %), run.output_tps 98 tokens/s -> 97 tokens/s (-1.0 %); 2 more runs needed to judge; also changed: driver.version: 550 -> 560"},
		{"judged", of(1, 5, speed, early, judged), "since the last run, 3 hours before: phases.after_removal.ttft_ms 100 ms -> 112.4 ms " +
			"(+12.4 %, worse: usual is up to 5.0 %); also changed: driver.version: 550 -> 560"},
	} {
		got := SinceLast(tt.of)
		if len(got) != 1 || got[0] != tt.want {
			t.Errorf("%s:\n got %q\nwant %q", tt.name, got, tt.want)
		}
	}
	if got := SinceLast(of(2, 5, speed)); len(got) != 2 || !strings.HasPrefix(got[1], "b: since the last run") {
		t.Errorf("two cells: %q", got)
	}
}

// TestSinceLast_OnThePage: one box says what moved, what is usual, what else changed, and what to do next.
func TestSinceLast_OnThePage(t *testing.T) {
	out := render(t, format(t, "html"), replay(t, "passing"), Options{})
	for _, want := range []string{"Since the last run, 27 hours before",
		"1 worse, 1 better by more than the usual difference between",
		`<tr class="worse"><th scope="row">phases.after_removal.ttft_ms</th>`, "up to 5.0 %",
		"driver.version: 550.54 -&gt; 560.28",
		"homellm results diff 20261122T090000Z-rag-long-11aa", "homellm history rag-long"} {
		if !strings.Contains(out, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	few := render(t, format(t, "html"), replay(t, "failing"), Options{})
	for _, want := range []string{"4 more runs needed to judge", "Nothing else that is known changed"} {
		if !strings.Contains(few, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	first := render(t, format(t, "html"), replay(t, "matrix"), Options{})
	if strings.Contains(first, "Since the last run") {
		t.Error("a first run has one before it")
	}
}
