package stats

import (
	"math"
	"testing"
)

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.IsInf(want, 0) && got == want {
		return
	}
	if math.Abs(got-want) > 1e-9*max(1, math.Abs(want)) {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

// TestCounts compares the null distributions with ones that are counted by hand.
func TestCounts(t *testing.T) {
	// U of 2 and 2 values: of the six orders one has U = 0, 1, 3 and 4 each and two have U = 2.
	for u, want := range []float64{1. / 6, 1. / 6, 2. / 6, 1. / 6, 1. / 6} {
		near(t, "P(U)", uCounts(2, 2)[u], want)
	}
	// Signed ranks 1, 2, 3: the sum 3 comes about in two ways, every other in one.
	for w, want := range []float64{1. / 8, 1. / 8, 1. / 8, 2. / 8, 1. / 8, 1. / 8, 1. / 8} {
		near(t, "P(W)", wCounts(3)[w], want)
	}
	near(t, "all of U", Sum(uCounts(20, 13)), 1)
	near(t, "all of W", Sum(wCounts(40)), 1)
}

func TestUnpaired(t *testing.T) {
	// Five against five without overlap: 2 of the 252 orders are as extreme, p = 2/252. The
	// differences run from 5-4=1 to 9-0=9 with 5 in their middle. P(U <= 2) = 4/252 < 0.025 and
	// P(U <= 3) = 7/252 > 0.025, so the interval leaves out the 2 smallest of the 25 differences.
	s, err := Unpaired([]float64{0, 1, 2, 3, 4}, []float64{5, 6, 7, 8, 9}, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "shift", s.By, 5)
	near(t, "p", s.P, 2./252)
	// Sorted differences: 1, 2 2, 3 3 3, … : rank 3 is 2; from the end 8.
	near(t, "lower bound", s.Lo, 2)
	near(t, "upper bound", s.Hi, 8)

	s, _ = Unpaired([]float64{1, 1, 1}, []float64{1, 1, 1}, 0.95)
	near(t, "p of equal values", s.P, 1)
	near(t, "bound of three values", s.Hi, math.Inf(1))
	if _, err := Unpaired(nil, []float64{1}, 0.95); err == nil {
		t.Error("a comparison with nothing has a result")
	}
}

func TestPaired(t *testing.T) {
	// Six differences of one sign: 2 of 2^6 signs are as extreme.
	s, err := Paired([]float64{1, 2, 3, 4, 5, 6}, []float64{2, 4, 6, 8, 10, 12}, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "p", s.P, 2./64)
	near(t, "shift", s.By, 3.5)
	// P(W = 0) = 1/64 < 0.025 < P(W <= 1) = 2/64: the smallest and the largest Walsh average bound it.
	near(t, "lower bound", s.Lo, 1)
	near(t, "upper bound", s.Hi, 6)
	// One of six against the others, and the smallest: 2*2/64.
	near(t, "p with one against", signedRank([]float64{-1, 2, 3, 4, 5, 6}).P, 4./64)
	// Ties: sizes 1 1 2 with ranks 1.5 1.5 3. W- = 1.5 or less in 3 of 8 ways: {}, {first}, {second}.
	near(t, "p with ties", signedRank([]float64{-1, 1, 2}).P, 6./8)
	near(t, "p of no difference", signedRank([]float64{0, 0}).P, 1)
	if _, err := Paired([]float64{1}, []float64{1, 2}, 0.95); err == nil {
		t.Error("unequal pairs have a result")
	}
}

func TestStudent(t *testing.T) {
	for _, c := range []struct{ p, df, want float64 }{{0.975, 4, 2.7764451}, {0.975, 10, 2.2281389}, {0.95, 1, 6.3137515},
		{0.975, 60, 2.0002978}} {
		if got := Student(c.p, c.df); math.Abs(got-c.want) > 1e-5 {
			t.Errorf("t(%v, %v) = %v, want %v", c.p, c.df, got, c.want)
		}
	}
}
