package chart

import (
	"strings"
	"testing"

	"homellm/engine/event"
	"homellm/engine/metrics"
)

// cellOf folds turns of two steps, in two repeats, of which the server tells these cached tokens; -1: nothing.
func cellOf(cached ...int) *metrics.Cell {
	r := &metrics.Run{}
	r.Add(event.Event{Cell: "x", Body: event.CellStarted{Server: event.Server{Engine: "llamacpp"}}})
	for i, n := range cached {
		q := event.Request{Repeat: i/2 + 1, Conversation: "main", Step: []string{"one", "two"}[i%2], Turn: 1, Phase: "before"}
		q.Usage.Prompt = new(100)
		q.Reusable, q.ReusableSource = new(50), "tokens"
		if n >= 0 {
			q.Cached, q.CacheSource = &n, "usage"
		}
		r.Add(event.Event{Cell: "x", Body: q})
	}
	return r.Cells[0]
}

// A turn of which a repeat is not known is drawn as what it is: no point of the line, no box, and no median in the
// table.
func TestTurns_WhatIsNotKnown(t *testing.T) {
	find := func(charts []Chart) (c Chart) {
		for _, c := range charts {
			if len(c.Table.Head) > 4 && strings.Contains(strings.Join(c.Table.Head, " "), "hit rate") ||
				strings.Contains(c.Title, "ache") {
				return c
			}
		}
		t.Fatalf("no chart of the cache among %d", len(charts))
		return c
	}
	for name, c := range map[string]struct {
		cached []int
		open   bool
		rows   []string // what the table says of the hit rate
	}{
		"all known": {cached: []int{10, 20, 30, 40}, rows: []string{"2|0.10|0.10|0.30", "2|0.20|0.20|0.40"}},
		"one not told": {cached: []int{10, 20, -1, 40}, open: true,
			rows: []string{"2, 1 unknown|0.00-0.10|0.00-0.10|0.10-1.00", "2|0.20|0.20|0.40"}},
		"a step not at all": {cached: []int{10, -1, 30, -1}, open: true,
			rows: []string{"2|0.10|0.10|0.30", "2, 2 unknown|–|–|–"}},
	} {
		charts, _ := Turns("c", cellOf(c.cached...), 1)
		f := find(charts)
		drawn := string(f.SVG)
		if marked := strings.Contains(drawn, `class="open `) || strings.Contains(drawn, `class="unsure `); marked != c.open {
			t.Errorf("%s: marked %v, want %v: %s", name, marked, c.open, drawn)
		}
		if said := strings.Contains(f.Caption, openCaption); said != c.open {
			t.Errorf("%s: the caption says %q", name, f.Caption)
		}
		for i, want := range c.rows {
			if got := strings.Join(f.Table.Rows[i].Cells[4:], "|"); got != want {
				t.Errorf("%s: row %d is %s, want %s", name, i, got, want)
			}
		}
	}
}

// Quartiles of only the values that happen to be known are not quartiles of all.
func TestRepeats_WhatIsNotKnown(t *testing.T) {
	row := box{label: "repeat 1", class: "c1", values: []float64{1, 2, 3}, unset: 1}
	f, ok := boxes("x", "t", "", "doc", "ms", []box{row})
	drawn := string(f.SVG)
	if !ok || strings.Contains(drawn, `class="box`) || strings.Contains(drawn, `class="median`) ||
		strings.Contains(drawn, `class="whisker`) || !strings.Contains(drawn, `class="mote`) {
		t.Errorf("%s", drawn)
	}
	if got := strings.Join(f.Table.Rows[0].Cells, "|"); got != "repeat 1|4, 1 unknown|–|–|–|–|–" ||
		!strings.Contains(f.Caption, "not known") {
		t.Errorf("%s, %s", got, f.Caption)
	}
	row.unset = 0
	if f, _ := boxes("x", "t", "", "doc", "ms", []box{row}); !strings.Contains(string(f.SVG), `class="median`) {
		t.Errorf("%s", f.SVG)
	}
}
