package metrics

import (
	"math"
	"math/rand/v2"
	"testing"

	"homellm/dsl/figure"
	"homellm/engine/event"
	"homellm/engine/stats"
)

// told is a turn of a repeat with so many prompt tokens, of which so many were cached; -1: the server does not say.
func told(repeat, turn, prompt, cached int) event.Request {
	q := reply()
	q.Repeat, q.Turn = repeat, turn
	q.Usage.Prompt, q.Cached, q.CacheSource = &prompt, &cached, "usage"
	if prompt < 0 {
		q.Usage.Prompt = nil
	}
	if cached < 0 {
		q.Cached = nil
	}
	return q
}

// cellOf is a cell of a scenario whose only step has so many turns.
func cellOf(turns int, requests ...event.Request) *Cell {
	r := foldAll([]event.Event{
		{Body: event.RunStarted{Scenario: event.Scenario{Conversations: []event.Conversation{
			{ID: "main", Steps: []event.Step{{ID: "q", Turns: turns}}}}}}},
		{Cell: "a", Body: event.CellStarted{Server: event.Server{ContextTokens: new(4096)}}},
	})
	for _, q := range requests {
		r.Add(event.Event{Cell: "a", Body: q})
	}
	return r.Cell("a")
}

// lies compares a value with the interval that it must be.
func lies(t *testing.T, what string, v Value, low, high float64) {
	t.Helper()
	if v.Known() || v.V != nil || v.Range == nil || v.Why == "" {
		t.Errorf("%s is %+v, want the interval from %v to %v", what, v, low, high)
		return
	}
	if near := func(a, b float64) bool { return a == b || math.Abs(a-b) < 1e-9 }; !near(v.Range.Low, low) ||
		!near(v.Range.High, high) {
		t.Errorf("%s lies in %v, want %v to %v", what, *v.Range, low, high)
	}
}

func TestOver_AnUnknownTurnLeavesAnInterval(t *testing.T) {
	look := func(c *Cell, path string) Value { return c.Lookup(figure.ConversationScope, 1, "main", "")(path) }
	// The first turn had none of its 55 tokens cached: the truth is 48 of 142, and 0.552 was shown.
	c := cellOf(2, told(1, 1, 55, -1), told(1, 2, 87, 48))
	lies(t, "the hit rate", look(c, "conv.cache.hit_rate"), 48.0/142, (48+54.0)/142)
	lies(t, "the cached tokens", look(c, "conv.cache.cached_tokens"), 48, 48+54)

	// Numerator and denominator go together: of a prompt that may have 87 to 4096 tokens, all but one may be cached.
	c = cellOf(2, told(1, 1, 55, 0), told(1, 2, -1, -1))
	q := c.Requests[1]
	q.Reusable = nil
	lies(t, "the hit rate", look(c, "conv.cache.hit_rate"), 0, 4095.0/(55+4096))
	lies(t, "the prompt tokens", look(c, "conv.prompt_tokens"), 55+55, 55+4096)
	q.Cached = new(48)
	lies(t, "the hit rate", look(c, "conv.cache.hit_rate"), 48.0/(55+4096), 48.0/(55+55))
	q.Reusable = new(80) // a prompt has all of what it repeats
	lies(t, "the prompt tokens", look(c, "conv.prompt_tokens"), 55+81, 55+4096)
	lies(t, "the largest context", look(c, "conv.context_peak_tokens"), 81+5, 4096)

	// The ceiling of a conversation is not that of the one turn of two of which it is known.
	a, b := told(1, 1, 100, 0), told(1, 2, 100, 50)
	a.Reusable, a.ReusableWhy = nil, "not tokenised"
	c = cellOf(2, a, b)
	lies(t, "the ceiling", look(c, "conv.cache.reusable_rate"), 90.0/200, 189.0/200)

	// Where no turn is known there is no interval, but a value that is unknown.
	c = cellOf(2, told(1, 1, 55, -1), told(1, 2, 87, -1))
	if v := look(c, "conv.cache.hit_rate"); v.Known() || v.Range != nil {
		t.Errorf("of nothing: %+v", v)
	}
	// A time that is unknown is at least 0: the mean of two of which one is 100 ms is at least 50.
	slow := told(1, 2, 87, 48)
	slow.Wire.Framing = "json"
	c = cellOf(2, told(1, 1, 55, 0), slow)
	lies(t, "the time to first token", look(c, "conv.ttft_ms"), 50, math.Inf(1))
}

