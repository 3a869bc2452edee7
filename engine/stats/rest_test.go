package stats

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// machine is a server whose times are made up: what a prompt of n tokens takes of which u are computed.
type machine struct {
	time  func(n, u float64) float64
	noise func(r *rand.Rand, at float64) float64 // of a prompt, as a factor, after so many repeats and parts of one
	delay float64                                // one prompt in ten takes up to this much longer, whatever its length
}

func plain(n, u float64) float64 { return 20 + 0.45*u + 0.00004*(2*n*u-u*u) }

func normal(spread float64) func(*rand.Rand, float64) float64 {
	return func(r *rand.Rand, _ float64) float64 { return math.Exp(spread * r.NormFloat64()) }
}

// from is two percent of noise, and a factor on every prompt at the times for which it is told to be.
func from(factor float64, on func(at float64) bool) func(*rand.Rand, float64) float64 {
	return func(r *rand.Rand, at float64) float64 {
		f := math.Exp(0.02 * r.NormFloat64())
		if on(at) {
			f *= factor
		}
		return f
	}
}

// The prompts of a cell are those before the first pass, and in each repeat a cold turn, warm ones and cold prompts.
const (
	coldFirst  = 20
	coldAfter  = 3
	cellRounds = 5
	cellTurns  = 6
	leastCold  = 60.0
	mostCold   = 2600.0
)

// longTails is Student's t with three degrees of freedom.
func longTails(r *rand.Rand, _ float64) float64 {
	sum := 0.0
	for range 3 {
		x := r.NormFloat64()
		sum += x * x
	}
	return math.Exp(0.03 * r.NormFloat64() / math.Sqrt(sum/3))
}

// others is a machine that others use at times.
func others(r *rand.Rand, _ float64) float64 {
	f := math.Exp(0.02 * r.NormFloat64())
	if r.Float64() < 0.15 {
		f *= 1 + 2*r.Float64()
	}
	return f
}

// seen is what prompts took a llama-server on one core, in ms: a token of 85 tokens 4.5, one of 2,877 tokens 7.6.
func seen(n float64) float64 {
	tokens := []float64{1, 85, 185, 272, 409, 601, 887, 1316, 1941, 2877}
	each := []float64{4.3, 4.5, 4.62, 4.88, 5.18, 5.36, 5.58, 5.94, 6.59, 7.62}
	i := 0
	for i < len(tokens)-2 && n > tokens[i+1] {
		i++
	}
	return n * (each[i] + (each[i+1]-each[i])*(n-tokens[i])/(tokens[i+1]-tokens[i]))
}

var machines = map[string]machine{
	"quiet":                               {plain, normal(0.01), 0},
	"one percent and a half":              {plain, normal(0.016), 0},
	"five percent":                        {plain, normal(0.05), 0},
	"27 percent":                          {plain, normal(0.27), 0},
	"long tails":                          {plain, longTails, 0},
	"a delay at times":                    {plain, normal(0.01), 100},
	"others at times":                     {plain, others, 0},
	"throttled after the first prompts":   {plain, from(1.4, func(at float64) bool { return at >= 0 }), 0},
	"throttled in the middle of a repeat": {plain, from(1.4, func(at float64) bool { return at >= 2.5 }), 0},
	"released after the first prompts":    {plain, from(1.4, func(at float64) bool { return at < 0 }), 0},
	"throttled every second repeat": {plain, from(1.4, func(at float64) bool { return at >= 0 && int(at)%2 == 1 }),
		0},
	"slower and slower": {plain, func(r *rand.Rand, at float64) float64 {
		return math.Exp(0.02*r.NormFloat64()) * (1.2 + 0.1*at)
	}, 0},
	"a first prompt that costs":    {plain, from(8, func(at float64) bool { return at == -1 }), 0},
	"reading what is cached costs": {func(n, u float64) float64 { return plain(n, u) + 0.01*(n-u) }, normal(0.02), 0},
	"a lead is always cached":      {func(n, u float64) float64 { return plain(n, u-24) }, normal(0.02), 0},
	"steps of 512": {func(n, u float64) float64 {
		return 20 + 200*math.Ceil(u/512) + 0.05*u + 0.00004*(2*n*u-u*u)
	}, normal(0.01), 0},
	"steps of 512, for a half": {func(n, u float64) float64 {
		return 20 + 100*math.Ceil(u/512) + 0.2*u + 0.00004*(2*n*u-u*u)
	}, normal(0.02), 0},
	"steps of 128": {func(_, u float64) float64 {
		return 20 + 50*math.Ceil(u/128) + 0.05*u
	}, normal(0.01), 0},
	"as a llama-server was seen": {func(n, u float64) float64 { return seen(n) - seen(n-u) + 20 }, normal(0.01), 0},
	"too fast to tell":           {func(_, u float64) float64 { return 40 + 0.004*u }, normal(0.05), 0},
}

