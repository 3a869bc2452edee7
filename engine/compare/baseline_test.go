package compare

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"homellm/engine/event"
	"homellm/engine/exit"
	"homellm/engine/metrics"
	"homellm/engine/stats"
	"homellm/schema"
)

// withFloor is a run whose client found its own error to be this large.
func withFloor(r *metrics.Run, ms float64) *metrics.Run {
	r.Add(event.Event{Body: event.Facts{Values: map[string]float64{"client.ttft_bias_p99_ms": ms}, Source: "calibration"}})
	return r
}

// repeated is the fold of a run of n repeats of one step, each with a TTFT of first ms. Repeats in
// broken failed.
func repeated(verdict event.Outcome, first float64, n int, broken ...int) *metrics.Run {
	r := &metrics.Run{}
	at := time.Duration(0)
	add := func(cell string, b event.Body) {
		at += time.Second
		r.Add(event.Event{At: at, Cell: cell, Body: b})
	}
	add("", event.RunStarted{
		ID: "r", Started: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), Options: []string{"--repeats=3", "--var=a=1"},
		Host: map[string]any{"cpu": "Ryzen", "gpus": []any{map[string]any{"name": "RTX 4090", "driver": "580.1"}}},
		Scenario: event.Scenario{Name: "s", SHA256: "abc", ErrorBudget: 1,
			Conversations: []event.Conversation{{ID: "c", Steps: []event.Step{{ID: "q", Turns: 1}}}}},
	})
	add("x", event.CellPlanned{Labels: []event.Label{{Name: "server", Value: "v"}}, Turns: 1, Does: "d0"})
	add("x", event.CellStarted{Attempt: 1, Server: event.Server{Engine: "vllm", Version: "1", Model: "m",
		Revision: "f00"}})
	for i := range n {
		q := event.Request{Repeat: i + 1, Conversation: "c", Step: "q", Turn: 1, Phase: "before"}
		q.Due, q.Sent = at, &at
		sent := at
		q.Sent = &sent
		q.Done = at + time.Second
		q.Chunks = []event.Chunk{{At: at + time.Duration((first+0.01*float64(i%3))*float64(time.Millisecond)),
			Channel: event.Answer, Bytes: 1}}
		q.Text = "x"
		for _, b := range broken {
			if b == i+1 {
				q.Err, q.Chunks = &event.Error{Class: "server_error"}, nil
			}
		}
		add("x", q)
	}
	add("x", event.Verdict{Name: "a", Severity: "fail", Verdict: verdict, OnUnknown: "inconclusive"})
	add("x", event.CellDone{})
	add("", event.RunDone{})
	return r
}

// wants are paths that a baseline keeps where the run has them.
func wants(paths ...string) []wanted {
	var out []wanted
	for _, path := range paths {
		out = append(out, wanted{path: path})
	}
	return out
}

// known says whether a fingerprint key exists.
func known(key string) bool {
	return slices.ContainsFunc(FingerprintKeys, func(k Key) bool { return k.Name == key })
}

