package stats

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"
)

// odds are p-values from elsewhere.
type odds struct{ P, Up, Down float64 }

type samples struct {
	A, B []float64
	odds
	Lo, Hi float64
}

// reference is testdata/reference.json, which testdata/reference.py makes with scipy.
type reference struct {
	RankSum    []samples `json:"rank_sum"`
	Normal     []samples
	Means      []samples
	Welch      []samples
	SignedRank []struct {
		D []float64
		odds
	} `json:"signed_rank"`
	Fisher []struct {
		Far, N [2]int
		odds
	}
	Student []struct{ P, DF, T float64 }
	Bounds  []struct{ N, P, Lo, Hi int }
	Ranks   []struct{ M, N, K int } `json:"interval_rank"`
	Serial  []struct {
		V []float64
		P float64
	}
	Kendall []struct {
		V        []float64
		P, Slope float64
	}
}

func readReference(t *testing.T) (r reference) {
	t.Helper()
	data, err := os.ReadFile("testdata/reference.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &r); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{len(r.RankSum), len(r.Normal), len(r.Means), len(r.Welch), len(r.SignedRank), len(r.Fisher),
		len(r.Student), len(r.Bounds), len(r.Ranks), len(r.Serial), len(r.Kendall)} {
		if n < 2 {
			t.Fatal("a part of the reference is missing")
		}
	}
	return r
}

func within(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func (o odds) hold(t *testing.T, what string, got Probabilities) {
	t.Helper()
	const tolerance = 1e-9
	within(t, what+" p", got.P, o.P, tolerance)
	within(t, what+" up", got.Up, o.Up, tolerance)
	within(t, what+" down", got.Down, o.Down, tolerance)
}

func TestReference(t *testing.T) {
	r := readReference(t)
	for _, c := range r.RankSum {
		c.hold(t, "rank sum", RankSum(c.A, c.B))
	}
	for _, c := range r.Normal {
		c.hold(t, "normal", RankSum(c.A, c.B))
	}
	for _, c := range r.Means {
		s, err := Means(c.A, c.B, Level)
		if err != nil {
			t.Fatal(err)
		}
		c.hold(t, "means", s.Probabilities)
	}
	for _, c := range r.Welch {
		s, err := Means(c.A, c.B, Level)
		if err != nil {
			t.Fatal(err)
		}
		within(t, "lower end", s.Lo, c.Lo, 1e-6)
		within(t, "upper end", s.Hi, c.Hi, 1e-6)
	}
	for _, c := range r.SignedRank {
		c.hold(t, "signed rank", signedRank(c.D))
	}
	for _, c := range r.Fisher {
		c.hold(t, "Fisher", Fisher(c.Far, c.N))
	}
	for _, c := range r.Student {
		within(t, "Student", Student(c.P, c.DF), c.T, 1e-5*c.T)
	}
	for _, c := range r.Bounds {
		v := make([]float64, c.N)
		for i := range v {
			v[i] = float64(i + 1)
		}
		rank := func(k int, none float64) float64 {
			if k == 0 {
				return none
			}
			return float64(k)
		}
		want := Bounds{rank(c.Lo, math.Inf(-1)), rank(c.Hi, math.Inf(1))}
		if got := PercentileBounds(v, c.N, c.P, Level); got != want {
			t.Errorf("bounds of p%d of %d: %v, want %v", c.P, c.N, got, want)
		}
	}
	for _, c := range r.Ranks {
		k := 0
		if d := uCounts(c.M, c.N); d != nil {
			k = lowRank(d, 0.025)
		} else {
			k = normalRank(float64(c.M*c.N)/2, math.Sqrt(float64(c.M*c.N*(c.M+c.N+1))/12), 0.025)
		}
		if k != c.K {
			t.Errorf("the interval of %d and %d values begins at rank %d, want %d", c.M, c.N, k, c.K)
		}
	}
	for _, c := range r.Serial {
		within(t, "serial", Serial(c.V), c.P, 0.1*c.P+0.002)
	}
	for _, c := range r.Kendall {
		at := make([]int, len(c.V))
		for i := range at {
			at[i] = i
		}
		d, ok := TrendOf(c.V, at)
		if !ok {
			t.Fatal("no trend is looked for")
		}
		within(t, "Kendall", d.P, c.P, 1e-9)
		within(t, "slope", d.Total(), c.Slope*float64(len(c.V)-1)/math.Abs(Median(c.V)), 1e-9)
	}
}

// TestRankSum_Approximations compares the approximations with exact counts.
func TestRankSum_Approximations(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 3))
	for _, c := range []struct {
		m, n, ties int
		far        float64
	}{{55, 60, 1, 0.5}, {60, 58, 3, 0.4}, {60, 60, 30, 0.5}} {
		var a, b []float64
		for range c.m {
			a = append(a, float64(int(random.NormFloat64()*100)/c.ties*c.ties))
		}
		for range c.n {
			b = append(b, float64(int((random.NormFloat64()+c.far)*100)/c.ties*c.ties))
		}
		exact := RankSum(a, b)
		scores, _ := doubledRanks(slices.Concat(a, b))
		sum := 0
		k := min(c.m, c.n)
		small := scores[c.m:]
		if k == c.m && c.m != c.n {
			small = scores[:c.m]
		}
		for _, s := range small {
			sum += s
		}
		sorted := slices.Sorted(slices.Values(scores))
		within(t, "normal", normalTails(sorted, k, sum).P, exact.P, 0.05*exact.P+1e-4)
		within(t, "drawn", drawn(sorted, k, sum).P, exact.P, 0.1*exact.P+2e-4)
	}
	// One value in a hundred differs: no normal distribution, and the answer is Fisher's.
	a, b := make([]float64, 200), make([]float64, 200)
	for i := range 6 {
		b[i] = 1
	}
	want := Fisher([2]int{0, 6}, [2]int{200, 200})
	within(t, "few that differ", RankSum(a, b).P, want.P, 0.1*want.P)
}

