package stats

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// TestFitQuadratic finds the curve that exact points lie on.
func TestFitQuadratic(t *testing.T) {
	x := []float64{50, 100, 200, 400, 800, 1600, 3200}
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = 12 + 0.4*v + 0.0001*v*v
	}
	q, ok := FitQuadratic(x, y)
	if !ok || math.Abs(q.A-12) > 1e-6 || math.Abs(q.B-0.4) > 1e-8 || math.Abs(q.C-0.0001) > 1e-11 || q.Spread > 1e-9 {
		t.Errorf("%+v, %v", q, ok)
	}
	for _, u := range []float64{1, 17, 700, 3000} {
		seen := 12 + 0.4*u + 0.0001*(3000*3000-(3000-u)*(3000-u))
		if least, most, ok := q.Rest(3000, seen, seen); !ok || math.Abs(least-u) > 1e-3 || math.Abs(most-u) > 1e-3 {
			t.Errorf("of %v: %v to %v, %v", u, least, most, ok)
		}
	}
	if _, _, ok := q.Rest(100, 1000, 1000); ok {
		t.Error("a value that no length explains has an explanation")
	}
}

// TestFitQuadratic_Refuses what tells nothing of a rise.
func TestFitQuadratic_Refuses(t *testing.T) {
	for name, p := range map[string][2][]float64{
		"few":    {{1, 2, 3, 4, 5}, {1, 2, 3, 4, 5}},
		"places": {{1, 1, 2, 2, 3, 3}, {1, 1, 2, 2, 3, 3}},
		"falls":  {{1, 2, 3, 4, 5, 6}, {6, 5, 4, 3, 2, 1}},
		"zero":   {{1, 2, 3, 4, 5, 6}, {0, 1, 2, 3, 4, 5}},
	} {
		if q, ok := FitQuadratic(p[0], p[1]); ok {
			t.Errorf("%s: %+v", name, q)
		}
	}
}

// TestQuadratic_Covers holds the true rest in nineteen of twenty intervals, whatever the noise, and the intervals are
// no wider than the noise makes them.
func TestQuadratic_Covers(t *testing.T) {
	lengths := []float64{48, 100, 200, 400, 800, 1600, 2600}
	for _, tt := range []struct{ noise, width float64 }{{0.01, 0.05}, {0.016, 0.08}, {0.05, 0.24}, {0.27, 1}} {
		t.Run(fmt.Sprintf("%.3f", tt.noise), func(t *testing.T) {
			r := rand.New(rand.NewPCG(7, uint64(1000*tt.noise)))
			truth := func(n, u float64) float64 { return 20 + 0.45*u + 0.00004*(2*n*u-u*u) }
			within, all, width := 0, 0, 0.0
			for range 300 {
				var x, y []float64
				for range 3 {
					for _, n := range lengths {
						x, y = append(x, n), append(y, truth(n, n)*math.Exp(tt.noise*r.NormFloat64()))
					}
				}
				q, ok := FitQuadratic(x, y)
				if !ok {
					continue
				}
				for range 10 {
					n := 500 + 2000*r.Float64()
					u := n * (0.03 + 0.9*r.Float64())
					seen := truth(n, u) * math.Exp(tt.noise*r.NormFloat64())
					all++
					least, most, ok := q.Rest(n, seen, seen)
					if !ok {
						continue
					}
					if least <= u && u <= most {
						within++
					}
					width += (most - least) / n
				}
			}
			if share := float64(within) / float64(all); share < 0.94 || all < 2000 {
				t.Errorf("%.3f of %d intervals hold the truth", share, all)
			}
			if width /= float64(all); width > tt.width {
				t.Errorf("they are %.3f of the prompt wide", width)
			} else {
				t.Logf("%d of %d hold the truth, %.3f of the prompt wide", within, all, width)
			}
		})
	}
}
