package chart

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"homellm/engine/event"
	"homellm/engine/metrics"
)

// TestScaleOf: one turn that loads a model does not flatten the others, and similar values have an axis from 0.
func TestScaleOf(t *testing.T) {
	for _, c := range []struct {
		values []float64
		log    bool
		ticks  string
	}{
		{[]float64{20, 21, 22, 23}, false, "[0 10 20 30]"},
		{[]float64{20, 21, 22, 20000}, true, "[10 100 1000 10000 100000]"},
		{[]float64{20, 21, 22, 400}, true, "[20 50 100 200 500]"},
		{[]float64{0, 21, 22, 400}, false, "[0 100 200 300 400]"},
		{[]float64{400}, false, "[0 100 200 300 400]"},
		{nil, false, "[0 0.25 0.5 0.75 1]"},
	} {
		s := scaleOf(c.values, 100, 0)
		if s.log != c.log || fmt.Sprint(s.ticks) != c.ticks {
			t.Errorf("%v: logarithmic %v, %v, want %s", c.values, s.log, s.ticks, c.ticks)
		}
		for _, v := range c.values {
			if at := s.at(v); at < 0 || at > 100 || math.IsNaN(at) {
				t.Errorf("%v: %v lies at %v", c.values, v, at)
			}
		}
	}
}

// timed returns a cell with repeats of two turns, of which the second takes the given time.
func timed(repeats int, second time.Duration) *metrics.Cell {
	r := &metrics.Run{}
	at := time.Second
	for n := range repeats {
		for i, took := range []time.Duration{100 * time.Millisecond, 110 * time.Millisecond, 90 * time.Millisecond, second} {
			q := event.Request{Repeat: n + 1, Conversation: "main", Step: fmt.Sprint("step", i), Turn: 1, Phase: "before"}
			q.Due, q.Sent, q.Done = at, new(at), at+took+time.Duration(n)*time.Millisecond
			q.Chunks = []event.Chunk{{At: q.Done - time.Millisecond, Channel: event.Answer, Bytes: 1}}
			at = q.Done
			r.Add(event.Event{Cell: "x", Body: q})
		}
	}
	return r.Cells[0]
}

// TestTimelines_ShareRepeats: twenty repeats are one chart with a band, and each can be shown alone.
func TestTimelines_ShareRepeats(t *testing.T) {
	all := Timelines("c", timed(20, 120*time.Millisecond), 1)
	if len(all) != 1 {
		t.Fatalf("%d charts", len(all))
	}
	drawn := string(all[0].SVG)
	isXML(t, drawn)
	if n := strings.Count(drawn, `class="spread `); n != 4 {
		t.Errorf("%d bands for 4 turns", n)
	}
	if n := strings.Count(drawn, `class="only" data-repeat="7"`); n != 4 {
		t.Errorf("repeat 7 alone has %d requests", n)
	}
	if n := len(all[0].Table.Rows); n != 80 {
		t.Errorf("the table has %d of 80 requests", n)
	}
	if single := Timelines("c", timed(1, 120*time.Millisecond), 1); strings.Contains(string(single[0].SVG), "spread") {
		t.Error("a single repeat has a band")
	}
}

// TestTimelines_BreakTheAxis: a request that is many times the others is cut, and says how long it took.
func TestTimelines_BreakTheAxis(t *testing.T) {
	f := Timelines("c", timed(1, 20*time.Second), 1)[0]
	drawn := string(f.SVG)
	if !strings.Contains(f.Caption, "The axis is broken") || !strings.Contains(drawn, ">20.0 s</text>") ||
		strings.Count(drawn, `class="arrow"`) != 1 {
		t.Errorf("%s: %s", f.Caption, drawn)
	}
	if f := Timelines("c", timed(1, 200*time.Millisecond), 1)[0]; strings.Contains(f.Caption, "broken") {
		t.Error(f.Caption)
	}
}

// TestStepNames: below their turns where they have room, else slanted, and never one over another.
func TestStepNames(t *testing.T) {
	of := func(steps, turns int) []slot {
		var out []slot
		for i := range steps {
			for k := range turns {
				out = append(out, slot{conversation: "main", step: fmt.Sprint("question", i), turn: k + 1})
			}
		}
		return out
	}
	x := func(slots []slot) axis {
		return axis{0, float64(len(slots)), chartLeft, chartWidth - chartRight, false}
	}
	few := of(3, 4)
	if n := stepNames(few, x(few)); n.slant || len(n.names) != 3 || n.names[1].text != "question1" {
		t.Errorf("%+v", n)
	}
	several := of(12, 1)
	if n := stepNames(several, x(several)); !n.slant || len(n.names) != 12 || n.height() < 20 {
		t.Errorf("%+v", n)
	}
	many := of(200, 1)
	n := stepNames(many, x(many))
	for i := 1; i < len(n.names); i++ {
		if n.names[i].at-n.names[i-1].at < slantedStep {
			t.Fatalf("names lie over each other: %+v", n.names[i-1:i+1])
		}
	}
	if len(n.names) < 20 {
		t.Errorf("%d names", len(n.names))
	}
}
