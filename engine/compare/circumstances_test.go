package compare

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"homellm/engine/event"
	"homellm/engine/exit"
	"homellm/engine/metrics"
)

// changed is a run that was measured under different circumstances.
func changed(first float64, change func(*event.RunStarted, *event.Server), also ...event.Body) *metrics.Run {
	r := repeated("pass", first, 12)
	r.Started.ID = "other"
	change(&r.Started, &r.Cells[0].Started.Server)
	for _, b := range also {
		r.Add(event.Event{At: 3500 * time.Millisecond, Cell: "x", Body: b}) // while the turns are played
	}
	r.Add(event.Event{Body: event.RunDone{}})
	return r
}

// kept is what a baseline file of the run gives back.
func kept(t *testing.T, r *metrics.Run, more ...*metrics.Cell) *Baseline {
	t.Helper()
	b, err := record(r.Cells[0], wants("steps.q.ttft_ms"), nil, 0, more...)
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
	return b
}

// ttft gates the time to the first token of the only step.
func ttft() Rules {
	return Rules{Match: DefaultMatch, OnMismatch: MismatchInconclusive, Between: DefaultBetween, Gates: []Gate{{
		Name: "ttft", Metric: "steps.q.ttft_ms", Stat: "p50", MaxWorse: new(0.05), Alpha: 0.01, MinSamples: 10,
		Severity: "fail", OnUnknown: "inconclusive"}}}
}

// What makes numbers differ by itself is told in every comparison, against a run and against what was recorded of it.
func TestCompare_TellsWhatDiffers(t *testing.T) {
	old := changed(100, func(r *event.RunStarted, s *event.Server) {
		r.Homellm, s.Version, s.Address, s.Flags = "v1.3.0", "0.11.0", "loopback", strings.Repeat("a", 64)
		s.ContextTokens = new(8192)
		r.Host["cpu_cores"], r.Host["cpu_threads"], r.Host["memory_mib"] = 8.0, 16.0, 32768.0
		r.Host["cpu_governor"], r.Host["power_source"] = "performance", "mains"
	}, event.Sample{Values: map[string]float64{"gpu.sm_clock_mhz": 2500, "gpu.throttled": 0}})
	now := changed(100, func(r *event.RunStarted, s *event.Server) {
		r.Homellm, s.Version, s.Address, s.Flags = "v1.2.0", "0.9.2", "private network", strings.Repeat("b", 64)
		s.ContextTokens = new(4096)
		r.Host["cpu_cores"], r.Host["cpu_threads"], r.Host["memory_mib"] = 4.0, 4.0, 16384.0
		r.Host["cpu_governor"], r.Host["power_source"] = "powersave", "battery"
		s.Simulated = true
	}, event.Sample{Values: map[string]float64{"gpu.sm_clock_mhz": 1800, "gpu.throttled": 0}})
	want := []string{
		"cpu.cores: 8 (16 threads) -> 4",
		"cpu.governor: performance -> powersave",
		"host.memory: 32.0 GiB -> 16.0 GiB",
		"host.power_source: mains -> battery",
		"server.version: 0.11.0 -> 0.9.2 (a downgrade)",
		"server.address: loopback -> private network",
		"server.context_tokens: 8192 -> 4096",
		"server.flags_sha256: aaaaaaaaaaaa… -> bbbbbbbbbbbb…",
		"server.simulated: no -> yes",
		"homellm.version: v1.3.0 -> v1.2.0 (a downgrade)",
		"gpu.clock: 2500 MHz -> 1800 MHz",
	}
	for name, side := range map[string]Source{"run": Measured(old.Cells[0], ""), "baseline": kept(t, old).Source("")} {
		var got []string
		for _, m := range ttft().Compare("x", side, Measured(now.Cells[0], ""), time.Time{}).Differences {
			got = append(got, m.String())
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("against the %s (-want +got)\n%s", name, diff)
		}
	}
	// What must match is told as that, and not a second time.
	rules := ttft()
	rules.Match = append(slices.Clone(rules.Match), "server.version")
	p := rules.Compare("x", Measured(old.Cells[0], ""), Measured(now.Cells[0], ""), time.Time{})
	if len(p.Differences) != len(want)-1 || len(p.Mismatches) != 1 ||
		p.Mismatches[0].String() != "server.version: 0.11.0 -> 0.9.2 (a downgrade)" {
		t.Errorf("with a version that must match: %v, and %v", p.Mismatches, p.Differences)
	}
}

