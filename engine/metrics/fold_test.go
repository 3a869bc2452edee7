package metrics

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"homellm/engine/event"

	"github.com/google/go-cmp/cmp"
)

// random makes the events of one cell: whatever may happen in it, in an order an engine keeps.
func random(rnd *rand.Rand, cell string) []event.Event {
	var out []event.Event
	now := time.Duration(0)
	add := func(b event.Body) {
		now += time.Duration(rnd.IntN(1000)) * time.Millisecond
		out = append(out, event.Event{At: now, Cell: cell, Body: b})
	}
	odd := []string{"plain", "", "bad \xff\xfe utf-8", "\u2028 <b>|", "Grüße"}
	for attempt := 1; attempt <= 1+rnd.IntN(2); attempt++ {
		add(event.CellStarted{Attempt: attempt, Server: event.Server{Profile: "p", Engine: "e",
			Model: odd[rnd.IntN(len(odd))], Version: odd[rnd.IntN(len(odd))]}})
		for range rnd.IntN(12) {
			q := reply()
			q.Repeat, q.Warmup, q.Step = 1+rnd.IntN(3), rnd.IntN(5) == 0, fmt.Sprintf("s%d", rnd.IntN(3))
			q.Due, q.Sent, q.Headers, q.FirstEvent, q.Done = now, new(now+1), new(now+at(12)), new(now+at(20)), now+at(300)
			for i := range q.Chunks {
				q.Chunks[i].At += now
			}
			q.Text, q.Tools, q.Finish = odd[rnd.IntN(len(odd))], odd[rnd.IntN(len(odd))], odd[rnd.IntN(len(odd))]
			q.CacheWhy, q.ReusableWhy = odd[rnd.IntN(len(odd))], odd[rnd.IntN(len(odd))]
			q.Wire.ContentType, q.Wire.Model = odd[rnd.IntN(len(odd))], odd[rnd.IntN(len(odd))]
			q.Timings = map[string]float64{}
			if rnd.IntN(4) == 0 {
				q.Err = &event.Error{Class: "server_error", Message: odd[rnd.IntN(len(odd))], Body: "half a rune \xe2\x82"}
			}
			add(q)
			add(event.Sample{Values: map[string]float64{"gpu.power_w": rnd.Float64()}})
		}
		add(event.Attained{Objective: "o", Repeat: 1, Missed: []int{1}, Unknown: []event.Undecided{{Turns: []int{2},
			Why: odd[rnd.IntN(len(odd))]}}})
		add(event.Note{Code: "n", Text: odd[rnd.IntN(len(odd))]})
		add(event.Facts{Values: map[string]float64{"load_ms": rnd.Float64() * 1000}, Source: "client"})
		add(event.Verdict{Name: "v", Verdict: "fail", TextSeen: odd[rnd.IntN(len(odd))], Why: odd[rnd.IntN(len(odd))],
			Operands: []event.Operand{{Path: "a", Value: rnd.IntN(9)}, {Path: "b", Value: odd[2]}, {Path: "c", Value: 0.5},
				{Path: "d", Why: "none"}}})
	}
	switch rnd.IntN(3) {
	case 0:
		add(event.CellDone{Err: odd[rnd.IntN(len(odd))]})
	case 1:
		add(event.CellFailed{Err: odd[rnd.IntN(len(odd))], Hint: odd[2]})
	}
	return out
}

// weave puts the events of several cells into one order that keeps the order within each.
func weave(rnd *rand.Rand, cells ...[]event.Event) []event.Event {
	left := make([][]event.Event, len(cells))
	copy(left, cells)
	var out []event.Event
	for {
		var open []int
		for i, c := range left {
			if len(c) > 0 {
				open = append(open, i)
			}
		}
		if len(open) == 0 {
			return out
		}
		i := open[rnd.IntN(len(open))]
		out, left[i] = append(out, left[i][0]), left[i][1:]
	}
}

