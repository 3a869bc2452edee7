package compare

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"homellm/dsl"
	"homellm/engine/event"
	"homellm/engine/metrics"
)

// The same data have one verdict, against the run and against what was recorded of it.
func TestBaseline_KeepsTheErrorOfItsClient(t *testing.T) {
	g := Gate{Name: "ttft", Metric: "steps.q.ttft_ms", Stat: "p50", MaxWorse: new(0.05), Alpha: 0.01, MinSamples: 10,
		Severity: "fail", OnUnknown: "inconclusive"}
	rules := Rules{Gates: []Gate{g}, Match: DefaultMatch, OnMismatch: "inconclusive"}
	old := withFloor(repeated("pass", 100, 12), 5.1)
	old.Add(event.Event{Body: event.RunDone{}})
	b, err := record(old.Cells[0], wants("steps.q.ttft_ms"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if err := b.Write(&file); err != nil {
		t.Fatal(err)
	}
	if b, err = ReadBaseline(file.Bytes()); err != nil {
		t.Fatal(err)
	}
	now := Measured(repeated("pass", 110, 12).Cells[0], "new")
	for name, side := range map[string]Source{"run": Measured(old.Cells[0], "old"), "baseline": b.Source("old")} {
		p := rules.Compare("x", side, now, time.Time{})
		if d := p.Deltas[0]; d.Verdict != event.Unknown || !strings.Contains(d.Why, "client") {
			t.Errorf("against the %s: %s: %s", name, d.Verdict, d.Why)
		}
	}
}

// Another model is never compared by oversight, whatever a gates file lists.
func TestRulesOf_AlwaysMatchTheModel(t *testing.T) {
	listed := []string{"gpu.name", "driver.version", "server.engine", "model.revision", "scenario.sha256"}
	rules := RulesOf(&dsl.Gates{MustMatch: slices.Clone(listed), OnMismatch: MismatchInconclusive}, ".")
	side := func(model string) Source {
		return Source{Fingerprint: Fingerprint{"model": model, "gpu.name": "x"},
			Sample: func(path string) metrics.Sample { return metrics.Sample{Path: path} }}
	}
	if p := rules.Compare("x", side("SmolLM2"), side("qwen2.5-3b"), time.Time{}); p.Comparable() {
		t.Errorf("another model passed %v", rules.Match)
	}
	if p := rules.Compare("x", side("SmolLM2"), side("SmolLM2"), time.Time{}); !p.Comparable() {
		t.Errorf("the same model does not match: %v", p.Mismatches)
	}
}
