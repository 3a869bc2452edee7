package judge

import (
	"strings"
	"testing"
	"time"

	"homellm/dsl"
	"homellm/engine/event"
	"homellm/engine/metrics"
)

// TestAThresholdAboveTheCeilingIsNoFindingAboutTheServer checks the gate of a turn after a removal, of 229 prompt
// tokens of which 129 had been sent before: blocks of 128 tokens serve 128 of them, and blocks of 256 none.
func TestAThresholdAboveTheCeilingIsNoFindingAboutTheServer(t *testing.T) {
	for _, c := range []struct {
		that                    string
		cached, reusable, block int
		want                    event.Outcome
	}{
		{"turn.cache.hit_rate > 0.3", 0, 0, 256, "unsupported"},
		{"turn.cache.hit_rate > 0.3 && turn.ok", 0, 0, 256, "unsupported"},
		{"turn.cache.hit_rate > 0.3 && not turn.ok", 0, 0, 256, "fail"}, // the rest fails by itself
		{"turn.cache.hit_rate > 0.3", 128, 128, 128, "pass"},
		{"turn.cache.hit_rate > 0.3", 0, 129, 16, "fail"}, // a cache below its ceiling
		{"turn.cache.hit_rate > 0.6", 128, 128, 16, "unsupported"},
		{"0.6 < turn.cache.hit_rate", 112, 128, 16, "unsupported"}, // within a block
		{"turn.cache.hit_rate >= 0.6", 111, 128, 16, "fail"},       // more than a block below
		{"turn.cache.hit_rate < 0.3", 128, 128, 16, "fail"},
		{"turn.cache.efficiency > 0.9", 0, 129, 16, "fail"},
	} {
		text := "schema: homellm.scenario/v1\nname: s\ndefaults: {request: {temperature: 0, seed: 1}}\n" +
			"conversations: [{id: c, steps: [{id: q, ask: Hello, assert: ['" + strings.ReplaceAll(c.that, "'", "''") + "']}]}]\n"
		if strings.Contains(c.that, "hit_rate") { // the plan knows that nothing was sent before a first turn
			text = strings.Replace(text, "steps: [", "steps: [{id: before, ask: Hello}, ", 1)
		}
		plan, ds := dsl.Load(dsl.File{Name: "s.yaml", Data: []byte(text)}, &dsl.Library{}, Vocabulary(), dsl.Options{})
		if plan == nil {
			t.Fatalf("%s: %v", c.that, ds)
		}
		q := event.Request{Repeat: 1, Conversation: "c", Step: "q", Turn: 1, Cached: &c.cached, CacheSource: "usage",
			Reusable: &c.reusable, ReusableSource: "tokens"}
		q.Sent, q.Usage.Prompt, q.Text, q.Finish = new(time.Duration(0)), new(229), "Hello.", "stop"
		r := &metrics.Run{}
		r.Add(event.Event{Cell: plan.Cells[0].ID, Body: event.CellPlanned{}})
		r.Add(event.Event{Cell: plan.Cells[0].ID, Body: event.CellStarted{Server: event.Server{BlockTokens: c.block}}})
		r.Add(event.Event{Cell: plan.Cells[0].ID, Body: q})
		j := New(plan.Cells[0])
		j.Repeat(r, 1)
		bodies, _ := j.Cell(r, nil)
		for _, b := range bodies {
			v, ok := b.(event.Verdict)
			if ok && (v.Verdict != c.want || (v.Why == "") == c.want.Undecided()) {
				t.Errorf("%s over %d of %d in blocks of %d: %s (%s), want %s", c.that, c.cached, c.reusable, c.block, v.Verdict,
					v.Why, c.want)
			}
		}
	}
}