func TestFingerprint(t *testing.T) {
	want := Fingerprint{
		"scenario.digest": "d0", "scenario.sha256": "abc", "scenario.options": "--var=a=1",
		"gpu.name": "RTX 4090", "driver.version": "580.1",
		"cpu.name":      "Ryzen",
		"server.engine": "vllm", "server.version": "1", "server.simulated": "no", "model": "m", "model.revision": "f00",
	}
	got := FingerprintOf(repeated("pass", 100, 1).Cells[0])
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for k := range got {
		if !known(k) {
			t.Errorf("%s is not listed", k)
		}
	}
	other := Fingerprint{"gpu.name": "RTX 3090", "driver.version": "580.1"}
	wantDiff := []Mismatch{{"gpu.name", "RTX 4090", "RTX 3090", ""}, {"model", "m", "", ""}}
	if diff := cmp.Diff(wantDiff, got.Mismatches(other, []string{"gpu.name", "driver.version", "model",
		"server.simulation"})); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestBaselineFile(t *testing.T) {
	r := repeated("pass", 100, 12)
	b, err := record(r.Cells[0], wants("steps.q.ttft_ms", "steps.q.tpot_ms"), nil, 50)
	if err != nil {
		t.Fatal(err)
	}
	if b.Metrics["steps.q.ttft_ms"].Noise == nil || len(b.Metrics) != 1 {
		t.Errorf("metrics: %+v", b.Metrics)
	}
	var file bytes.Buffer
	if err := b.Write(&file); err != nil {
		t.Fatal(err)
	}
	again, err := ReadBaseline(file.Bytes())
	if err != nil {
		t.Fatalf("%v in\n%s", err, file.String())
	}
	if diff := cmp.Diff(b, again); diff != "" {
		t.Errorf("(-recorded +read)\n%s", diff)
	}
	for name, spoil := range map[string]string{
		"schema": "homellm.baseline/v2", "values": `"values":[]`, "recorded": `"recorded": "0001-01-01T00:00:00Z"`,
	} {
		text := file.String()
		switch name {
		case "schema":
			text = strings.Replace(text, BaselineSchema, spoil, 1)
		case "values":
			i := strings.Index(text, `"values":[`)
			text = text[:i] + spoil + text[i+strings.Index(text[i:], "]")+1:]
		case "recorded":
			text = strings.Replace(text, `"recorded": "2026-11-01T00:00:00Z"`, spoil, 1)
		}
		if text == file.String() {
			t.Fatalf("%s was not spoilt", name)
		}
		if _, err := ReadBaseline([]byte(text)); err == nil {
			t.Errorf("a baseline with bad %s is read", name)
		}
	}
	var doc any
	if err := json.Unmarshal(file.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	if problems := schema.Validate("baseline", doc); len(problems) > 0 {
		t.Errorf("the schema refuses what is written: %v", problems)
	}
}

// TestMustMatchKeys compares the schema's list of fingerprint keys with the table.
func TestMustMatchKeys(t *testing.T) {
	var s struct {
		Properties struct {
			Baseline struct {
				Properties struct {
					Keys struct {
						Items struct{ Enum []string }
					} `json:"must_match"`
				}
			}
		}
	}
	if err := json.Unmarshal(schema.Source("gates"), &s); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(MatchKeys(), s.Properties.Baseline.Properties.Keys.Items.Enum); diff != "" {
		t.Errorf("(-table +schema)\n%s", diff)
	}
	for _, k := range DefaultMatch {
		if !slices.Contains(MatchKeys(), k) {
			t.Errorf("%s is not a key", k)
		}
	}
}

func TestRecordRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		run  *metrics.Run
		path string
		want string
	}{
		"a failed run":      {repeated("fail", 100, 12), "steps.q.ttft_ms", "only a passing run"},
		"an unsure run":     {repeated("unknown", 100, 12), "steps.q.ttft_ms", "only a passing run"},
		"no repeats":        {repeated("pass", 100, 0), "steps.q.ttft_ms", "was not measured"},
		"an unknown metric": {repeated("pass", 100, 12), "steps.q.tpot_ms", "no value"},
		"failed repeats":    {repeated("pass", 100, 2, 1, 2), "steps.q.ttft_ms", "no value"},
	} {
		if _, err := record(c.run.Cells[0], wants(c.path), nil, 0); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want …%s…", name, err, c.want)
		}
	}
	other := repeated("pass", 100, 12)
	other.Cells[0].Started.Server.Version = "2"
	if _, err := record(repeated("pass", 100, 12).Cells[0], wants("steps.q.ttft_ms"), nil, 0,
		other.Cells[0]); err == nil || !strings.Contains(err.Error(), "server.version: 1 -> 2") {
		t.Errorf("another server repeats a run: %v", err)
	}
}

// TestNoiseBetweenRuns: medians of 100.01 and 110.01 have a standard deviation of 10/sqrt(2), a
// difference of two such medians sqrt(2) times that, over a mean of 105.01.
func TestNoiseBetweenRuns(t *testing.T) {
	b, err := record(repeated("pass", 100, 12).Cells[0], wants("steps.q.ttft_ms"), nil, 100,
		repeated("pass", 110, 12).Cells[0])
	if err != nil {
		t.Fatal(err)
	}
	if got, want := *b.Metrics["steps.q.ttft_ms"].Noise, 10/105.01; b.AARuns != 2 || got < want*0.9999 ||
		got > want*1.0001 {
		t.Errorf("noise %v over %d runs, want %v", got, b.AARuns, want)
	}
}

