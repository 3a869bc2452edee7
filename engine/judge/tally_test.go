package judge

import (
	"strings"
	"testing"

	"homellm/dsl/expr"
	"homellm/engine/event"
)

func TestTally(t *testing.T) {
	results := func(s string) (out []expr.Result) {
		for _, r := range s {
			out = append(out, expr.Result{Verdict: map[rune]expr.Verdict{'p': "pass", 'f': "fail", 'u': "unknown",
				'n': "unsupported"}[r]})
		}
		return out
	}
	for _, c := range []struct {
		seen string
		rate float64
		want event.Outcome
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
		{"nnn", 1, "unsupported"},
		{"ppn", 1, "unsupported"},
		{"ppnu", 1, "unknown"}, // one should have been told
		{"ppun", 1, "unknown"},
		{"ppn", 0.6, "pass"},
		{"pfn", 1, "fail"},
	} {
		tally := &tally{assertion: &expr.Assertion{MinPassRate: c.rate}}
		for _, r := range results(c.seen) {
			tally.add(r, 0)
		}
		if got, _ := tally.verdict(); got != c.want {
			t.Errorf("%q at %v: %s, want %s", c.seen, c.rate, got, c.want)
		}
	}
}
