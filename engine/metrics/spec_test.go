package metrics

import "testing"

func TestAcceptance(t *testing.T) {
	for _, c := range []struct {
		name    string
		timings map[string]float64
		want    float64
		why     string
	}{
		{name: "three quarters", timings: map[string]float64{"spec.draft_tokens": 8, "spec.accepted_tokens": 6}, want: 0.75},
		{name: "nothing kept", timings: map[string]float64{"spec.draft_tokens": 8, "spec.accepted_tokens": 0}},
		{name: "nothing proposed", timings: map[string]float64{"spec.draft_tokens": 0, "spec.accepted_tokens": 0},
			why: "nothing was proposed"},
		{name: "more than was proposed", timings: map[string]float64{"spec.draft_tokens": 1, "spec.accepted_tokens": 2},
			why: "the server says that more was kept than was proposed"},
		{name: "half told", timings: map[string]float64{"spec.draft_tokens": 8},
			why: "the server says nothing of speculative decoding"},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := reply()
			q.Timings = c.timings
			v := Must("spec.acceptance").Each(&Cell{}, &q)
			if v.Why != c.why || v.Known() && v.V != c.want {
				t.Errorf("got %v, %q; want %v, %q", v.V, v.Why, c.want, c.why)
			}
		})
	}
}
