package stats

import "testing"

func TestPercentile_NearestRank(t *testing.T) {
	hundred := make([]float64, 100)
	for i := range hundred {
		hundred[i] = float64(i + 1)
	}
	for p, want := range map[int]float64{1: 1, 50: 50, 90: 90, 95: 95, 99: 99, 100: 100} {
		if got := Percentile(hundred, p); got != want {
			t.Errorf("p%d of 1..100: %v", p, got)
		}
		if got := Percentile(hundred[:1], p); got != 1 {
			t.Errorf("p%d of one value: %v", p, got)
		}
	}
	// 95 % of 20 is exactly 19; floating point would make it 19.000000000000004 and pick 20.
	if got := Percentile(hundred[:20], 95); got != 19 {
		t.Errorf("p95 of 1..20: %v", got)
	}
	if got := Percentile(hundred[:21], 95); got != 20 {
		t.Errorf("p95 of 1..21: %v", got)
	}
}