// widths are how wide the intervals of each machine are at most, as a share of the prompt, with 1 and with 25
// conversations.
var widths = map[string][2]float64{
	"quiet":                               {0.06, 0.05},
	"one percent and a half":              {0.075, 0.065},
	"five percent":                        {0.19, 0.16},
	"27 percent":                          {0.7, 0.65},
	"long tails":                          {0.2, 0.2},
	"a delay at times":                    {0.25, 0.25},
	"others at times":                     {0.8, 0.8},
	"throttled after the first prompts":   {0.12, 0.08},
	"throttled in the middle of a repeat": {0.14, 0.12},
	"released after the first prompts":    {0.12, 0.08},
	"throttled every second repeat":       {0.25, 0.25},
	"slower and slower":                   {0.14, 0.11},
	"a first prompt that costs":           {0.5, 0.15},
	"reading what is cached costs":        {0.09, 0.08},
	"a lead is always cached":             {0.09, 0.08},
	"steps of 512":                        {0.7, 0.7},
	"steps of 512, for a half":            {0.46, 0.46},
	"steps of 128":                        {0.27, 0.25},
	"as a llama-server was seen":          {0.08, 0.08},
	"too fast to tell":                    {1, 1},
}

// covered counts the intervals that contain the truth.
type covered struct {
	within, all int
	width       float64
}

func (c *covered) add(r Rest, n, u float64) {
	least, most := r.Alone(n)
	c.all++
	c.width += (most - least) / n
	if least <= u && u <= most {
		c.within++
	}
}

// cell plays one cell: it counts the intervals of its turns, and that of the mean of the first turns of all
// repeats. Each
// conversation has a cold turn in each repeat.
func (m machine) cell(r *rand.Rand, conversations int, turns, means *covered) {
	at, each := -1.0, 1.0/coldFirst // before the first repeat
	seen := func(n, u float64) float64 {
		now := at
		at += each
		delay := 0.0
		if m.delay > 0 && r.IntN(10) == 0 {
			delay = m.delay * r.Float64()
		}
		return m.time(n, u)*m.noise(r, now) + delay
	}
	var x, y []float64
	for i := range coldFirst {
		if i >= coldFirst/2 {
			i = coldFirst - 1 - i
		}
		n := math.Round(leastCold * math.Pow(mostCold/leastCold, float64(i)/(coldFirst/2-1)))
		x, y = append(x, n), append(y, seen(n, n))
	}
	curve, ok := FitQuadratic(x, y)
	if !ok {
		return
	}
	type turn struct{ n, u, seen float64 }
	var mean Rest
	explained, truth, all := true, 0.0, 0.0
	var before [2][]float64 // the cold prompts after the last repeat: their lengths and times
	for round := range cellRounds {
		at, each = float64(round), 1/float64(conversations+cellTurns+coldAfter)
		cold, took := append(before[0], 1500), append(before[1], seen(1500, 1500))
		var played []turn
		for j := range cellTurns {
			n := math.Round(500 + 2000*r.Float64())
			u := math.Round(n * (0.03 + 0.81*r.Float64()))
			if j == 0 {
				n, u = 2000, 700
			}
			played = append(played, turn{n, u, seen(n, u)})
			for range (conversations - 1) / cellTurns {
				n := math.Round(300 + 1000*r.Float64())
				cold, took = append(cold, n), append(took, seen(n, n))
			}
		}
		before = [2][]float64{}
		for _, n := range []float64{mostCold, 735, 210}[:coldAfter] {
			before = [2][]float64{append(before[0], n), append(before[1], seen(n, n))}
		}
		cold, took = append(cold, before[0]...), append(took, before[1]...)
		now := curve.At(cold, took)
		for j, s := range played {
			rest, ok := now.Rest(s.n, s.seen, s.seen)
			if !ok { // it tells nothing
				rest = Rest{Least: 0, Most: s.n}
			}
			rest = rest.Unseen(s.n, leastCold)
			turns.add(rest, s.n, s.u)
			if j == 0 {
				mean = mean.And(rest)
				explained, truth, all = explained && ok, truth+s.u, all+s.n
			}
		}
	}
	if explained {
		means.add(mean, all, truth)
	}
}

