package metrics

import (
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
	q.Chunks[0].Channel, q.Chunks[1].Channel = event.Reasoning, event.Reasoning
	d, _ := Lookup("ttft_answer_ms")
	if v := d.Each(c, q); v.Range == nil || *v.Range != (event.Range{Low: 90, High: 110}) {
		t.Errorf("an answer that begins in a later read: %+v", v)
	}
}

// TestFirstPieceOfSeveralTokens gives decode speed the limits that it has where the first piece may hold several
// tokens. The truths are those of schedules of 50 tokens a second.
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
