package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestShareBounds compares the bounds with their definition: at the lower bound, so many or more of n pass with a
// probability of 1 - confidence, and at the upper bound so many or fewer do.
func TestShareBounds(t *testing.T) {
	for _, n := range []int{1, 5, 60, 300} {
		for _, k := range []int{0, 1, n / 2, n - 1, n} {
			for _, confidence := range []float64{0.95, 0.975, 0.9975} {
				b := ShareBounds(float64(k), n, confidence)
				more, fewer := 0.0, 0.0
				for i := range n + 1 {
					if i >= k {
						more += binomial(n, i, b.Lo)
					}
					if i <= k {
						fewer += binomial(n, i, b.Hi)
					}
				}
				if k > 0 && math.Abs(more-(1-confidence)) > 1e-6 || k == 0 && b.Lo != 0 {
					t.Errorf("%d of %d: the lower bound is %g, where %d or more have probability %g", k, n, b.Lo, k, more)
				}
				if k < n && math.Abs(fewer-(1-confidence)) > 1e-6 || k == n && b.Hi != 1 {
					t.Errorf("%d of %d: the upper bound is %g, where %d or fewer have probability %g", k, n, b.Hi, k, fewer)
				}
			}
		}
	}
	// 60 of 60 cannot show that less than 4.9 % are lost, 300 of 300 show 1 %
	for n, lost := range map[int]float64{60: 0.0487, 300: 0.00994} {
		if got := 1 - ShareBounds(float64(n), n, Level).Lo; math.Abs(got-lost) > 1e-4 {
			t.Errorf("%d of %d: at most %g are lost, want %g", n, n, got, lost)
		}
	}
}

// TestShareBounds_OfParts holds that shares of whole trials by parts keep their confidence: of trials of three repeats
// each, of which all, none or some agree, the bounds miss the true share at most as often as they may.
func TestShareBounds_OfParts(t *testing.T) {
	const n, runs = 40, 800
	for name, repeats := range map[string]func(draw func() float64, p float64) float64{
		"always alike": func(draw func() float64, p float64) float64 {
			if draw() < p {
				return 1
			}
			return 0
		},
		"independent": func(draw func() float64, p float64) (part float64) {
			for range 3 {
				if draw() < p {
					part += 1. / 3
				}
			}
			return part
		},
	} {
		for _, p := range []float64{0.5, 0.9, 0.97} {
			draw := rand.New(rand.NewPCG(7, 7)).Float64
			over := 0
			for range runs {
				passed := 0.0
				for range n {
					passed += repeats(draw, p)
				}
				if ShareBounds(min(passed, n), n, Level).Lo > p {
					over++
				}
			}
			if share := float64(over) / runs; share > 0.05+3*math.Sqrt(0.05*0.95/runs) {
				t.Errorf("%s, share %g: the lower bound lies above it in %.3f of all runs", name, p, share)
			}
		}
	}
}