func TestLookup_StatisticsOfUnknownValuesAreIntervals(t *testing.T) {
	c := cellOf(1, told(1, 1, 100, 40), told(2, 1, 100, -1), told(3, 1, 100, 60), told(4, 1, 100, -1))
	look := c.Lookup(figure.ScenarioScope, 0, "", "")
	for stat, want := range map[string]event.Range{
		"min": {Low: 0, High: 0.4}, "p50": {Low: 0, High: 0.6}, "max": {Low: 0.6, High: 1},
		"mean": {Low: 100.0 / 400, High: 298.0 / 400}, "p90": {Low: 0.6, High: 1},
	} {
		lies(t, stat, look("steps.q.cache.hit_rate."+stat), want.Low, want.High)
	}
	if n, unknown := look("steps.q.cache.hit_rate.n"), look("steps.q.cache.hit_rate.n_unknown"); n.V != 4 ||
		unknown.V != 2 {
		t.Errorf("n %v, n_unknown %v", n.V, unknown.V)
	}
	// A failed turn does not count as unknown.
	failed := told(5, 1, 100, -1)
	failed.Err = &event.Error{Class: "reset"}
	c = cellOf(1, told(1, 1, 100, 40), failed)
	look = c.Lookup(figure.ScenarioScope, 0, "", "")
	if v := look("steps.q.cache.hit_rate.min"); v.V != 0.4 {
		t.Errorf("a failed turn hides a value: %+v", v)
	}
	// Usage that is absent in half the turns leaves the median of the speed anywhere from nothing upward.
	var turns []event.Request
	for n := range 4 {
		q := told(n+1, 1, 100, 0)
		if n%2 == 1 {
			q.Usage.Completion = nil
		}
		turns = append(turns, q)
	}
	c = cellOf(1, turns...)
	lies(t, "the median speed", c.Lookup(figure.ScenarioScope, 0, "", "")("steps.q.output_tps.p95"), 1000/(140.0/3),
		math.Inf(1))
	if v := c.Lookup(figure.ScenarioScope, 0, "", "")("steps.q.output_tps.p50"); v.Known() {
		t.Errorf("the median of two known and two unknown speeds is %v", v.V)
	}
}

// What is not known is not what is missing: a turn for which there is no such value hides none.
func TestOver_WhatThereIsNotIsNotUnknown(t *testing.T) {
	a, b := told(1, 1, 100, 0), told(1, 2, 100, 80)
	a.Connect, b.Connect = new(at(3)), nil
	c := cellOf(2, a, b)
	look := c.Lookup(figure.ConversationScope, 1, "main", "")
	if v := look("conv.connect_ms"); v.V != 3.0 {
		t.Errorf("a connection that was reused took time: %+v", v)
	}
	c.Requests[0].Reusable = new(0)
	if v := look("conv.cache.efficiency"); v.V != 80.0/90 {
		t.Errorf("a turn that could reuse nothing hides an efficiency: %+v", v)
	}
	if v := c.Lookup(figure.ScenarioScope, 0, "", "")("steps.q.cache.efficiency.n_unknown"); v.V != 0 {
		t.Errorf("a turn that could reuse nothing has an unknown efficiency: %+v", v)
	}
}

// TestQuotients compares the limits of random regions with random points in them: none lies outside.
func TestQuotients(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 1))
	for range 2000 {
		var all []region
		low, high := math.Inf(1), math.Inf(-1)
		type limits struct{ prompt, cached event.Range }
		var of []limits
		for range 1 + random.IntN(4) {
			l := 1 + random.Float64()*100
			h := l + random.Float64()*100
			if random.IntN(2) == 0 {
				all = append(all, part(event.Range{Low: l, High: h}))
				of = append(of, limits{prompt: event.Range{Low: l, High: h}})
				continue
			}
			c := random.Float64() * 50
			all = append(all, box(event.Range{Low: 0, High: c}, event.Range{Low: l, High: h}))
			of = append(of, limits{event.Range{Low: l, High: h}, event.Range{Low: 0, High: c}})
		}
		got := quotients(all)
		for range 300 {
			var num, den float64
			for _, o := range of {
				end := []float64{random.Float64(), 0, 1}[random.IntN(3)]
				d := o.prompt.Low + end*(o.prompt.High-o.prompt.Low)
				most := d - 1
				if o.cached != (event.Range{}) {
					most = o.cached.High
				}
				num, den = num+most*[]float64{random.Float64(), 0, 1}[random.IntN(3)], den+d
			}
			low, high = min(low, num/den), max(high, num/den)
		}
		if low < got.Low-1e-9 || high > got.High+1e-9 {
			t.Fatalf("points from %v to %v lie outside of %v: %+v", low, high, got, of)
		}
		if len(all) == 1 && (low > got.Low+1e-9 || high < got.High-1e-9) {
			t.Fatalf("%v is wider than its points, from %v to %v", got, low, high)
		}
	}
	open := part(event.Range{Low: 10, High: math.Inf(1)})
	if got := quotients([]region{certainly(0, 100), open}); got != (event.Range{Low: 0, High: 1}) {
		t.Errorf("a prompt without a bound: %v", got)
	}
}

