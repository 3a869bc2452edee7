package engine

import (
	"fmt"
	"strings"
	"testing"

	"homellm/dsl"
)

func TestSchedule(t *testing.T) {
	for _, c := range []struct {
		order    string
		cells    []int // repeats of each
		warmup   int
		playable []int
		want     string
	}{
		{"sequential", []int{2, 2}, 1, []int{0, 1}, "w0.1 0.1 0.2 w1.1 1.1 1.2"},
		{"interleaved", []int{2, 2}, 1, []int{0, 1}, "w0.1 w1.1 0.1 1.1 0.2 1.2"},
		{"abba", []int{3, 3}, 0, []int{0, 1}, "0.1 1.1 1.2 0.2 0.3 1.3"},
		{"interleaved", []int{1, 3}, 0, []int{0, 1}, "0.1 1.1 1.2 1.3"},
		{"interleaved", []int{2, 2, 2}, 0, []int{2}, "2.1 2.2"}, // a skipped or finished cell has no pass
		{"interleaved", []int{2}, 0, nil, ""},
	} {
		var cells []*dsl.Cell
		for _, r := range c.cells {
			cells = append(cells, &dsl.Cell{Scenario: &dsl.Scenario{Run: dsl.Run{Repeats: r, Warmup: c.warmup,
				Order: dsl.Order(c.order)}}})
		}
		var got []string
		for _, p := range schedule(cells, c.playable) {
			mark := ""
			if p.warmup {
				mark = "w"
			}
			got = append(got, fmt.Sprintf("%s%d.%d", mark, p.cell, p.repeat))
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s over %v: got %q, want %q", c.order, c.cells, s, c.want)
		}
	}
}