func TestComparisonOutcome(t *testing.T) {
	g := Gate{Name: "ttft", Metric: "steps.q.ttft_ms", Stat: "p50", MaxWorse: new(0.05), Alpha: 0.01, MinSamples: 10,
		Severity: "fail", OnUnknown: "inconclusive"}
	base := func(first float64) Source {
		b, err := record(repeated("pass", first, 12).Cells[0], wants("steps.q.ttft_ms"), nil, 100)
		if err != nil {
			t.Fatal(err)
		}
		return b.Source("b")
	}
	now := time.Date(2026, 11, 10, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name  string
		rules func(*Rules)
		old   Source
		new   *metrics.Run
		code  int
		say   string
	}{
		{"same", nil, base(100), repeated("pass", 100, 12), 0, "nothing worse"},
		{"worse", nil, base(100), repeated("pass", 110, 12), 1, "worse: ttft"},
		{"better", nil, base(100), repeated("pass", 90, 12), 0, "better: ttft"},
		{"worse, a warning", func(r *Rules) { r.Gates[0].Severity = "warn" }, base(100), repeated("pass", 110, 12), 4,
			"no gate was evaluated"},
		{"all repeats failed", nil, base(100), repeated("pass", 110, 3, 1, 2, 3), 4, "could not be judged: ttft"},
		{"nothing measured", nil, base(100), repeated("pass", 110, 0), 4, "could not be judged"},
		{"unknown fails", func(r *Rules) { r.Gates[0].OnUnknown = "fail" }, base(100), repeated("pass", 100, 3), 1, "worse"},
		{"unknown is not let pass", func(r *Rules) { r.Gates[0].OnUnknown = "skip" }, base(100),
			repeated("pass", 100, 3), 4, "could not be judged: ttft"},
		{"young enough", func(r *Rules) { r.MaxAge = 10 * 24 * time.Hour }, base(100), repeated("pass", 100, 12), 0, ""},
		{"too old", func(r *Rules) { r.MaxAge = 8 * 24 * time.Hour }, base(100), repeated("pass", 110, 12), 4,
			"could not be judged"},
		{"too old, and that fails", func(r *Rules) { r.MaxAge, r.OnMismatch = 8*24*time.Hour, "fail" }, base(100),
			repeated("pass", 100, 12), 1, "9 days old"},
		{"too old, and compared all the same", func(r *Rules) { r.MaxAge, r.OnMismatch = 8*24*time.Hour, "warn" }, base(100),
			repeated("pass", 110, 12), 1, "worse: ttft"},
		{"worse by less than the client can tell", nil, base(100), withFloor(repeated("pass", 110, 12), 5.1), 4,
			"could not be judged: ttft"},
		{"better by less than the client can tell", nil, base(100), withFloor(repeated("pass", 90, 12), 5.1), 4,
			"could not be judged: ttft"},
		{"worse by what the client can tell", nil, base(100), withFloor(repeated("pass", 110, 12), 4.9), 1, "worse: ttft"},
		{"the same, by a client that tells little", nil, base(100), withFloor(repeated("pass", 100, 12), 50), 0,
			"nothing worse"},
		{"tighter than the noise", func(r *Rules) { r.Tighter = 1e6 }, base(100), repeated("pass", 110, 12), 4,
			"could not be judged"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := Rules{Gates: []Gate{g}, Match: DefaultMatch, OnMismatch: "inconclusive"}
			if c.rules != nil {
				c.rules(&r)
			}
			all := Comparison{Pairs: []Pair{r.Compare("x", c.old, Measured(c.new.Cells[0], "n"), now)}}
			verdict, code, reason := all.Outcome()
			if code != c.code || !strings.Contains(reason, c.say) || (code == 0) != (verdict == event.Pass) {
				t.Errorf("%s, exit %d: %s; want %d …%s…", verdict, code, reason, c.code, c.say)
			}
		})
	}
	// Another machine: whatever the numbers say, nothing is judged.
	machine := repeated("pass", 110, 12)
	machine.Started.Host["gpus"].([]any)[0].(map[string]any)["name"] = "RTX 3090"
	r := Rules{Gates: []Gate{g}, Match: DefaultMatch, OnMismatch: "inconclusive"}
	p := r.Compare("x", base(100), Measured(machine.Cells[0], "n"), now)
	if got := fmt.Sprint(p.Mismatches); got != "[gpu.name: RTX 4090 -> RTX 3090]" || p.Deltas[0].Verdict != event.Unknown {
		t.Errorf("another machine: %s, %s", got, p.Deltas[0].Verdict)
	}
	// Without a limit on the age of a baseline, a very old one gets a remark and nothing else does.
	for days, want := range map[int]int{80: 0, 100: 1} {
		p := r.Compare("x", base(100), Measured(repeated("pass", 100, 12).Cells[0], "n"),
			time.Date(2026, 11, 1+days, 0, 0, 0, 0, time.UTC))
		if len(p.Warnings) != want || p.Deltas[0].Verdict != Same {
			t.Errorf("a baseline of about %d days: %v, %s", days, p.Warnings, p.Deltas[0].Verdict)
		}
	}
	if _, code, _ := (Comparison{Pairs: []Pair{{Missing: "none"}}}).Outcome(); code != exit.Inconclusive {
		t.Errorf("without any baseline the exit code is %d", code)
	}
	if _, code, _ := (Comparison{Pairs: []Pair{{Missing: "none"}, r.Compare("x", base(100),
		Measured(repeated("pass", 100, 12).Cells[0], "n"), now)}}).Outcome(); code != exit.Pass {
		t.Errorf("a new cell without a baseline: %d", code)
	}
	if _, code, _ := (Comparison{Pairs: []Pair{{Missing: "none", Required: true},
		r.Compare("x", base(100), Measured(repeated("pass", 100, 12).Cells[0], "n"),
			now)}}).Outcome(); code != exit.Inconclusive {
		t.Errorf("a required baseline is missing: %d", code)
	}
}

