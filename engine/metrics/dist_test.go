package metrics

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNewDist(t *testing.T) {
	got := NewDist([]float64{40, 10, 30, 20})
	want := Dist{N: 4, Min: 10, Mean: 25, Max: 40, Stddev: math.Sqrt(500.0 / 3), P50: 20, P90: 40, P95: 40, P99: 40}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if d := NewDist(nil); d != (Dist{}) {
		t.Errorf("of nothing: %+v", d)
	}
	one := NewDist([]float64{7})
	if _, why := one.Stat("stddev"); why == "" {
		t.Error("one value has a standard deviation")
	}
	if v, why := one.Stat("p99"); v != 7 || why != "" {
		t.Errorf("p99 of one value: %v %q", v, why)
	}
}

// The floor of a percentile is the smallest n at which the largest value bounds it with 95 %.
func TestStats_Floors(t *testing.T) {
	for name, p := range map[string]float64{"p90": 0.90, "p95": 0.95, "p99": 0.99} {
		n := 1
		for 1-math.Pow(p, float64(n)) < 0.95 {
			n++
		}
		below, enough := Dist{N: n - 1}, Dist{N: n}
		if _, why := below.Sound(name); why == "" {
			t.Errorf("%s is sound with %d values", name, n-1)
		}
		if _, why := enough.Sound(name); why != "" {
			t.Errorf("%s is not sound with %d values: %s", name, n, why)
		}
	}
	if _, why := (Dist{N: 1}).Sound("p50"); why != "" {
		t.Error("a median needs one value")
	}
}

func TestStat_OfNothingIsUnknown(t *testing.T) {
	for _, s := range Stats {
		_, why := Dist{Why: "no reason"}.Stat(s.Name)
		if counts := s.Floor == 0; counts != (why == "") {
			t.Errorf("%s: %q", s.Name, why)
		}
	}
	if _, why := (Dist{N: 3}).Stat("p42"); why == "" {
		t.Error("there is a p42")
	}
}
