package compare

import (
	"bytes"
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/schema"
)

// hiding is a sample of which further repeats have a value that is only known to lie between limits.
func hiding(s metrics.Sample, hidden ...event.Range) metrics.Sample {
	for _, r := range hidden {
		s.Unknown++
		s.Hidden = append(s.Hidden, metrics.Hidden{Repeat: len(s.Values) + len(s.Hidden) + 1, Range: r})
	}
	s.Why = "the server kept it to itself"
	return s
}

// A comparison takes no side with the values that happen to be known: its verdict is that of all values that the
// others may have, or none.
func TestCompare_HiddenValues(t *testing.T) {
	rate := event.Range{Low: 0, High: 1}
	late := event.Range{Low: 0, High: math.Inf(1)}
	of := func(n int, hidden ...event.Range) []event.Range {
		var out []event.Range
		for range n {
			out = append(out, hidden...)
		}
		return out
	}
	ms, hits := in("ms", -1), in("ratio", 1)
	with := func(s metrics.Sample, values []float64) metrics.Sample {
		s.Values, s.Repeats = values, nil
		for i := range values {
			s.Repeats = append(s.Repeats, i+1)
		}
		return s
	}
	gate := func(stat string) Gate {
		return Gate{Name: "g", Metric: "m", Stat: stat, MaxWorse: new(0.05), Alpha: 0.01, MinSamples: 10, Severity: "fail",
			OnUnknown: "inconclusive"}
	}
	for _, c := range []struct {
		what     string
		stat     string
		old, new metrics.Sample
		want     event.Outcome
	}{
		{"one of twenty late by an unknown time, the others the same", "p50", with(ms, steady(100, 20)),
			hiding(with(ms, steady(100, 19)), late), Same},
		{"half of them", "p50", with(ms, steady(100, 20)), hiding(with(ms, steady(100, 10)), of(10, late)...), event.Unknown},
		{"most are known to be slower", "p50", with(ms, steady(100, 20)), hiding(with(ms, steady(120, 18)), of(2, late)...),
			Worse},
		{"all are slower, whatever they are exactly", "p50", with(ms, steady(100, 20)),
			hiding(with(ms, nil), of(20, event.Range{Low: 118, High: 122})...), Worse},
		{"all may be slower or not", "p50", with(ms, steady(100, 20)),
			hiding(with(ms, nil), of(20, event.Range{Low: 99, High: 122})...), event.Unknown},
		{"the old side hides as many", "p50", hiding(with(ms, steady(100, 10)), of(10, late)...), with(ms, steady(100, 20)),
			event.Unknown},
		{"a hit rate that is known where it is good", "mean", with(hits, steady(0.9, 20)),
			hiding(with(hits, steady(0.9, 10)), of(10, rate)...), event.Unknown},
		{"a hit rate that is lost whatever hides", "mean", with(hits, steady(0.9, 20)),
			hiding(with(hits, steady(0.1, 19)), rate), Worse},
		{"a mean that one value of any size may carry", "mean", with(ms, steady(100, 20)),
			hiding(with(ms, steady(120, 14)), of(6, event.Range{Low: 0, High: 130})...), event.Unknown},
		{"a tail that may hide", "p95", with(ms, steady(100, 20)), hiding(with(ms, steady(100, 10)), of(10, late)...),
			event.Unknown},
		{"a tail that too few hide to make", "p95", with(ms, steady(100, 20)), hiding(with(ms, steady(100, 19)), late),
			NotSeen},
		{"nothing is known at all", "p50", with(ms, steady(100, 20)), hiding(with(ms, nil), of(20, late)...), event.Unknown},
	} {
		d := gate(c.stat).Compare(c.old, c.new, false)
		if d.Verdict != c.want {
			t.Errorf("%s: %s (%s), want %s", c.what, d.Verdict, d.Why, c.want)
		}
		if d.Verdict == event.Unknown && !strings.Contains(d.Why, "kept it to itself") {
			t.Errorf("%s: the reason is %q", c.what, d.Why)
		}
		p := []Pair{{Deltas: []Delta{d}}}
		p[0].Deltas[0].evidence.withdraw = func(*Delta) {}
		adjust(p)
		if got := p[0].Deltas[0].Verdict; got != c.want {
			t.Errorf("%s: %s as the only gate of a family, want %s", c.what, got, c.want)
		}
	}
	// What is shown of such a side is the interval in which its statistic lies, and of the change alike.
	slower := hiding(with(ms, nil), of(20, event.Range{Low: 118, High: 122})...)
	d := gate("p50").Compare(with(ms, steady(100, 20)), slower, false)
	if d.New.Center != nil || d.New.Within == nil || d.New.Within.Low != 118 || d.New.Within.High != 122 || d.New.N != 20 {
		t.Errorf("the new side is %+v", d.New)
	}
	if len(d.Warnings) > 0 && !strings.Contains(d.Warnings[0], "kept it to itself") {
		t.Errorf("the remarks are %q", d.Warnings)
	}
	if d.Change != nil || d.Between == nil || math.Abs(d.Between.Low-18) > 1.1 || math.Abs(d.Between.High-22) > 1.1 ||
		d.P == nil || *d.P > 0.01 {
		t.Errorf("the change is %v, in %v, p %v", d.Change, d.Between, d.P)
	}
}