// TestRest_Covers checks that nineteen of twenty intervals contain the true rest, whatever the noise and whatever
// changes between the first prompts and the turns. The intervals are no wider than that requires, and those of a mean
// are narrower.
func TestRest_Covers(t *testing.T) {
	for name, m := range machines {
		for i, conversations := range []int{1, 25} {
			t.Run(fmt.Sprintf("%s, conversations: %d", name, conversations),
				func(t *testing.T) { m.covers(t, conversations, widths[name][i]) })
		}
	}
}

func (m machine) covers(t *testing.T, conversations int, most float64) {
	r := rand.New(rand.NewPCG(7, 11))
	var turns, means covered
	for range 60 {
		m.cell(r, conversations, &turns, &means)
	}
	if share := float64(turns.within) / float64(turns.all); share < 0.95 || turns.all < 1500 {
		t.Errorf("%.3f of %d intervals hold the truth", share, turns.all)
	}
	if means.all > 0 && float64(means.within) < 0.95*float64(means.all) {
		t.Errorf("%d of %d means hold the truth", means.within, means.all)
	}
	width, ofMeans := turns.width/float64(turns.all), means.width/float64(means.all)
	if width > most {
		t.Errorf("they are %.3f of the prompt wide", width)
	}
	t.Logf("%d of %d hold the truth, %.3f of the prompt wide; %d of %d means, %.3f", turns.within, turns.all, width,
		means.within, means.all, ofMeans)
}

// TestRest_Unseen widens what is less than the shortest prompt down to nothing, and all by what reading a cache
// may cost.
func TestRest_Unseen(t *testing.T) {
	for _, tt := range []struct{ from, want Rest }{
		{Rest{Least: 500, Most: 600}, Rest{Least: 485, Most: 600}},
		{Rest{Least: 80, Most: 95}, Rest{Least: 80 - 0.03*920 - 90, Most: 95}},
		{Rest{Least: 20, Most: 40}, Rest{Least: 20 - 0.03*980 - 90, Most: 90}},
		{Rest{Least: 1000, Most: 1000}, Rest{Least: 1000, Most: 1000}},
	} {
		if got := tt.from.Unseen(1000, 90); math.Abs(got.Least-tt.want.Least) > 1e-9 || got.Most != tt.want.Most {
			t.Errorf("%+v: %+v, want %+v", tt.from, got, tt.want)
		}
	}
}

// TestRest_And narrows what is of single values by the root of how many they are, and nothing else.
func TestRest_And(t *testing.T) {
	var sum Rest
	for range 4 {
		sum = sum.And(Rest{Least: 90, Most: 110, Below: 20, Above: 40})
	}
	if want := (Rest{Least: 360, Most: 440, Below: 40, Above: 80}); sum != want {
		t.Errorf("%+v, want %+v", sum, want)
	}
}

// TestAt_Gaps fits points that leave a gap where the curve of the first points is known not to be exact: that nothing
// was measured there is no proof that it is exact now.
func TestAt_Gaps(t *testing.T) {
	points := func(lengths ...float64) (x, y []float64) {
		for i, n := range lengths {
			x, y = append(x, n), append(y, (seen(n)+20)*(1+0.002*float64(i%3-1)))
		}
		return x, y
	}
	first, ok := FitQuadratic(points(85, 125, 185, 272, 409, 601, 887, 1316, 1941, 2877))
	if !ok {
		t.Fatal("the first points make no curve")
	}
	now := first.At(points(90, 90, 120, 150, 180, 210, 240, 270, 300, 330, 360, 390, 420, 450, 480, 510, 2880, 2880))
	const n, u = 1974, 1603
	took := seen(n) - seen(n-u) + 20
	rest, ok := now.Rest(n, took, took)
	if least, most := rest.Alone(n); !ok || u < least || u > most || most-least > 0.4*n {
		t.Errorf("from %.0f to %.0f of %d, and it was %d", least, most, n, u)
	}
}
