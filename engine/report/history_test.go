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

// TestHistoryJSON checks the document against its schema.
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

// TestHistoryHTML_BeginsWithNumbers: the numbers come first, and charts without a change of level are folded, unless
// one figure is asked for.
func TestHistoryHTML_BeginsWithNumbers(t *testing.T) {
	at := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	h := history.History{Scenario: "s", Cell: "v x m", Box: "RTX 3090"}
	for i := range 40 {
		speed := 50.0
		if i >= 20 {
			speed = 40
		}
		h.Runs = append(h.Runs, history.Run{Name: "r", ID: "1", Started: at.AddDate(0, 0, i), Verdict: event.Pass,
			Figures: map[string]compare.BaselineMetric{
				"run.ttft_ms":    {Unit: "ms", Better: -1, Values: []float64{100, 101 + float64(i%3)}},
				"run.output_tps": {Unit: "tokens/s", Better: 1, Values: []float64{speed, speed + float64(i%3)}},
			}})
	}
	page := func(runs int, path string) string {
		var b bytes.Buffer
		short := h
		short.Runs = h.Runs[:runs]
		if err := HistoryHTML(&b, "s", []history.History{short}, path, View{}); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	order := func(text string, parts ...string) {
		t.Helper()
		for _, part := range parts {
			_, rest, ok := strings.Cut(text, part)
			if !ok {
				t.Fatalf("%q is not there, or not behind %q", part, parts)
			}
			text = rest
		}
	}
	order(page(3, ""), "No change of level", "Each figure in its first and its last run", "<details class=\"passed\">",
		"2 charts of figures", "<figure")
	order(page(40, ""), "Changes of level", "<figure", "run.output_tps", "Each figure in its first", "1 chart of figures",
		"<figure", "run.ttft_ms")
	alone := page(3, "run.ttft_ms")
	if strings.Contains(alone, "charts of figures") || strings.Contains(alone, "Each figure in its first") ||
		strings.Count(alone, "<figure") != 1 {
		t.Error("one figure is not shown alone")
	}
	if strings.Contains(alone, `class="card wide"`) || !strings.Contains(page(40, "run.ttft_ms"), `class="card wide"`) {
		t.Error("a short history is wide, or a long one is not")
	}
}
