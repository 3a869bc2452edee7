package metrics

import (
	"testing"
	"time"

	"homellm/engine/event"

	"github.com/google/go-cmp/cmp"
)

func TestSeries(t *testing.T) {
	r := &Run{}
	sample := func(cell string, at time.Duration, name string, v float64) {
		r.Add(event.Event{At: at, Cell: cell, Body: event.Sample{Values: map[string]float64{name: v}}})
	}
	sample("c1", 3, "gpu.power_w", 100)
	sample("c1", 5, "gpu.power_w", 120)
	sample("", 4, "cpu.util_pct", 7)
	r.Add(event.Event{At: 6, Cell: "c1", Body: event.Facts{Values: map[string]float64{"gpu.power_w": 999},
		Source: "once"}})
	c := r.Cell("c1")
	if d := cmp.Diff([]Point{{3, 100}, {5, 120}}, c.Series("gpu.power_w")); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if d := cmp.Diff([]Point{{4, 7}}, c.Series("cpu.util_pct")); d != "" {
		t.Errorf("samples of the whole run (-want +got):\n%s", d)
	}
	if got := c.Series("gpu.temp_c"); got != nil {
		t.Errorf("a metric that was not sampled has the series %v", got)
	}
}