// A file from before these circumstances were kept says nothing of them: that is no difference. Neither are clocks
// that are as alike as those of two runs of one thing.
func TestCompare_OlderFilesTellLess(t *testing.T) {
	now := changed(100, func(r *event.RunStarted, s *event.Server) {
		r.Homellm, s.Version, s.Address = "v1.2.0", "0.9.2", "loopback"
		s.ContextTokens = new(4096)
		r.Host["cpu_cores"] = 4.0
	}, event.Sample{Values: map[string]float64{"gpu.sm_clock_mhz": 2510, "gpu.throttled": 0.5}})
	b := kept(t, repeated("pass", 100, 12))
	for _, k := range FingerprintKeys {
		if !slices.Contains([]string{"scenario.sha256", "scenario.options", "gpu.name", "driver.version", "cpu.name",
			"server.engine", "model", "model.revision"}, k.Name) {
			delete(b.Fingerprint, k.Name)
		}
	}
	b.Homellm = "v1.1.0"
	p := ttft().Compare("x", b.Source(""), Measured(now.Cells[0], ""), time.Time{})
	if len(p.Differences) != 1 || p.Differences[0].String() != "homellm.version: v1.1.0 -> v1.2.0" {
		t.Errorf("an old baseline: %v", p.Differences)
	}
	if !p.Comparable() || !slices.Contains(p.Warnings, beforeDigests) {
		t.Errorf("an old baseline of the same bytes: %v, %v", p.Mismatches, p.Warnings)
	}
	near := Fingerprint{"gpu.clock": "2500 MHz"}.Differences(Fingerprint{"gpu.clock": "2540 MHz"}, nil)
	far := Fingerprint{"gpu.clock": "2500 MHz"}.Differences(Fingerprint{"gpu.clock": "2400 MHz"}, nil)
	if len(near) != 0 || len(far) != 1 {
		t.Errorf("clocks: %v, %v", near, far)
	}
}

// A machine that slowed itself down says nothing of a server's times, whichever side it is and however it is told.
func TestCompare_ThrottledTimesAreUnknown(t *testing.T) {
	cool := func() *metrics.Run {
		return changed(100, func(*event.RunStarted, *event.Server) {}, event.Sample{Values: map[string]float64{
			"gpu.throttled": 0}})
	}
	hot := func(also ...event.Body) *metrics.Run {
		return changed(130, func(*event.RunStarted, *event.Server) {}, also...)
	}
	sampled := event.Sample{Values: map[string]float64{"gpu.throttled": 0.25}}
	noted := event.Note{Code: "throttled", Text: "…"}
	again := hot(sampled)
	for name, c := range map[string]struct {
		old, now Source
		why      string
	}{
		"a new run":     {Measured(cool().Cells[0], ""), Measured(hot(sampled).Cells[0], ""), "the new side"},
		"a noted run":   {Measured(cool().Cells[0], ""), Measured(hot(noted).Cells[0], ""), "the new side"},
		"an old run":    {Measured(hot(sampled).Cells[0], ""), Measured(cool().Cells[0], ""), "the old side"},
		"a baseline":    {kept(t, hot(sampled)).Source(""), Measured(cool().Cells[0], ""), "the old side"},
		"a noted file":  {kept(t, hot(noted)).Source(""), Measured(cool().Cells[0], ""), "the old side"},
		"a further run": {kept(t, cool(), again.Cells[0]).Source(""), Measured(cool().Cells[0], ""), "the old side"},
		"a cool file and a hot run": {kept(t, cool()).Source(""), Measured(hot(sampled).Cells[0], ""),
			"the new side"},
	} {
		p := ttft().Compare("x", c.old, c.now, time.Time{})
		d := p.Deltas[0]
		if d.Verdict != event.Unknown || !strings.Contains(d.Why, c.why+" was not steady (a GPU slowed itself down") {
			t.Errorf("%s: %s (%s)", name, d.Verdict, d.Why)
		}
		all := Comparison{Pairs: []Pair{p}}
		adjust(all.Pairs)
		if _, code, _ := all.Outcome(); code != exit.Inconclusive {
			t.Errorf("%s: exit code %d", name, code)
		}
	}
	p := ttft().Compare("x", Measured(cool().Cells[0], ""), Measured(hot().Cells[0], ""), time.Time{})
	if p.Deltas[0].Verdict != Worse {
		t.Errorf("a slower run on a cool machine: %s (%s)", p.Deltas[0].Verdict, p.Deltas[0].Why)
	}
	// Expressions over base. say no more.
	text := "steps.q.ttft_ms.p50 < 1.5 * base.steps.q.ttft_ms.p50"
	rules := Rules{Expressions: expressions(t, text, ", allow_small_n: true")}
	for name, r := range map[string]*metrics.Run{"cool": cool(), "throttled": hot(sampled)} {
		p := rules.Compare("x", Measured(r.Cells[0], ""), Measured(cool().Cells[0], ""), time.Time{})
		if d := p.Deltas[0]; (d.Verdict == event.Unknown) != (name == "throttled") {
			t.Errorf("an expression over a %s side: %s (%s)", name, d.Verdict, d.Why)
		}
	}
	// Both sides in turn met the same heat.
	rules = ttft()
	rules.InTurn = true
	if p := rules.Compare("x", Measured(cool().Cells[0], ""), Measured(hot(noted).Cells[0], ""),
		time.Time{}); p.Deltas[0].Verdict != Worse {
		t.Errorf("in turn: %s (%s)", p.Deltas[0].Verdict, p.Deltas[0].Why)
	}
}