func TestDeviations(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 1))
	for range 500 {
		var values []event.Range
		for range 2 + random.IntN(6) {
			l := random.Float64() * 10
			values = append(values, event.Range{Low: l, High: l + random.Float64()*float64(random.IntN(2))*5})
		}
		least, most := deviations(values)
		for range 200 {
			var x []float64
			for _, r := range values {
				x = append(x, r.Low+(r.High-r.Low)*[]float64{0, 1, random.Float64()}[random.IntN(3)])
			}
			if s := stats.Deviation(x); s < least-1e-9 || s > most+1e-9 {
				t.Fatalf("%v has the deviation %v, outside of %v to %v", x, s, least, most)
			}
		}
	}
	if least, most := deviations([]event.Range{{Low: 1, High: 1}, {Low: 3, High: 3}}); math.Abs(least-math.Sqrt2) > 1e-9 ||
		math.Abs(most-math.Sqrt2) > 1e-9 {
		t.Errorf("of exact values: %v to %v", least, most)
	}
}

// A repeat that broke off, or whose conversation ended at a failed turn, has no value of what was not played.
func TestRepeats_ACutGroupHasNoValue(t *testing.T) {
	c := cellOf(2, told(1, 1, 140, 0), told(1, 2, 142, 0), told(2, 1, 140, 0), told(2, 2, 142, 0), told(3, 1, 122, 0))
	look := c.Lookup(figure.ScenarioScope, 0, "", "")
	if v := look("phases.with_rag.prompt_tokens.mean"); v.V != 282.0 {
		t.Errorf("the mean of two whole repeats and half a one is %+v, want 282", v)
	}
	if s := c.Sample("phases.with_rag.prompt_tokens"); len(s.Values) != 2 || s.Unknown != 1 || len(s.Hidden) != 0 ||
		s.Why != "not all turns of repeat 3 were played" {
		t.Errorf("%+v", s)
	}
	third := c.Lookup(figure.ConversationScope, 3, "main", "")
	if v := third("conv.ttft_ms"); v.Known() || v.Why != "not all turns of repeat 3 were played" {
		t.Errorf("half a conversation has the time %+v", v)
	}
	if v := third("conv.turns"); v.V != 1 {
		t.Errorf("turns %+v", v)
	}
	failed := told(1, 1, 100, 0)
	failed.Err = &event.Error{Class: "reset"}
	c = cellOf(2, failed)
	want := "not all turns of repeat 1 were played: q turn 1 failed (reset)"
	if v := c.Lookup(figure.ConversationScope, 1, "main", "")("conv.prompt_tokens"); v.Why != want {
		t.Errorf("%+v", v)
	}
}

func TestSupported(t *testing.T) {
	c := cellOf(1, told(1, 1, 100, -1))
	c.Started.Server.Unsupported = map[string]string{"cache": "it reports no cached tokens"}
	for _, path := range []string{"steps.q.cache.hit_rate.p50", "conversations.main.cache.cached_tokens.max"} {
		if v := c.Lookup(figure.ScenarioScope, 0, "", "")(path); !v.Unsupported || v.Why != "it reports no cached tokens" {
			t.Errorf("%s: %+v", path, v)
		}
	}
	if v := c.Lookup(figure.StepScope, 1, "main", "q")("turn.cache.hit_rate"); !v.Unsupported {
		t.Errorf("%+v", v)
	}
	if v := c.Observed("gpu.power_w"); !v.Unsupported {
		t.Errorf("%+v", v)
	}
}

