package metrics

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"homellm/engine/event"
)

// replyAt is a reply whose deltas arrived at the given instants.
func replyAt(at ...time.Duration) *event.Request {
	var q event.Request
	q.Sent = new(time.Duration)
	q.Wire.Framing = "sse"
	q.Wire.CoalescedMax = 1
	for _, t := range at {
		q.Chunks = append(q.Chunks, event.Chunk{At: t, Channel: event.Answer, Bytes: 1})
	}
	q.Usage.Completion = new(len(at))
	return &q
}

// TestGroupsOfArrivals takes what arrives within a millisecond of the first of a group for one arrival, and no chain of
// such arrivals for one: how a client is scheduled decides nothing.
func TestGroupsOfArrivals(t *testing.T) {
	const ms, us = time.Millisecond, time.Microsecond
	for _, tt := range []struct {
		name string
		at   []time.Duration
		want []float64
	}{
		{"one by one", []time.Duration{100 * ms, 120 * ms, 150 * ms}, []float64{20, 30}},
		{"pairs 60 us apart", []time.Duration{100 * ms, 100*ms + 60*us, 140 * ms, 140*ms + 60*us, 180 * ms},
			[]float64{40, 40}},
		{"a millisecond apart", []time.Duration{100 * ms, 101 * ms, 102 * ms, 104 * ms}, []float64{2, 2}},
		{"a chain", []time.Duration{100 * ms, 100*ms + 600*us, 101*ms + 200*us, 101*ms + 800*us, 120 * ms},
			[]float64{1.2, 18.8}},
	} {
		got, why := gaps(replyAt(tt.at...))
		if d := cmp.Diff(tt.want, got); d != "" || why != "" {
			t.Errorf("%s: %s (-want +got):\n%s", tt.name, why, d)
		}
	}
}

// TestFirstOfARead gives a first token out of a read of several deltas the limits that it has: it came after the
// request and a round trip, and at the latest with the last of the read, whose stamp they share.
func TestFirstOfARead(t *testing.T) {
	c := &Cell{observed: map[string][]observation{"client.rtt_floor_ms": {{value: 4, fact: true}}}}
	q := replyAt(90*time.Millisecond, 90*time.Millisecond, 110*time.Millisecond, 110*time.Millisecond)
	q.Wire.CoalescedMax = 2
	q.Text = "a. b"
	for name, want := range map[string]event.Range{
		"ttft_ms": {Low: 4, High: 90}, "ttft_answer_ms": {Low: 4, High: 90}, "ttfs_ms": {Low: 4, High: 90},
	} {
		d, _ := Lookup(name)
		v := d.Each(c, q)
		if name == "ttfs_ms" { // the sentence ends with the last delta of its read
			if v.V != 90.0 {
				t.Errorf("%s: %+v", name, v)
			}
			continue
		}
		if v.Known() || v.Range == nil || *v.Range != want || v.Why != coalesced {
			t.Errorf("%s: %+v, want %v", name, v, want)
		}
	}
	q.Chunks[0].After = new(80 * time.Millisecond)
	for name, want := range map[string]event.Range{
		"ttft_ms": {Low: 80, High: 90}, "ttft_answer_ms": {Low: 80, High: 90},
	} {
		d, _ := Lookup(name)
		if v := d.Each(c, q); v.Range == nil || *v.Range != want {
			t.Errorf("%s, where the kernel had nothing at 80 ms: %+v, want %v", name, v, want)
		}
	}
	q.Chunks[0].Channel, q.Chunks[1].Channel = event.Reasoning, event.Reasoning
	d, _ := Lookup("ttft_answer_ms")
	if v := d.Each(c, q); v.Range == nil || *v.Range != (event.Range{Low: 90, High: 110}) {
		t.Errorf("an answer that begins in a later read: %+v", v)
	}
}