// A run whose length was decided by looking at it spends a part of its error at each look, and so
// does the comparison that it ends in, whether it was played in turn with the other side or not.
func TestCompare_CountsTheLooksOfABudget(t *testing.T) {
	rules := DefaultRules()
	compare := func(inTurn bool, looks stats.Looks) Delta {
		t.Helper()
		old, changed := repeated(event.Pass, 100, 20).Cells[0], repeated(event.Pass, 112, 20).Cells[0]
		changed.Done = &event.CellDone{Looks: looks}
		rules.InTurn = inTurn
		p := rules.Compare("", Measured(old, "old"), Measured(changed, "new"), time.Time{})
		if len(p.Deltas) == 0 {
			t.Fatal("nothing was compared")
		}
		return p.Deltas[0]
	}
	for _, inTurn := range []bool{true, false} {
		one, many := compare(inTurn, nil), compare(inTurn, stats.Looks{10, 15, 20})
		if one.Gate.look() != 0 || many.Gate.look() != 3 {
			t.Errorf("in turn %v: %d looks are counted without a budget and %d with one, want 0 and 3", inTurn, one.Gate.look(),
				many.Gate.look())
		}
	}
	// Five values and five others, all larger: p is 2/252, enough at one look with alpha 0.01 and not at two.
	g := Gate{Metric: "ttft_ms", Stat: "p50", MaxWorse: new(0.05), Alpha: 0.01, MinSamples: 5}
	old, changed := sampleOf(100, 101, 102, 103, 104), sampleOf(120, 121, 122, 123, 124)
	if d := g.Compare(old, changed, false); d.Verdict != Worse {
		t.Errorf("at one look: %s (%s)", d.Verdict, d.Why)
	}
	if d := g.At(stats.Looks{5, 5}).Compare(old, changed, false); d.Verdict != event.Unknown {
		t.Errorf("at the second of two looks: %s (%s)", d.Verdict, d.Why)
	}
}