// A reply that began and did not end is truncated, whether the stream ended in order, the connection broke or nothing
// more came.
func TestStreamsTruncated(t *testing.T) {
	for name, c := range map[string]struct {
		class  string
		finish string
		events int
		head   bool
		want   int
	}{
		"the stream ended":             {class: "truncated", head: true, events: 3, want: 1},
		"the server was killed":        {class: "reset", head: true, events: 3, want: 1},
		"it was killed after a head":   {class: "reset", head: true, want: 1},
		"no answer came":               {class: "reset"},
		"it hangs in the middle":       {class: "timeout_idle", head: true, events: 3, want: 1},
		"the step's time ran out":      {class: "timeout", head: true, events: 3, want: 1},
		"it is slow to begin":          {class: "timeout", head: true},
		"it hangs behind the end":      {class: "timeout_idle", finish: "stop", head: true, events: 3},
		"it says that it cannot go on": {class: "server_error", head: true, events: 3},
		"it is whole":                  {finish: "stop", head: true, events: 3},
	} {
		q := reply()
		q.Finish, q.Wire.Events = c.finish, c.events
		if c.class != "" {
			q.Err = &event.Error{Class: c.class}
		}
		if !c.head {
			q.Headers, q.Status = nil, 0
		}
		if v := cellOf(1, q).Lookup(figure.ScenarioScope, 0, "", "")("run.streams_truncated"); v.V != c.want {
			t.Errorf("%s: %v, want %d", name, v.V, c.want)
		}
	}
}

// Counts of a reply that cannot be true are dropped: more output than was asked for, and contradictory counts.
func TestEach_CountsThatCannotBeTrue(t *testing.T) {
	q := reply()
	q.MaxTokens = 4 // and the reply reports 5
	c := &Cell{}
	for name, unknown := range map[string]bool{"output_tokens": true, "output_tps": true, "tpot_ms": true,
		"prompt_tokens": false, "cache.hit_rate": false} {
		if v := Must(name).Each(c, &q); v.Known() == unknown {
			t.Errorf("%s with more output than was allowed: %+v", name, v)
		}
	}
	q.MaxTokens, q.Wire.UsageConflict = 5, "the reply counts 100 prompt tokens and then 90"
	for _, name := range []string{"output_tokens", "output_tps", "prompt_tokens", "cache.hit_rate", "cache.reusable_rate",
		"prefill_tps"} {
		if v := Must(name).Each(c, &q); v.Why != q.Wire.UsageConflict {
			t.Errorf("%s of counts that contradict each other: %+v", name, v)
		}
	}
	if v := Must("context_peak_tokens").Over(c, []*event.Request{&q}); v.Known() {
		t.Errorf("%+v", v)
	}
}

// A report that is withdrawn is withdrawn of every turn of the server, of the other cells that it plays as well.
func TestAdd_WithdrawsACacheReport(t *testing.T) {
	at := func(url string) event.CellStarted { return event.CellStarted{Server: event.Server{URL: url}} }
	r := foldAll([]event.Event{
		{Cell: "a", Body: at("u")}, {Cell: "b", Body: at("u")}, {Cell: "other", Body: at("v")},
		{Cell: "a", Body: told(1, 1, 100, 50)}, {Cell: "b", Body: told(1, 1, 100, 50)},
		{Cell: "other", Body: told(1, 1, 100, 50)},
		{Cell: "a", Body: event.Note{Code: Withdrawn, Text: "it says 99"}},
		{Cell: "b", Body: told(2, 1, 100, 50)}, {Cell: "late", Body: at("u")}, {Cell: "late", Body: told(1, 1, 100, 50)},
	})
	for id, want := range map[string]bool{"a": true, "b": true, "late": true, "other": false} {
		c := r.Cell(id)
		for _, q := range c.Requests {
			if v := Must("cache.hit_rate").Each(c, q); v.Known() == want || want && v.Why != "it says 99" {
				t.Errorf("cell %s, repeat %d: %+v", id, q.Repeat, v)
			}
		}
		if (c.Disbelieved() != "") != want {
			t.Errorf("cell %s is disbelieved: %v", id, !want)
		}
	}
}

// Two servers that homellm starts one after the other on one port are two, and a server that plays at two addresses
// is one.
func TestAdd_WithdrawsOfOneServer(t *testing.T) {
	at := func(profile, url, flags string) event.CellStarted {
		return event.CellStarted{Server: event.Server{Profile: profile, URL: url, Flags: flags}}
	}
	r := foldAll([]event.Event{
		{Cell: "a", Body: at("one", "u", "x")}, {Cell: "b", Body: at("one", "v", "x")},
		{Cell: "c", Body: at("two", "u", "y")},
		{Cell: "a", Body: told(1, 1, 100, 50)}, {Cell: "b", Body: told(1, 1, 100, 50)},
		{Cell: "c", Body: told(1, 1, 100, 50)},
		{Cell: "a", Body: event.Note{Code: Withdrawn, Text: "it says 99"}},
	})
	for id, want := range map[string]string{"a": "it says 99", "b": "it says 99", "c": ""} {
		if got := r.Cell(id).Disbelieved(); got != want {
			t.Errorf("cell %s: %q, want %q", id, got, want)
		}
	}
}