// TestFirstPieceOfSeveralTokens checks the limits of decode speed if the first piece may contain several tokens. The
// truths are those of schedules of 50 tokens a second.
func TestFirstPieceOfSeveralTokens(t *testing.T) {
	const ms = time.Millisecond
	token := func(i int) time.Duration { return 100*ms + time.Duration(i)*20*ms }
	every := func(n, tokens int) (at []time.Duration) { // an event of n tokens leaves with its last
		for i := n - 1; i < tokens; i += n {
			at = append(at, token(i))
		}
		return at
	}
	for _, tt := range []struct {
		name   string
		at     []time.Duration
		tokens int
		exact  bool
	}{
		{"one token an event", every(1, 20), 20, true},
		{"four tokens an event", every(4, 20), 20, false},
		{"five of eight tokens an event", every(5, 10), 10, false},
		{"reasoning as one piece, then token by token", append([]time.Duration{token(39)}, every(1, 80)[40:]...), 80, false},
		{"reasoning that is not sent", every(1, 80)[40:], 80, false},
		{"a first piece of three of 200 tokens", every(1, 200)[2:], 200, true},
	} {
		q := replyAt(tt.at...)
		q.Usage.Completion = new(tt.tokens)
		d, _ := Lookup("output_tps")
		v := d.Each(&Cell{}, q)
		if f, ok := v.Number(); ok != tt.exact || ok && (f < 50*0.97 || f > 50*1.03) {
			t.Errorf("%s: %+v, the truth is 50", tt.name, v)
		}
		if !tt.exact && (v.Range == nil || v.Range.Low > 50.001 || v.Range.High < 49.999) {
			t.Errorf("%s: %+v %v does not hold the truth, 50", tt.name, v, v.Range)
		}
	}
}

// TestEndLaterThanText checks that decode speed follows from the text, however late the finish reason or the token that
// ends the reply comes, or has limits that contain the truth: 50 tokens a second, 20 ms apart, from 100 ms on.
func TestEndLaterThanText(t *testing.T) {
	const ms = time.Millisecond
	for _, tt := range []struct {
		name     string
		texts    int // pieces of text, of a token each
		finish   string
		counted  int
		finished time.Duration // after the last text; -1: no finish reason, but the end of the stream
		low      float64
		high     float64 // equal to low: a number
	}{
		{"the end is a token", 8, "stop", 9, 20 * ms, 50, 50},
		{"the end is a token, and comes late", 8, "stop", 9, 500 * ms, 50, 50},
		{"the end is no token", 8, "stop", 8, 20 * ms, 50, 50},
		{"the end is no token, and comes late", 8, "stop", 8, 500 * ms, 50, 50},
		{"the end of a tool call is a token", 8, "tool_calls", 9, 300 * ms, 50, 50},
		{"one word and its end", 1, "stop", 2, 20 * ms, 50, math.Inf(1)},
		{"two words and a late end", 2, "stop", 3, 300 * ms, 50, 50},
		{"cut at max_tokens, the finish reason late", 8, "length", 8, 300 * ms, 50, 50},
		{"cut at max_tokens, tokens without text last", 8, "length", 12, 80 * ms, 50, 11 / 0.14},
		{"a token without text last", 40, "length", 41, 20 * ms, 50, 50},
		{"no finish reason, the end a token", 8, "", 9, -1, 50, 8 / 0.14},
	} {
		var when []time.Duration
		for i := range tt.texts {
			when = append(when, 100*ms+time.Duration(i)*20*ms)
		}
		q := replyAt(when...)
		q.Finish, q.Usage.Completion = tt.finish, new(tt.counted)
		q.Done = when[len(when)-1] + 20*ms
		if tt.finished >= 0 {
			q.Finished = new(when[len(when)-1] + tt.finished)
			q.Done = *q.Finished
		}
		d, _ := Lookup("output_tps")
		v := d.Each(&Cell{}, q)
		f, known := v.Number()
		switch {
		case tt.low == tt.high:
			if !known || f < 0.97*tt.low || f > 1.03*tt.low {
				t.Errorf("%s: %+v, want %v", tt.name, v, tt.low)
			}
		case v.Range == nil || !alike(v.Range.Low, tt.low) || !alike(v.Range.High, tt.high):
			t.Errorf("%s: %+v %v, want %v to %v", tt.name, v, v.Range, tt.low, tt.high)
		}
	}
}

func alike(a, b float64) bool { return a == b || math.Abs(a-b) < 1e-9 }
