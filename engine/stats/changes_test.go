package stats

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// planted is a history of 200 runs with noise of standard deviation 1, to which f adds what changed.
func planted(seed uint64, f func(i int, r *rand.Rand) float64) []float64 {
	r := rand.New(rand.NewPCG(3, seed))
	v := make([]float64, 200)
	for i := range v {
		v[i] = 100 + r.NormFloat64() + f(i, r)
	}
	return v
}

// step is by from the n-th run on.
func step(n int, by float64) func(int, *rand.Rand) float64 {
	return func(i int, _ *rand.Rand) float64 {
		if i < n {
			return 0
		}
		return by
	}
}

// outliers are runs that went wrong, three in a hundred.
func outliers(_ int, r *rand.Rand) float64 {
	if r.Float64() < 0.03 {
		return 10
	}
	return 0
}

// TestChanges_Found finds a shift of three standard deviations of which five runs are known, one run off at most.
func TestChanges_Found(t *testing.T) {
	for _, n := range []int{5, 60, 195} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			found, seeds := 0, 30
			for seed := range seeds {
				for _, c := range Changes(planted(uint64(seed), step(n, 3))) {
					if c.To == 0 && n-1 <= c.At && c.At <= n+1 && c.After > c.Before {
						found++
					}
				}
			}
			if found < seeds*9/10 {
				t.Errorf("found %d of %d", found, seeds)
			}
		})
	}
}

// TestChanges_None finds nothing where nothing changed, whether or not single runs went wrong: at most one point in
// twenty histories. docs/gate-quality.md has the same of many more.
func TestChanges_None(t *testing.T) {
	for name, f := range map[string]func(int, *rand.Rand) float64{"noise": step(200, 0), "outliers": outliers} {
		wrong := 0
		for seed := range 40 {
			wrong += len(Changes(planted(uint64(seed), f)))
		}
		if wrong > 2 {
			t.Errorf("%s: %d changes in 40 histories of none", name, wrong)
		}
	}
}

// TestChanges_Steady tells a steady rise from steps, and steps in one direction from a rise.
func TestChanges_Steady(t *testing.T) {
	for _, tt := range []struct {
		name string
		add  func(i int, _ *rand.Rand) float64
		want string
	}{
		{"rise of half the runs", func(i int, _ *rand.Rand) float64 { return 5 * min(1, max(0, float64(i-50)/100)) }, "rise"},
		{"rise all along", func(i int, _ *rand.Rand) float64 { return float64(i) / 40 }, "rise"},
		{"two steps up", func(i int, _ *rand.Rand) float64 { return step(60, 3)(i, nil) + step(120, 3)(i, nil) }, "step step"},
		{"up and down", func(i int, _ *rand.Rand) float64 { return step(80, 4)(i, nil) - step(90, 4)(i, nil) }, "step step"},
	} {
		right, seeds := 0, 20
		for seed := range seeds {
			got := ""
			for i, c := range Changes(planted(uint64(seed), tt.add)) {
				if i > 0 {
					got += " "
				}
				if c.To > 0 {
					got += "rise"
				} else {
					got += "step"
				}
			}
			if got == tt.want {
				right++
			}
		}
		if right < seeds*8/10 {
			t.Errorf("%s: %d of %d are %q", tt.name, right, seeds, tt.want)
		}
	}
}

// TestChanges_Few says nothing of series that are too short, and takes equal values.
func TestChanges_Few(t *testing.T) {
	same := make([]float64, 50)
	if c := Changes(same); len(c) > 0 {
		t.Errorf("equal values changed: %v", c)
	}
	for i := 40; i < 50; i++ {
		same[i] = 1
	}
	if c := Changes(same); len(c) != 1 || c[0] != (Change{At: 40, Before: 0, After: 1}) {
		t.Errorf("40 times 0 and 10 times 1: %v", c)
	}
	if c := Changes(same[36:45]); len(c) > 0 {
		t.Errorf("nine values changed: %v", c)
	}
}