func head(cells ...string) []event.Event {
	started := time.Date(2026, 11, 23, 13, 1, 12, 500, time.FixedZone("home", 3600))
	out := []event.Event{{Body: event.RunStarted{Version: event.Version, ID: "r", Started: started, Homellm: "1.0",
		Host: map[string]any{"cores": 8, "gpus": []string{"RTX 4090"}, "note": "\xff"}}}}
	for _, c := range cells {
		out = append(out, event.Event{Cell: c, Body: event.CellPlanned{Labels: []event.Label{{Name: "server", Value: c}},
			Turns: 3}})
	}
	return out
}

func foldAll(events []event.Event) *Run {
	r := &Run{}
	for _, e := range events {
		r.Add(e)
	}
	return r
}

func TestAdd_RemarksOnAJournalWithoutChecks(t *testing.T) {
	for version, want := range map[int]int{1: 1, event.Version: 0} {
		begun := event.Event{Body: event.RunStarted{Version: version}}
		r := foldAll([]event.Event{begun, begun}) // a resumed run with a changed plan begins again
		if len(r.Notes) != want {
			t.Errorf("version %d: %d notes, want %d", version, len(r.Notes), want)
		}
	}
}

func TestAdd_DoesNotDependOnHowCellsInterleave(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		a, b, c := random(rnd, "a"), random(rnd, "b"), random(rnd, "c")
		plan := head("a", "b", "c")
		end := event.Event{Body: event.RunDone{}}
		one := foldAll(append(append(append([]event.Event{}, plan...), weave(rnd, a, b, c)...), end))
		two := foldAll(append(append(append([]event.Event{}, plan...), weave(rnd, a, b, c)...), end))
		if !reflect.DeepEqual(one, two) {
			t.Fatalf("seed %d: two interleavings fold differently", seed)
		}
	}
}

func TestAdd_ReplayedEqualsLive(t *testing.T) {
	for seed := range uint64(50) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		events := append(head("a", "b"), weave(rnd, random(rnd, "a"), random(rnd, "b"))...)
		events = append(events, event.Event{Body: event.Note{Text: "\xff"}},
			event.Event{Body: event.RunDone{Aborted: "\xfe"}})
		path := filepath.Join(t.TempDir(), "j")
		j, err := event.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		live := &Run{}
		var last time.Duration
		for i, e := range events {
			e.Seq, e.At = uint64(i+1), max(e.At, last)
			last = e.At
			if err := j.Append(e); err != nil {
				t.Fatal(err)
			}
			live.Add(e)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		replayed := &Run{}
		for e, err := range event.Read(bytes.NewReader(raw)) {
			if err != nil {
				t.Fatal(err)
			}
			replayed.Add(e)
		}
		if !reflect.DeepEqual(live, replayed) {
			t.Fatalf("seed %d: (-live +replayed)\n%s", seed,
				cmp.Diff(live, replayed, cmp.Exporter(func(reflect.Type) bool { return true })))
		}
	}
}

func TestAdd_LaterAttemptReplaces(t *testing.T) {
	r := foldAll(append(head("a"),
		event.Event{Cell: "a", Body: event.Note{Text: "noted before the first attempt"}},
		event.Event{Cell: "a", Body: event.CellStarted{Attempt: 1}},
		event.Event{Cell: "a", Body: reply()},
		event.Event{Cell: "a", Body: event.Sample{Values: map[string]float64{"gpu.power_w": 1}}},
		event.Event{Cell: "a", Body: event.Verdict{Name: "v", Verdict: "fail"}},
		event.Event{Cell: "a", Body: event.CellFailed{Err: "gone"}},
	))
	c := r.Cells[0]
	if len(c.Requests) != 1 || len(c.Notes) != 1 || c.Failed == nil {
		t.Fatalf("first attempt: %+v", c)
	}
	r.Add(event.Event{Cell: "a", Body: event.CellStarted{Attempt: 2}})
	if c := r.Cells[0]; len(c.Requests) != 0 || len(c.Verdicts) != 0 || c.Failed != nil || len(c.Notes) != 0 ||
		c.Started.Attempt != 2 {
		t.Errorf("second attempt: %+v", c)
	}
	if v := c.Observed("gpu.power_w"); v.Known() {
		t.Errorf("a sample of the first attempt survived: %v", v.V)
	}
	if c.Planned.Turns != 3 || len(r.Cells) != 1 {
		t.Errorf("what was planned is lost: %+v", c.Planned)
	}
}