// What a scenario sends identifies it: its file may be commented, retitled and given assertions. Where a side is from
// before that was kept, the bytes of the file identify it.
func TestCompare_SameScenario(t *testing.T) {
	of := func(does, sum string, options ...string) *metrics.Run {
		r := changed(100, func(r *event.RunStarted, _ *event.Server) {
			r.Scenario.SHA256, r.Options = sum, options
		})
		r.Cells[0].Planned.Does = does
		return r
	}
	first := of("sends this", "bytes")
	for _, c := range []struct {
		what   string
		now    *metrics.Run
		differ string
	}{
		{"an edited file that sends the same", of("sends this", "other bytes"), ""},
		{"a file that sends something else", of("sends that", "other bytes"), "scenario.digest: sends this -> sends that"},
		{"the same file with another variable", of("sends that", "bytes", "--var=a=2"),
			"scenario.digest: sends this -> sends that"},
		{"a variable that changes nothing that is sent", of("sends this", "bytes", "--var=a=2"), ""},
		{"another context", of("sends this", "bytes", "--context-size=4096"),
			"scenario.options: not known -> --context-size=4096"},
		{"the same file, from before", of("", "bytes"), ""},
		{"an edited file, from before", of("", "other bytes"), "scenario.sha256: bytes -> other bytes"},
		{"another variable, from before", of("", "bytes", "--var=a=2"), "scenario.options: not known -> --var=a=2"},
	} {
		back := ttft().Compare("x", Measured(c.now.Cells[0], ""), Measured(first.Cells[0], ""), time.Time{})
		if back.Comparable() != (c.differ == "") {
			t.Errorf("%s before the other: %v", c.what, back.Mismatches)
		}
		for name, side := range map[string]Source{
			"run": Measured(first.Cells[0], ""), "baseline": kept(t, first).Source("")} {
			p := ttft().Compare("x", side, Measured(c.now.Cells[0], ""), time.Time{})
			if p.difference() != c.differ {
				t.Errorf("%s against the %s: %q, want %q", c.what, name, p.difference(), c.differ)
			}
			if old := c.now.Cells[0].Planned.Does == ""; slices.Contains(p.Warnings, beforeDigests) != old {
				t.Errorf("%s against the %s: %v", c.what, name, p.Warnings)
			}
		}
	}
	// Who asks for the bytes to match gets that.
	rules := ttft()
	rules.Match = []string{"scenario.sha256"}
	if p := rules.Compare("x", Measured(first.Cells[0], ""), Measured(of("sends this", "other bytes").Cells[0], ""),
		time.Time{}); p.Comparable() {
		t.Error("other bytes match")
	}
	// A run of an edited file repeats the first one.
	again := of("sends this", "other bytes")
	if b := kept(t, first, again.Cells[0]); len(b.Further) != 1 {
		t.Errorf("further runs: %v", b.Further)
	}
	that := of("sends that", "bytes").Cells[0]
	if _, err := record(first.Cells[0], wants("steps.q.ttft_ms"), nil, 0, that); err == nil {
		t.Error("a run that sent something else repeats the first one")
	}
}

// A changed assertion gives every cell another id. Cells still find each other, by name.
func TestRules_FindCellsByName(t *testing.T) {
	two := func(ids ...string) *metrics.Run {
		r := &metrics.Run{}
		r.Add(event.Event{Body: event.RunStarted{ID: ids[0], Scenario: event.Scenario{Name: "s", SHA256: ids[0]}}})
		for i, id := range ids {
			r.Add(event.Event{Cell: id, Body: event.CellPlanned{Does: "d", Labels: []event.Label{
				{Name: "server", Value: []string{"a", "b", "b"}[i]}}}})
		}
		return r
	}
	old, now := two("1", "2"), two("3", "4")
	for i, p := range ttft().Runs(old, now).Pairs {
		if p.Missing != "" || p.Sides[0].Cell != old.Cells[i] {
			t.Errorf("%s: %q", p.Cell, p.Missing)
		}
	}
	b := &Baseline{Cell: "2", Name: "b", Fingerprint: Fingerprint{}}
	if c, ok := ttft().Baseline(b, "b.json", now); !ok || c.Pairs[0].Cell != "b" {
		t.Errorf("the cell of a baseline: %t", ok)
	}
	if _, ok := ttft().Baseline(b, "b.json", two("5", "6", "7")); ok {
		t.Error("one of two cells of a name is taken for that of the baseline")
	}
	if c := ttft().Runs(old, two("8", "9", "10")); c.Pairs[1].Missing == "" && c.Pairs[2].Missing == "" {
		t.Error("two cells are compared with the same one")
	}
}
