package report

import (
	"strings"
	"testing"

	"homellm/engine/event"
	"homellm/engine/metrics"
)

// TestShown_OneEntry checks that a metric is shown wherever its entry says so, without any other change.
func TestShown_OneEntry(t *testing.T) {
	r, old := replay(t, "passing"), metrics.Defs
	base := render(t, format(t, "html"), r, Options{})
	d := *metrics.Must("icl_p50_ms")
	d.Shown = metrics.Shown{
		Columns: []metrics.Column{{Rank: 9, Head: "gap-column", Stat: "p50"}},
		Line:    &metrics.Line{Chart: "gap-chart", Caption: "gap-caption", Label: "gap-line", Color: 3},
		Box:     "gap-box", Tile: &metrics.Tile{Name: "gap-tile", Stat: "p50"}, Delta: &metrics.Delta{Stat: "p95"},
		Property: "max",
	}
	d.Name = "gap_ms"
	watched := *metrics.Must("gpu.power_w")
	watched.Name, watched.Shown = "gap_w", metrics.Shown{Strip: &metrics.Strip{Title: "gap-strip"}}
	metrics.Defs = append(append([]metrics.Def{}, old...), d, watched)
	t.Cleanup(func() { metrics.Defs = old })
	first := r.Cells[0].Requests[0].Due
	for i := range 5 {
		sample := event.Sample{Values: map[string]float64{"gap_w": float64(100 + i)}}
		r.Add(event.Event{At: first + millis(float64(100*(i+1))), Cell: r.Cells[0].ID, Body: sample})
	}

	page := render(t, format(t, "html"), r, Options{})
	for _, want := range []string{"gap-column", ">gap-chart<", "gap-caption", "gap-line", "gap-box of each repeat",
		"gap-tile", "gap-strip"} {
		if strings.Contains(base, want) || !strings.Contains(page, want) {
			t.Errorf("the page does not show %q, which the entry of the metric asks for", want)
		}
	}
	var compared strings.Builder
	if err := CompareHTML(&compared, r, r, View{}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"gap_ms p95", ">gap-chart<", "gap-box by phase"} {
		if !strings.Contains(compared.String(), want) {
			t.Errorf("the page of two runs does not show %q", want)
		}
	}
	for name, want := range map[string]string{"table": "gap-column", "markdown": "gap-column", "json": `"gap_ms"`,
		"csv": "gap_ms", "summary": "gap_w", "junit": "gap_ms.max"} {
		if out := render(t, format(t, name), r, Options{Width: 200}); !strings.Contains(out, want) {
			t.Errorf("%s does not show %q", name, want)
		}
	}
}
