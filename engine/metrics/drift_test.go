package metrics

import (
	"strings"
	"testing"
	"time"

	"homellm/engine/event"
)

// driven is a cell of ten windows of a second. Each has one turn, with a time to the first token of its own, and two
// samples of the clock of a GPU.
func driven(waits []float64) *Cell {
	r := &Run{}
	r.Add(event.Event{Body: event.RunStarted{Version: event.Version, Scenario: event.Scenario{Duration: 10 * time.Second,
		Conversations: []event.Conversation{{ID: "main", Steps: []event.Step{{ID: "q", Turns: 1}}}}}}})
	r.Add(event.Event{Cell: "x", Body: event.CellPlanned{}})
	r.Add(event.Event{Cell: "x", Body: event.CellStarted{Attempt: 1}})
	r.Add(event.Event{Cell: "x", Body: event.Windows{Each: time.Second}})
	for i, ms := range waits {
		began := time.Duration(i) * time.Second
		q := reply()
		q.Repeat, q.Play, q.Due, q.Sent, q.Done = i+1, 1, began, new(began), began+900*time.Millisecond
		q.Chunks = []event.Chunk{{At: began + time.Duration(ms*float64(time.Millisecond)), Channel: event.Answer, Bytes: 1}}
		r.Add(event.Event{Cell: "x", Body: q})
		for k, mhz := range []float64{1500, 1400} {
			r.Add(event.Event{Cell: "x", At: began + time.Duration(300*k+100)*time.Millisecond,
				Body: event.Sample{Values: map[string]float64{"gpu.sm_clock_mhz": mhz - 10*float64(i)}}})
		}
	}
	r.Add(event.Event{Cell: "x", Body: event.CellDone{}})
	return r.Cell("x")
}

func TestDrift(t *testing.T) {
	rising := []float64{100, 104, 108, 112, 116, 120, 124, 128, 132, 136}
	noisy := []float64{100, 130, 90, 110, 140, 95, 135, 105, 125, 120}
	for _, c := range []struct {
		waits   []float64
		path    string
		want    float64
		op      string
		limit   float64
		certain bool
		because string
	}{
		{rising, "run.drift.ttft_ms", 36, "<", 50, true, ""},
		{rising, "run.drift.ttft_ms", 36, "<", 30, true, ""},
		{rising, "run.drift.gpu.sm_clock_mhz", -90, ">", -100, true, ""},
		{noisy, "run.drift.ttft_ms", 15, "<", 30, false, "on the other side of 30: a longer run would settle it"},
		{noisy, "run.drift.ttft_ms", 15, "<", 5, false, "with 95 % confidence it may be"},
		{noisy, "run.drift.ttft_ms", 15, "<", 500, true, ""},
	} {
		cell := driven(c.waits)
		v := cell.Lookup("scenario", 0, "", "")(c.path)
		if got, ok := v.Number(); !ok || got < c.want-1e-6 || got > c.want+1e-6 {
			t.Errorf("%s of %v is %v (%s), want %v", c.path, c.waits, v.V, v.Why, c.want)
		}
		if s := cell.Certain(c.path, c.op, c.limit, nil); s.OK != c.certain || !strings.Contains(s.Why, c.because) {
			t.Errorf("%s %s %v: %+v", c.path, c.op, c.limit, s)
		}
	}
}

// A drift takes five windows with values. A value that is only known within limits leaves it within limits.
func TestDrift_Unknown(t *testing.T) {
	if v := driven([]float64{100, 110, 120, 130}).Lookup("scenario", 0, "", "")("run.drift.ttft_ms"); v.Known() ||
		v.Range != nil || !strings.Contains(v.Why, "and there are 4") {
		t.Errorf("of four windows: %+v", v)
	}
	c := driven([]float64{100, 100, 100, 100, 100, 100})
	for _, q := range c.Requests { // one read delivered all of it
		q.Chunks = append(q.Chunks, event.Chunk{At: q.Chunks[0].At, Channel: event.Answer, Bytes: 1})
		q.Wire.CoalescedMax = 2
	}
	if v := c.Lookup("scenario", 0, "", "")("run.drift.ttft_ms"); v.Known() || v.Range == nil || v.Range.Low >= 0 ||
		v.Range.High <= 0 {
		t.Errorf("of values within limits: %+v %+v", v, v.Range)
	}
}

// A window in which the run ended has no values, and those after it are missing.
func TestWindows_WithoutValues(t *testing.T) {
	c := driven([]float64{100, 110, 120, 130, 140, 150})
	c.Done = nil
	if got := c.WithoutValues(); got != "played for 6s of 10s: windows 6 to 10 have no values" {
		t.Errorf("%q", got)
	}
	if s := c.Sample("run.output_tps"); s.Unknown == 0 {
		t.Errorf("%+v", s)
	}
	c.Done = &event.CellDone{}
	if got := c.WithoutValues(); got != "no conversation began in these windows: 7, 8, 9, 10" {
		t.Errorf("%q", got)
	}
}
