package stats

import (
	"math"
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
		if r, ok := q.Rest(3000, seen, seen); !ok || math.Abs(r.Least-u) > 1e-3 || math.Abs(r.Most-u) > 1e-3 {
			t.Errorf("of %v: %+v, %v", u, r, ok)
		}
	}
	if _, ok := q.Rest(100, 1000, 1000); ok {
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
