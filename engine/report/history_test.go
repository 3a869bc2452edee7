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
