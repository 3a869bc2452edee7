package metrics

import (
	"strings"
	"testing"

	"homellm/engine/event"
	"homellm/engine/stats"
)

// items are the counts of so many items, of which the last ones pass in one of two repeats, fail or are unknown.
func items(all, half, none, unknown int) (out []event.OfItem) {
	for i := range all + half + none + unknown {
		one := event.OfItem{Item: i + 1, Evaluated: 2, Passed: 2}
		switch {
		case i >= all+half+none:
			one.Passed, one.Unknown = 0, 2
		case i >= all+half:
			one.Passed = 0
		case i >= all:
			one.Passed = 1
		}
		out = append(out, one)
	}
	return out
}

// TestScore holds that items are the sample, that their repeats count in part, and that a gate is certain on neither
// side of a limit within the bounds.
func TestScore(t *testing.T) {
	for _, tt := range []struct {
		v     event.Verdict
		users int
		words string
		op    string
		limit float64
		ok    bool
		why   string
	}{
		{event.Verdict{Items: items(56, 2, 2, 0)}, 0, "57 of 60 items", ">", 0.87, true, ""},
		{event.Verdict{Items: items(56, 2, 2, 0)}, 0, "57 of 60 items", ">", 0.9, false, "may be 0.8758"},
		{event.Verdict{Items: items(56, 2, 2, 0)}, 0, "57 of 60 items", ">=", 0.99, true, ""}, // it fails for certain
		{event.Verdict{Items: items(56, 2, 2, 0)}, 0, "57 of 60 items", "<", 0.96, false, "may be 0.9862"},
		{event.Verdict{Items: items(300, 0, 0, 0)}, 0, "300 of 300 items", ">", 0.99, true, ""},
		{event.Verdict{Items: items(60, 0, 0, 0)}, 0, "60 of 60 items", ">", 0.96, false, "about 14 items more would"},
		{event.Verdict{Items: items(60, 0, 0, 0)}, 0, "60 of 60 items", "==", 1, true, ""},         // compared as it stands
		{event.Verdict{Items: items(57, 0, 1, 2)}, 0, "57 to 59 of 60 items", ">", 0.96, true, ""}, // open for another reason
		{event.Verdict{Evaluated: 15, Passed: 15}, 3, "5 of 5 repeats", ">", 0.9, false, "may be 0.5493"},
		{event.Verdict{Evaluated: 15, Passed: 14}, 3, "4.667 of 5 repeats", ">", 0.2, true, ""},
	} {
		s := ScoreOf(tt.v, tt.users)
		c := s.Certain(tt.op, tt.limit, nil)
		if s.Words() != tt.words || c.OK != tt.ok || !strings.Contains(c.Why, tt.why) || c.OK != (c.Why == "") {
			t.Errorf("%s %s %g: %+v of %s", tt.words, tt.op, tt.limit, c, s.Words())
		}
		if repeats := tt.users > 0 && !tt.ok; (c.More > 0) != repeats {
			t.Errorf("%s: %d more repeats, which settle nothing of items", tt.words, c.More)
		}
	}
	// each further look must be more certain
	s := ScoreOf(event.Verdict{Items: items(300, 0, 0, 0)}, 0)
	if one, third := s.Certain(">", 0.985, nil), s.Certain(">", 0.985, stats.Looks{2, 3, 5}); !one.OK || third.OK {
		t.Errorf("%+v, at the third look %+v", one, third)
	}
	if v := ScoreOf(event.Verdict{Items: items(57, 0, 1, 2), Unknown: 4}, 0).Value(); v.Known() || v.Range.Low != 0.95 ||
		v.Range.High != 59./60 {
		t.Errorf("%+v", v)
	}
}
