package stats

import (
	"math"
	"testing"
)

func TestPercentileBounds(t *testing.T) {
	up := func(n int) (v []float64) {
		for i := range n {
			v = append(v, float64(i+1))
		}
		return v
	}
	for _, c := range []struct {
		n, p   int
		lo, hi float64
	}{
		// P(B < 5) = 31/32 for n = 5 and the median: the largest bounds it from above, the smallest from below.
		{5, 50, 1, 5},
		{4, 50, math.Inf(-1), math.Inf(1)}, // 15/16 < 0.95
		// n = 10: P(B <= 7) = 968/1024 = 0.945, P(B <= 8) = 0.989: rank 9; by symmetry rank 2.
		{10, 50, 2, 9},
		{28, 90, 23, math.Inf(1)}, // 1 - 0.9^28 = 0.948
		{29, 90, 23, 29},
		{58, 95, 52, math.Inf(1)},
		{59, 95, 53, 59},
	} {
		b := PercentileBounds(up(c.n), c.n, c.p, Level)
		if b.Hi != c.hi || (c.p == 50 && b.Lo != c.lo) {
			t.Errorf("n=%d p%d: %v, want %v %v", c.n, c.p, b, c.lo, c.hi)
		}
	}
}

// TestConfidence checks that each look has a higher confidence than the one before, so that all together have the
// confidence of one.
func TestConfidence(t *testing.T) {
	var wrong float64
	for k := 1; k <= 1000; k++ {
		wrong += 1 - Confidence(k)
	}
	if Confidence(0) != 0.95 || math.Abs(wrong-0.05) > 1e-4 {
		t.Errorf("a thousand looks are wrong with probability %v, one with %v", wrong, 1-Confidence(0))
	}
}
