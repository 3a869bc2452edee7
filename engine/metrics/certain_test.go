package metrics

import (
	"homellm/engine/stats"
	"strings"
	"testing"
)

func TestCertain(t *testing.T) {
	v := []float64{10, 11, 12, 13, 14, 15, 16, 17, 18, 19} // p50 14, bounds 11 and 18
	d := NewDist(v)
	for _, c := range []struct {
		op    string
		limit float64
		ok    bool
	}{
		{"<", 20, true}, {"<", 18, false}, {"<=", 18, true}, {"<", 15, false}, // passes
		{"<", 14, false}, {"<", 11, true}, {"<", 10, true}, // failures
		{">", 10, true}, {">", 11, false}, {">=", 11, true}, {">", 18, true}, {">", 17, false},
		{"==", 14, true},
	} {
		if s := d.Certain(v, 50, c.op, c.limit, "ms", len(v), nil); s.OK != c.ok || s.OK != (s.Why == "") {
			t.Errorf("p50 %s %v: %+v", c.op, c.limit, s)
		}
	}
	why := d.Certain(v, 50, "<", 16, "ms", len(v), nil).Why
	// The bound 18 is 4 away, the limit 2: four times as many values, 30 more.
	if want := "p50 of 10 values is 14 ms, but with 95 % confidence it may be 18 ms, on the other side of 16: about 30 " +
		"more repeats would settle it"; why != want {
		t.Errorf("got  %s\nwant %s", why, want)
	}
	// Five repeats with two values each bound a median by the smallest and the largest of all: 19 is 5 away, the limit 2.
	if s := d.Certain(v, 50, "<", 16, "ms", 5, nil); s.More != 27 || !strings.Contains(s.Why, "about 27 more repeats") ||
		!strings.Contains(s.Why, "p50 of 10 values from 5 repeats") {
		t.Errorf("two values a repeat: %+v", s)
	}
	// A limit at the median itself is settled by no number of repeats, which is not the same as settled.
	if s := d.Certain(v, 50, "<=", 14, "ms", len(v), nil); s.OK || s.More != mostRepeats {
		t.Errorf("a limit at the median: %+v", s)
	}
	if s := NewDist(v[:3]).Certain(v[:3], 50, "<", 11.5, "ms", len(v[:3]), nil); !s.OK || s.More != 2 {
		t.Errorf("three values have no bound, and five have: %+v", s)
	}
}

// TestCertain_Looks checks that each look requires more certainty than the one before.
func TestCertain_Looks(t *testing.T) {
	v := []float64{10, 11, 12, 13, 14, 15, 16, 17, 18, 19}
	d := NewDist(v)
	// P(B <= 7) = 0.945, P(B <= 8) = 0.989, P(B <= 9) = 0.999: rank 9 at one look and at the first of
	// several (97.5 %), rank 10 at the second (99.2 %), none at the eighth (99.93 %).
	for looks, want := range map[int]Certainty{0: {OK: true}, 1: {OK: true}, 2: {}, 7: {}, 8: {More: 1}} {
		s := d.Certain(v, 50, "<", 18.5, "ms", len(v), stats.Looks{10, 10, 10, 10, 10, 10, 10, 10}[:looks])
		if s.OK != want.OK || looks == 8 && s.More != want.More {
			t.Errorf("%d looks: %+v, want %+v", looks, s, want)
		}
	}
	// Five values bound a median at one look and not at the first of several: that is no pass.
	if one, first := NewDist(v[:5]).Certain(v[:5], 50, "<", 18, "ms", len(v[:5]), nil),
		NewDist(v[:5]).Certain(v[:5], 50, "<", 18, "ms", len(v[:5]), stats.Looks{5}); !one.OK || first.OK || first.More != 1 {
		t.Errorf("five values: %+v and %+v", one, first)
	}
	// Looks at 2, 3 and 5 values could decide nothing about a median, so the one at ten is the first.
	if s := d.Certain(v, 50, "<", 18.5, "ms", len(v), stats.Looks{2, 3, 5, 10}); !s.OK {
		t.Errorf("looks that could decide nothing are counted: %+v", s)
	}
	if s := d.Certain(v, 50, "<", 18.5, "ms", len(v), stats.Looks{2, 3, 6, 10}); s.OK {
		t.Error("a look at six values could have decided, and is not counted")
	}
}