func TestAdd_AttemptAfterAFailedStart(t *testing.T) {
	r := foldAll(append(head("a"), event.Event{Cell: "a", Body: event.CellFailed{Err: "the port was taken"}}))
	r.Add(event.Event{Cell: "a", Body: event.CellStarted{Attempt: 1}})
	if r.Cells[0].Failed != nil {
		t.Error("a cell that started is still reported as one that did not")
	}
}

func TestAdd_ResumeGoesOnBehindTheEnd(t *testing.T) {
	r := foldAll(append(head("a"), event.Event{Body: event.RunDone{Interrupted: "SIGINT"}}))
	if r.Done == nil {
		t.Fatal("the run did not end")
	}
	r.Add(event.Event{Cell: "a", Body: event.CellStarted{Attempt: 1}})
	if r.Done != nil {
		t.Error("a resumed run is still over")
	}
}

func TestObservations_LeaveWarmUpsOut(t *testing.T) {
	q := reply()
	q.Due, q.Done = at(1000), at(2000)
	warm := reply()
	warm.Warmup, warm.Done = true, at(900)
	power := func(t, w float64) event.Event {
		return event.Event{At: at(t), Cell: "a", Body: event.Sample{Values: map[string]float64{"gpu.power_w": w,
			"gpu.mem_used_mib": w}}}
	}
	r := foldAll([]event.Event{power(100, 50), {Cell: "a", Body: warm}, power(1000, 200), power(1500, 300),
		{Cell: "a", Body: q}, power(2500, 50)})
	c := r.Cells[0]
	if v := c.Observed("gpu.power_w"); v.V != 250.0 {
		t.Errorf("power %v %s", v.V, v.Why)
	}
	if v := c.Observed("gpu.mem_peak_mib"); v.V != 300.0 {
		t.Errorf("peak %v %s", v.V, v.Why)
	}
	if d := Must("gpu.power_w").Dist(c, nil); d.N != 2 || d.Max != 300 {
		t.Errorf("%+v", d)
	}
	if v := c.Observed("gpu.temp_c"); v.Why != noGPU || v.V != nil {
		t.Errorf("temperature: %+v", v)
	}
	late := foldAll([]event.Event{{Cell: "a", Body: q}, power(2500, 50)})
	if v := late.Cells[0].Observed("gpu.power_w"); v.Why != "no sample fell into the measured repeats" {
		t.Errorf("%+v", v)
	}
}

func TestObserved_FactsOfTheRunServeEveryCell(t *testing.T) {
	r := foldAll(append(head("a"), event.Event{Body: event.Facts{Values: map[string]float64{"client_cpu_share": 0.02},
		Source: "getrusage"}}))
	if v := r.Cells[0].Observed("client_cpu_share"); v.V != 0.02 || v.Source != "getrusage" {
		t.Errorf("%+v", v)
	}
}

func TestJoulesPerToken(t *testing.T) {
	q, other := reply(), reply()
	energy := event.Facts{Values: map[string]float64{"gpu.energy_j": 30}, Source: "NVML"}
	r := foldAll([]event.Event{{Cell: "a", Body: q}, {Cell: "a", Body: other}, {Cell: "a", Body: energy},
		{Cell: "a", Body: energy}})
	if v := r.Cells[0].Observed("j_per_token"); v.V != 6.0 {
		t.Errorf("got %v %s", v.V, v.Why)
	}
	other.Usage.Completion = nil
	r.Add(event.Event{Cell: "a", Body: other})
	if v := r.Cells[0].Observed("j_per_token"); v.Known() {
		t.Errorf("a turn with unknown tokens gave %v", v.V)
	}
	cut := reply()
	cut.Err = &event.Error{Class: "cancelled"}
	r = foldAll([]event.Event{{Cell: "a", Body: q}, {Cell: "a", Body: cut}, {Cell: "a", Body: energy}})
	if v := r.Cells[0].Observed("j_per_token"); v.Known() {
		t.Errorf("energy of a request that was cut off went into %v", v.V)
	}
	if v := foldAll(head("a")).Cells[0].Observed("j_per_token"); v.Why != "no device reports its energy" {
		t.Errorf("%+v", v)
	}
}

