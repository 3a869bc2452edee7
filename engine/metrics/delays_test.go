package metrics

import (
	"math"
	"strings"
	"testing"

	"homellm/engine/event"
)

// turn is one whose prompt took the server prefill ms and whose first token came after first ms, the last of ten 20 ms
// apart.
func turn(n int, first, prefill float64) *event.Request {
	q := &event.Request{Repeat: n, Conversation: "main", Step: "q", Turn: 1}
	q.Sent, q.Wire.Framing = new(at(0)), "sse"
	for i := range 10 {
		q.Chunks = append(q.Chunks, event.Chunk{At: at(first + 20*float64(i)), Channel: event.Answer, Bytes: 2})
	}
	q.Timings = map[string]float64{"server.prefill_ms": prefill, "server.decode_ms": 180}
	return q
}

// waysCell is a cell of a server, five of whose turns had a way of 10 to 14 ms, and these.
func waysCell(more ...*event.Request) *Cell {
	c := &Cell{Started: &event.CellStarted{}}
	for i := range 5 {
		c.Requests = append(c.Requests, turn(i+1, 110+float64(i), 100))
	}
	for i, q := range more {
		q.Repeat = 6 + i
		c.Requests = append(c.Requests, q)
	}
	return c
}

// together is a turn whose first two tokens came with one read; the kernel had nothing to read 2 ms before.
func together(q *event.Request) *event.Request {
	q.Wire.CoalescedMax, q.Chunks[1].At = 2, q.Chunks[0].At
	q.Chunks[0].After = new(q.Chunks[0].At - at(2))
	return q
}

// A TTFT that includes another delay lies between what is left without that delay and what was measured.
func TestHeld(t *testing.T) {
	with := func(q *event.Request, name string, v float64) *event.Request {
		q.Timings[name] = v
		return q
	}
	atOnce := func(q *event.Request) *event.Request {
		for i := range q.Chunks {
			q.Chunks[i].At = q.Chunks[0].At + at(float64(i)/10)
		}
		return q
	}
	sometime := func(q *event.Request) *event.Request {
		together(q).Chunks[0].After = nil
		return q
	}
	for _, c := range []struct {
		name      string
		turn      *event.Request
		part      DelayCause // "": it holds nothing else
		low, high float64
		maybe     bool // the first token is only known to be somewhere
	}{
		{name: "as the others", turn: turn(0, 125, 100)},
		{name: "a long prompt", turn: turn(0, 5012, 5000)},
		{name: "within 50 ms", turn: turn(0, 161, 100)},
		{name: "an unreported swap", turn: turn(0, 2043, 323), part: Unexplained, low: 333, high: 2043},
		{name: "a load", turn: with(turn(0, 730, 100), "server.load_ms", 615), part: Load, low: 110, high: 730},
		{name: "a load, of which the whole time tells", turn: &event.Request{Exchange: event.Exchange{
			Sent: new(at(0)), Chunks: turn(0, 730, 0).Chunks, Wire: event.Wire{Framing: "sse"}, Timings: map[string]float64{
				"server.total_ms": 895, "server.load_ms": 615, "server.decode_ms": 180}}}, part: Load, low: 110, high: 730},
		{name: "an unreported swap, and two tokens came with one read", turn: together(turn(0, 2043, 323)), part: Unexplained,
			low:  333,
			high: 2043},
		{name: "two tokens came with one read, perhaps late", turn: sometime(turn(0, 2043, 323)), maybe: true},
		{name: "a queue", turn: with(turn(0, 14770, 1163), "server.queue_ms", 13500), part: Queue, low: 1173, high: 14770},
		{name: "a busy slot", turn: turn(0, 14770, 1163), part: Unexplained, low: 1173, high: 14770},
		{name: "a proxy that keeps it back", turn: atOnce(turn(0, 875, 484)), part: HeldBack, low: 494, high: 875},
		{name: "nothing is told of the prompt", turn: &event.Request{Exchange: event.Exchange{
			Sent: new(at(0)), Chunks: turn(0, 2043, 0).Chunks, Wire: event.Wire{Framing: "sse"}}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cell := waysCell(c.turn)
			v := Must("ttft_ms").Each(cell, c.turn)
			if c.part == "" {
				if v.Known() == c.maybe || len(cell.Delays()) > 0 || cell.Revised() != "" {
					t.Errorf("got %v, %q; notes %v", v.V, v.Why, cell.Delays())
				}
				return
			}
			if v.Known() || v.Range == nil || v.Range.Low != c.low || v.Range.High != c.high ||
				!strings.HasSuffix(v.Why, "("+string(c.part)+")") {
				t.Errorf("got %v %v: %s; want %s, %v to %v", v.V, v.Range, v.Why, c.part, c.low, c.high)
			}
			for _, name := range []string{"ttft_answer_ms", "prefill_tps"} {
				if v := Must(name).Each(cell, c.turn); v.Known() {
					t.Errorf("%s is %v", name, v.V)
				}
			}
			if v := Must("e2e_ms").Each(cell, c.turn); !v.Known() {
				t.Errorf("e2e_ms is unknown: %s", v.Why)
			}
			notes := cell.Delays()
			if len(notes) != 1 || notes[0].Code != string(c.part) || !strings.HasPrefix(notes[0].Text, "main/q turn 1") &&
				!strings.HasPrefix(notes[0].Text, "/ turn 0") || cell.Revised() == "" {
				t.Errorf("notes %v", notes)
			}
			if first := Must("ttft_ms").Each(cell, cell.Requests[0]); !first.Known() {
				t.Errorf("of another turn: %s", first.Why)
			}
		})
	}
}