// Where nothing bounds a value, nothing bounds a mean of it, nor its change.
func TestCompare_OpenEnds(t *testing.T) {
	old := in("ms", -1)
	old.Values = steady(100, 12)
	now := hiding(in("ms", -1), event.Range{Low: 90, High: math.Inf(1)})
	now.Values = steady(100, 12)
	g := Gate{Name: "g", Metric: "m", Stat: "mean", MaxWorse: new(0.05), Alpha: 0.01, MinSamples: 10}
	d := g.Compare(old, now, false)
	if d.New.Within == nil || !math.IsInf(d.New.Within.High, 1) || math.IsInf(d.New.Within.Low, 0) {
		t.Errorf("the new side is %+v", d.New.Within)
	}
	if d.Between == nil || !math.IsInf(d.Between.High, 1) || math.IsInf(d.Between.Low, 0) || d.Lo == nil || d.Hi != nil {
		t.Errorf("the change is in %v, %v to %v", d.Between, d.Lo, d.Hi)
	}
}

// A baseline of which every value hides is one all the same: it can be written and read.
func TestBaseline_AllHidden(t *testing.T) {
	r := hidingHits(true)
	for _, q := range slices.Clone(r.Cells[0].Requests) { // a second turn of each repeat keeps its count to itself
		again := *q
		again.Turn, again.Cached = 2, nil
		r.Cells[0].Requests = append(r.Cells[0].Requests, &again)
	}
	s := r.Cells[0].Sample("steps.q.cache.cached_tokens")
	if len(s.Values) > 0 || !s.Told() {
		t.Fatalf("the fixture has %+v", s)
	}
	b, err := record(r.Cells[0], wants("steps.q.cache.cached_tokens"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if err := b.Write(&file); err != nil {
		t.Fatal(err)
	}
	var doc any
	if err := json.Unmarshal(file.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	if problems := schema.Validate("baseline", doc); len(problems) > 0 {
		t.Errorf("the schema refuses what is written: %v", problems)
	}
	if b, err = ReadBaseline(file.Bytes()); err != nil || len(b.Sample("steps.q.cache.cached_tokens").Hidden) != 24 {
		t.Errorf("%v, %+v", err, b)
	}
}

// In turn, a repeat that hides its value is half of a pair all the same.
func TestCompare_HiddenPairs(t *testing.T) {
	old, now := metrics.Sample{Unit: "ms", Better: -1}, metrics.Sample{Unit: "ms", Better: -1}
	for i := range 20 {
		v := 100 + 10*float64(i)
		old.Values, old.Repeats = append(old.Values, v), append(old.Repeats, i+1)
		if i != 7 {
			now.Values, now.Repeats = append(now.Values, 1.1*v), append(now.Repeats, i+1)
		}
	}
	now.Unknown, now.Why = 1, "the server kept it to itself"
	now.Hidden = []metrics.Hidden{{Repeat: 8, Range: event.Range{Low: 150, High: 500}}}
	g := Gate{Name: "g", Metric: "m", Stat: "p50", MaxWorse: new(0.03), Alpha: 0.01, MinSamples: 10}
	if d := g.Compare(old, now, true); d.Verdict != Worse || d.Test != "paired" || d.New.N != 20 {
		t.Errorf("%s by %s of %d (%s)", d.Verdict, d.Test, d.New.N, d.Why)
	}
}

// hidingHits is a run of 24 repeats that reports the cached tokens of every second one.
func hidingHits(all bool) *metrics.Run {
	r := repeated("pass", 100, 24)
	for i, q := range r.Cells[0].Requests {
		q.Usage.Prompt, q.CacheSource = new(100), "usage"
		if all || i%2 == 0 {
			q.Cached = new(90)
		}
	}
	return r
}

// A baseline keeps what was not known of its run.
func TestBaseline_KeepsHiddenValues(t *testing.T) {
	const path = "steps.q.cache.hit_rate"
	rules := Rules{Gates: []Gate{{Name: "hits", Metric: path, Stat: "mean", MaxWorseAbs: new(0.06), Alpha: 0.01,
		MinSamples: 6, Severity: "fail", OnUnknown: "inconclusive"}}}
	r := hidingHits(false)
	b, err := rules.Record(r.Cells[0], 0)
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
	var doc any
	if err := json.Unmarshal(file.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	if problems := schema.Validate("baseline", doc); len(problems) > 0 {
		t.Errorf("the schema refuses what is written: %v", problems)
	}
	want, got := Measured(r.Cells[0], "").Sample(path), b.Source("").Sample(path)
	if len(want.Hidden) != 12 || len(got.Hidden) != 12 || got.Hidden[0].Range != want.Hidden[0].Range ||
		len(got.Values) != 12 || got.Within["mean"] != want.Within["mean"] || got.Why != want.Why {
		t.Errorf("the run has %+v, the baseline %+v", want, got)
	}
	whole := Measured(hidingHits(true).Cells[0], "")
	for name, side := range map[string]Source{"run": Measured(r.Cells[0], ""), "baseline": b.Source("")} {
		d := rules.Compare("x", whole, side, time.Time{}).Deltas[0]
		if d.Verdict != event.Unknown || d.New.Within == nil || *d.New.Within != want.Within["mean"] {
			t.Errorf("the %s against a whole one: %s, %+v", name, d.Verdict, d.New)
		}
		// Where half of it was 0.9, and the other half whatever it may be, 0.9 is no worse.
		d = rules.Compare("x", side, whole, time.Time{}).Deltas[0]
		if d.Verdict != NotSeen || d.Old.Within == nil {
			t.Errorf("a whole one against the %s: %s (%s), %+v", name, d.Verdict, d.Why, d.Old)
		}
	}
}

// What a gate that never gates has no exact value of keeps no baseline from being recorded.
func TestRecord_WarningsNeedNoValue(t *testing.T) {
	warns := ", severity: warn"
	r := hidingHits(false)
	cell := r.Cells[0]
	record := func(that, more string, gates ...Gate) (*Baseline, error) {
		return Rules{Expressions: expressions(t, that, more), Gates: gates}.Record(cell, 0)
	}
	b, err := record("run.cache.hit_rate >= base.run.cache.hit_rate - 0.05", warns)
	if err != nil {
		t.Fatalf("a figure that is an interval: %v", err)
	}
	v := b.Source("").Figure("run.cache.hit_rate")
	want := cell.Lookup("scenario", 0, "", "")("run.cache.hit_rate")
	if v.Known() || v.Range == nil || *v.Range != *want.Range {
		t.Errorf("the baseline has %+v, the run %+v", v, want)
	}
	for that, want := range map[string]event.Outcome{
		"run.cache.hit_rate >= base.run.cache.hit_rate": event.Unknown,
		"base.run.cache.hit_rate < 0.99":                event.Pass,
		"base.run.cache.hit_rate < 0.4":                 event.Fail,
	} {
		rules := Rules{Expressions: expressions(t, that, ", allow_small_n: true")}
		d := rules.Compare("x", b.Source(""), Measured(hidingHits(true).Cells[0], ""), time.Time{}).Deltas[0]
		if d.Verdict != want {
			t.Errorf("%s against %v: %s (%s), want %s", that, v.Range, d.Verdict, d.Why, want)
		}
	}
	const nothing = "steps.q.server.ttft_ms.p50 < 2 * base.steps.q.server.ttft_ms.p50"
	kept := Gate{Name: "ttft", Metric: "steps.q.ttft_ms", Stat: "p50", Severity: "fail"}
	if _, err := record(nothing, warns, kept); err != nil {
		t.Errorf("a figure of which nothing is known, in a warning: %v", err)
	}
	if _, err := record(nothing, "", kept); err == nil {
		t.Error("a figure of which nothing is known, in a gate, is recorded")
	}
	none := Gate{Name: "server", Metric: "steps.q.server.ttft_ms", Stat: "p50", Severity: "warn"}
	if _, err := record("run.error_rate == 0", "", kept, none); err != nil {
		t.Errorf("a gate that warns and has no value: %v", err)
	}
	none.Severity = "fail"
	if _, err := record("run.error_rate == 0", "", kept, none); err == nil {
		t.Error("a gate that fails and has no value is recorded")
	}
}

// Verdicts hold for all values that the hidden ones may have: worse means worse with all of them, and not worse means
// worse with none.
func TestCompare_HoldsForWhateverHides(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	verdicts := map[string]int{}
	for range 400 {
		g := Gate{Name: "g", Metric: "m", Stat: []string{"p50", "mean", "p90"}[random.IntN(3)], Better: -1,
			MaxWorse: new(0.02), Alpha: 0.05, MinSamples: 10}
		shift, width, share := 8*random.Float64(), 20*random.Float64(), 0.5*random.Float64()
		draw := func(center float64) metrics.Sample {
			s := metrics.Sample{Unit: "ms", Better: -1, Why: "it hides"}
			for i := range 14 {
				v := center + 4*random.NormFloat64()
				if random.Float64() < share {
					r := event.Range{Low: v - width*random.Float64(), High: v + width*random.Float64()}
					if random.IntN(10) == 0 {
						r.High = math.Inf(1)
					}
					s.Hidden = append(s.Hidden, metrics.Hidden{Repeat: i + 1, Range: r})
					s.Unknown++
					continue
				}
				s.Values, s.Repeats = append(s.Values, v), append(s.Repeats, i+1)
			}
			return s
		}
		old, now := draw(100), draw(100+shift)
		verdict := g.Compare(old, now, false).Verdict
		verdicts[g.Stat+" "+string(verdict)]++
		if verdict == event.Unknown || len(old.Hidden)+len(now.Hidden) == 0 {
			continue
		}
		for range 20 {
			told := func(s metrics.Sample) metrics.Sample {
				for _, h := range s.Hidden {
					at := []float64{0, 1, random.Float64()}[random.IntN(3)]
					s.Values = append(slices.Clone(s.Values), h.Low+at*(min(h.High, 1000)-h.Low))
					s.Repeats = append(slices.Clone(s.Repeats), h.Repeat)
				}
				s.Hidden, s.Unknown = nil, 0
				return s
			}
			if truth := g.Compare(told(old), told(now), false).Verdict; (truth == Worse) != (verdict == Worse) {
				t.Errorf("a %s is %s, and %s if all were known", g.Stat, verdict, truth)
			}
		}
	}
	for _, want := range []string{"p50 worse", "mean worse", "p90 worse", "mean not seen", "p90 not seen", "p50 unknown"} {
		if verdicts[want] < 5 {
			t.Errorf("only %d times %s: %v", verdicts[want], want, verdicts)
		}
	}
}