// Two conversations that a phase spans take what they take together: what lies between them is
// another phase.
func TestTotal_LeavesOutWhatIsBetween(t *testing.T) {
	a, b := reply(), reply() // sent at 10 ms, done at 260 ms
	b.Conversation, b.Sent, b.Done = "other", new(at(5000)), at(5100)
	d, _ := Lookup("total_ms")
	if v := d.Over(&Cell{}, []*event.Request{&a, &b}); v.V != 350.0 {
		t.Errorf("got %v (%s), want 250 + 100", v.V, v.Why)
	}
	b.Conversation = a.Conversation
	if v := d.Over(&Cell{}, []*event.Request{&a, &b}); v.V != 5090.0 {
		t.Errorf("got %v (%s), want all of the one conversation", v.V, v.Why)
	}
}

// A prefill is a cold read of long documents. It is what its own step measures, and no answer that
// somebody waited for.
func TestOver_LeavesPrefillsOutOfAnswers(t *testing.T) {
	load, ask := reply(), reply()
	load.Prefill, load.Chunks, load.Usage.Completion = true,
		[]event.Chunk{{At: at(5010), Channel: event.Answer, Bytes: 1}}, new(1)
	both, alone := []*event.Request{&load, &ask}, []*event.Request{&load}
	c := &Cell{}
	for _, tt := range []struct {
		metric string
		g      []*event.Request
		want   any
	}{
		{"ttft_ms", both, 100.0},
		{"e2e_ms", both, 240.0},
		{"tpot_ms", both, 140.0 / 3},
		{"ttft_ms", alone, 5000.0},
		{"prompt_tokens", both, 200},
		{"cache.hit_rate", both, 160.0 / 200},
		{"requests", both, 2},
	} {
		d, _ := Lookup(tt.metric)
		if v := d.Over(c, tt.g); v.V != tt.want {
			t.Errorf("%s of %d turns: got %v (%s), want %v", tt.metric, len(tt.g), v.V, v.Why, tt.want)
		}
	}
	d, _ := Lookup("ttft_ms")
	if got := d.Dist(c, both); got.N != 1 || got.Max != 100 || got.Unknown != 0 {
		t.Errorf("distribution of both: %+v", got)
	}
	if got := d.Dist(c, alone); got.N != 1 || got.Max != 5000 {
		t.Errorf("distribution of the prefill: %+v", got)
	}
}

func TestDist_ExcludesWhatIsNotMeasured(t *testing.T) {
	good, long, blind, bad := reply(), reply(), reply(), reply()
	long.Usage.Prompt, long.Cached = new(900), new(0)
	blind.Cached = nil
	bad.Err = &event.Error{Class: "reset"}
	r := foldAll([]event.Event{{Cell: "a", Body: good}, {Cell: "a", Body: long}, {Cell: "a", Body: blind},
		{Cell: "a", Body: bad}})
	c := r.Cells[0]
	d, _ := Lookup("cache.hit_rate")
	got := d.Dist(c, c.Measured(Group{}))
	if got.N != 3 || got.Unknown != 1 || got.Why != noCached+" (1 of 3)" {
		t.Errorf("%+v", got)
	}
	// 80 of 1000 tokens are known, and the blind turn has 100 of which 0 to 99 are cached.
	least, most := 80.0/1100, 179.0/1100
	if r, ok := got.Within("mean"); !ok || math.Abs(r.Low-least) > 1e-12 || math.Abs(r.High-most) > 1e-12 {
		t.Errorf("mean %v is not weighted by tokens", r)
	}
	v := d.Over(c, c.Measured(Group{}))
	if v.Known() || v.Range == nil || math.Abs(v.Range.Low-least) > 1e-12 || math.Abs(v.Range.High-most) > 1e-12 {
		t.Errorf("folded: %+v", v)
	}
	sum, _ := Lookup("prompt_tokens")
	if v := sum.Over(c, c.Measured(Group{})); v.Known() {
		t.Errorf("a sum with a failed turn is %v", v.V)
	}
	if v := sum.Over(c, c.Measured(Group{})[:3]); v.V != 1100 {
		t.Errorf("sum %v %s", v.V, v.Why)
	}
}