// TestRankSum_Cost limits the cost of large samples. The bounds are wide: the machine may be busy.
func TestRankSum_Cost(t *testing.T) {
	random := rand.New(rand.NewPCG(4, 4))
	draw := func(n int) (v []float64) {
		for range n {
			v = append(v, math.Round(random.NormFloat64()*50))
		}
		return v
	}
	for n, most := range map[int]time.Duration{300: 500 * time.Millisecond, 1000: 2 * time.Second} {
		began := time.Now()
		if _, err := Unpaired(draw(n), draw(n), Level); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > 4*most {
			t.Errorf("%d against %d values take %v, want %v", n, n, took, most)
		}
	}
}

// TestMeans_Drawn compares random permutations with all permutations, and checks that they do not depend on the order.
func TestMeans_Drawn(t *testing.T) {
	// 6 of 20 are 0 against none: a permutation is as extreme if it leaves them on one side.
	a, b := make([]float64, 20), make([]float64, 20)
	for i := range a {
		a[i], b[i] = 0.9, 0.9
	}
	for i := range 6 {
		b[3*i] = 0
	}
	want := Fisher([2]int{0, 6}, [2]int{20, 20}).P
	s, err := Means(a, b, Level)
	if err != nil {
		t.Fatal(err)
	}
	within(t, "six of twenty", s.P, want, 0.2*want)
	within(t, "six of twenty, down", s.Down, want/2, 0.2*want)
	d := []float64{1, 2, -1, -3, 4, 2, 1, 5, -2, 3, 2, 1, -4, 3, 2, 1, -1, 2, 1, -1, 2, 1}
	paired, err := PairedMeans(make([]float64, len(d)), d, Level)
	if err != nil {
		t.Fatal(err)
	}
	// All 2^18 signs, counted.
	far := 0
	for signs := range 1 << len(d) {
		var sum float64
		for i, v := range d {
			if signs>>i&1 == 1 {
				v = -v
			}
			sum += v
		}
		if math.Abs(sum) >= Sum(d) {
			far++
		}
	}
	all := float64(int(1) << len(d))
	within(t, "signs", paired.P, float64(far)/all, 0.2*float64(far)/all)
}

// TestPercentileBounds_Pooled checks the coverage of bounds for values that are correlated within a repeat: a bound of
// a p95 from 59 repeats of 12 turns lies above the true one in at least 95 % of the cases.
func TestPercentileBounds_Pooled(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 5))
	for _, c := range []struct {
		repeats, turns, p int
		luck, own         float64
	}{{59, 12, 95, 0.03, 0.001}, {59, 12, 95, 0.03, 0.03}, {29, 3, 90, 0.05, 0}, {5, 12, 50, 0.03, 0.001}} {
		// The true percentile of the sum of both is that of a normal distribution.
		z := map[int]float64{50: 0, 90: 1.2815516, 95: 1.6448536}[c.p]
		truth := 100 * (1 + z*math.Hypot(c.luck, c.own))
		const trials = 2000
		above := 0
		for range trials {
			var v []float64
			for range c.repeats {
				luck := c.luck * random.NormFloat64()
				for range c.turns {
					v = append(v, 100*(1+luck+c.own*random.NormFloat64()))
				}
			}
			if PercentileBounds(v, c.repeats, c.p, Level).Hi >= truth {
				above++
			}
		}
		if float64(above) < (Level-2*math.Sqrt(Level*(1-Level)/trials))*trials {
			t.Errorf("%+v: covered in %d of %d", c, above, trials)
		}
		if b := PercentileBounds(make([]float64, (c.repeats-1)*c.turns), c.repeats-1, c.p, Level); !math.IsInf(b.Hi, 1) {
			t.Errorf("%+v: one repeat less has the bound %v", c, b)
		}
	}
	// Every turn of a repeat is the same: as if each repeat had one.
	one, three := []float64{1, 2, 3, 4, 5, 6, 7}, []float64{}
	for _, v := range one {
		three = append(three, v, v, v)
	}
	if a, b := PercentileBounds(one, 7, 50, Level), PercentileBounds(three, 7, 50, Level); a != b {
		t.Errorf("bounds %v and %v", a, b)
	}
}
