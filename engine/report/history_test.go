package report

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"homellm/engine/compare"
	"homellm/engine/event"
	"homellm/engine/history"
	"homellm/schema"
)

// TestHistoryJSON holds the document to its schema.
func TestHistoryJSON(t *testing.T) {
	var b bytes.Buffer
	at := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	all := []history.History{{Scenario: "s", Cell: "v x m", Box: "RTX 3090", Runs: []history.Run{
		{Name: "a", ID: "1", Started: at, Verdict: event.Pass, Circumstances: compare.Fingerprint{"driver.version": "550"}},
		{Name: "b", ID: "2", Started: at, Verdict: event.Fail, Circumstances: compare.Fingerprint{"driver.version": "560"}},
	}}}
	if err := HistoryJSON(&b, "s", all); err != nil {
		t.Fatal(err)
	}
	var doc any
	if err := json.Unmarshal(b.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	if problems := schema.Validate("history", doc); len(problems) > 0 {
		t.Errorf("%v\n%s", problems, b.String())
	}
	if !strings.Contains(b.String(), `"key": "driver.version"`) {
		t.Errorf("the new driver is not in\n%s", b.String())
	}
}

// TestSinceLast is one line, with what judges it.
func TestSinceLast(t *testing.T) {
	now := time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)
	of := func(earlier int, moves ...history.Move) history.Since {
		return history.Since{History: history.History{Cell: "v x m"}, Last: history.Run{Started: now.Add(-3 * time.Hour)},
			Earlier: earlier, Moves: moves, With: []compare.Mismatch{{Key: "driver.version", Old: "550", New: "560"}}}
	}
	speed := history.Move{Path: "run.output_tps", Unit: "tokens/s", Old: 98, New: 97, Change: -1. / 98,
		Verdict: event.Unknown}
	early := history.Move{Path: "phases.before.ttft_ms", Unit: "ms", Old: 400, New: 500, Change: 0.25,
		Verdict: event.Unknown}
	late := history.Move{Path: "phases.after_removal.ttft_ms", Unit: "ms", Old: 100, New: 112, Change: 0.12, Usual: 0.05,
		Verdict: event.Unknown}
	judged := late
	judged.Verdict = compare.Worse
	for _, tt := range []struct {
		name string
		of   history.Since
		want string
	}{
		{"few runs", of(3, speed, early, late), "since the last run, 3 hours ago: phases.after_removal.ttft_ms 100 ms -> 112 ms " +
			"(+12.0 %), run.output_tps 98.0 tokens/s -> 97.0 tokens/s (-1.0 %); 2 more runs needed to judge; also changed: driver.version: 550 -> 560"},
		{"judged", of(5, speed, early, judged), "since the last run, 3 hours ago: phases.after_removal.ttft_ms 100 ms -> 112 ms " +
			"(+12.0 %, worse: usual is up to 5.0 %); also changed: driver.version: 550 -> 560"},
	} {
		got := SinceLast([]history.Since{tt.of}, now)
		if len(got) != 1 || got[0] != tt.want {
			t.Errorf("%s:\n got %q\nwant %q", tt.name, got, tt.want)
		}
	}
	if got := SinceLast([]history.Since{of(5, speed), of(5, speed)}, now); len(got) != 2 ||
		!strings.HasPrefix(got[0], "v x m: ") {
		t.Errorf("two cells: %q", got)
	}
}
