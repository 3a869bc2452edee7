package engine

import (
	"fmt"
	"strings"
	"testing"

	"homellm/dsl"
	"homellm/engine/event"
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
			cells = append(cells, &dsl.Cell{Scenario: &dsl.Scenario{Run: dsl.Run{Repeats: r, Warmup: c.warmup, Order: c.order}}})
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

func TestTally(t *testing.T) {
	results := func(s string) (out []dsl.Result) {
		for _, r := range s {
			out = append(out, dsl.Result{Verdict: map[rune]string{'p': "pass", 'f': "fail", 'u': "unknown"}[r]})
		}
		return out
	}
	for _, c := range []struct {
		seen string
		rate float64
		want string
	}{
		{"ppp", 1, "pass"},
		{"ppf", 1, "fail"},
		{"ppf", 0.6, "pass"},
		{"pff", 0.6, "fail"},
		{"ppu", 1, "unknown"},   // with 100 % nothing may be unknown
		{"ppu", 0.9, "unknown"}, // 2 or 3 of 3: one misses the rate, the other reaches it
		{"ppu", 0.6, "pass"},    // 2 of 3 even if the unknown one had failed
		{"pffu", 0.6, "fail"},   // 2 of 4 even if the unknown one had passed
		{"pfuu", 0.5, "unknown"},
		{"fu", 0.5, "unknown"},
		{"uu", 0, "unknown"}, // nothing was seen to pass
		{"f", 0, "pass"},
		{strings.Repeat("p", 11) + strings.Repeat("f", 9), 0.55, "pass"}, // exactly, without a rounding error
		{"pfu", 1, "fail"}, // a failure is certain, whatever the unknown would have been
		{"uuu", 0.1, "unknown"},
		{"", 1, "unknown"},
	} {
		tally := &tally{assertion: &dsl.Assertion{MinPassRate: c.rate}}
		for _, r := range results(c.seen) {
			tally.add(r)
		}
		if got, _ := tally.verdict(); got != c.want {
			t.Errorf("%q at %v: %s, want %s", c.seen, c.rate, got, c.want)
		}
	}
}

func TestIndistinct(t *testing.T) {
	verdict := func(a, b float64, unit string) event.Verdict {
		return event.Verdict{Name: "faster", Operands: []event.Operand{
			{Path: "a", Value: a, Unit: unit}, {Path: "other", Value: a, Unit: unit}, {Path: "b", Value: b, Unit: unit}, {Path: "unknown", Unit: unit, Why: "cut"},
		}}
	}
	less := func(factor, offset float64, paths ...string) []dsl.Difference {
		return []dsl.Difference{{Paths: paths, Factors: []float64{1, -factor}, Offset: offset}}
	}
	both := less(1, 0, "a", "b")
	for _, c := range []struct {
		v     event.Verdict
		of    []dsl.Difference
		floor float64
		marks int
	}{
		{verdict(20, 20.9, "ms"), both, 0.5, 1},
		{verdict(20.9, 20, "ms"), both, 0.5, 1},
		{verdict(20, 20.9, "ms"), append(less(1, 0, "a", "other"), both...), 0.5, 2},
		{verdict(20, 20.9, "ms"), append(both, both...), 0.5, 1},
		{verdict(20, 20.9, "ms"), less(1, 0, "a", "unknown"), 0.5, 0},
		{verdict(20, 20.9, "ms"), nil, 0.5, 0}, // each with a limit of its own
		{verdict(20, 21, "ms"), both, 0.5, 0},  // twice the floor can be told apart
		{verdict(20, 10.4, "ms"), less(2, 0, "a", "b"), 0.5, 1},
		{verdict(20, 10.8, "ms"), less(2, 0, "a", "b"), 0.5, 0},
		{verdict(20, 25.9, "ms"), less(1, 5, "a", "b"), 0.5, 1},
		{verdict(20, 20.1, "tokens"), both, 0.5, 0},
		{verdict(20, 20.1, "ms"), both, 0, 0}, // not calibrated: nothing is known
	} {
		if got := indistinct(c.v, c.of, c.floor); len(got) != c.marks {
			t.Errorf("%v, %v with floor %v: %q, want %d", c.v.Operands, c.of, c.floor, got, c.marks)
		}
	}
}