// The mean over turns is an interval if one of them includes another delay, and so is its prefill speed.
func TestHeld_OverTurns(t *testing.T) {
	late := turn(0, 2043, 323)
	cell := waysCell(late)
	for _, q := range cell.Requests {
		q.Usage.Prompt, q.Cached = new(100), new(0)
	}
	v := Must("ttft_ms").Over(cell, cell.Requests)
	if want := (110.0+111+112+113+114)/6 + 333.0/6; v.Known() || v.Range == nil || math.Abs(v.Range.Low-want) > 1e-9 ||
		math.Abs(v.Range.High-want-1710.0/6) > 1e-9 {
		t.Errorf("the mean is %v %v", v.V, v.Range)
	}
	if v := Must("prefill_tps").Over(cell, cell.Requests); v.Known() || v.Range == nil || v.Range.Low >= v.Range.High {
		t.Errorf("prefill speed is %v %v: %s", v.V, v.Range, v.Why)
	}
}

// The prefill speed of a turn with a delay is at most that without it, also where its first token is an interval.
func TestHeld_Prefill(t *testing.T) {
	late := together(turn(0, 2043, 323))
	cell := waysCell(late)
	late.Usage.Prompt, late.Cached = new(100), new(0)
	v := Must("prefill_tps").Over(cell, []*event.Request{late})
	if v.Known() || v.Range == nil || math.Abs(v.Range.High-100/0.333) > 1e-9 || math.Abs(v.Range.Low-100/2.043) > 1e-9 {
		t.Errorf("prefill speed is %v %v: %s", v.V, v.Range, v.Why)
	}
}

// Two turns do not tell what is usual, and what is late within this process is this process.
func TestHeld_NotTold(t *testing.T) {
	late := turn(0, 2043, 323)
	two := &Cell{Started: &event.CellStarted{}, Requests: []*event.Request{turn(1, 110, 100), late}}
	embedded := waysCell(late)
	embedded.Started.Server.Embedded = true
	for name, c := range map[string]*Cell{"two turns": two, "embedded": embedded} {
		if v := Must("ttft_ms").Each(c, late); !v.Known() || len(c.Delays()) > 0 {
			t.Errorf("%s: %s", name, v.Why)
		}
	}
}
