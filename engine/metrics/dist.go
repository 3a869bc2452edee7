package metrics

import (
	"fmt"
	"math"
	"slices"

	"homellm/engine/event"
	"homellm/engine/stats"
)

// Dist describes the values of a metric. Percentiles are nearest rank: the smallest value that at least p percent of
// the values do not exceed, so that every percentile is a measured value. If some values are unknown, each statistic
// lies between two limits: those for the lowest and for the highest values that they may have.
type Dist struct {
	N       int // values, known or not; failed requests have none
	Unknown int // values that are not known exactly
	Min     float64
	Mean    float64 // of a ratio: sum of numerators over sum of denominators
	Max     float64
	Stddev  float64 // of the sample (n-1)
	P50     float64
	P90     float64
	P95     float64
	P99     float64
	Upper   *Dist  // the upper limits of the statistics whose lower limits are the fields above; nil: they are exact
	Why     string // why there is no value, or why some are unknown

	Repeats int // number of repeats behind the values; 0: they are not from repeats
	Turns   int // number of turns behind the values
}

// Stat is one statistic of a distribution.
type Stat struct {
	Name string
	Kind Kind
	Unit bool // it has the unit of its metric
	Doc  string
	// Floor is how many values a statistic needs to bound the true percentile with 95 % confidence: the smallest n with
	// 1 - p^n >= 0.95, for which the largest value is that bound.
	Floor int
	of    func(Dist) float64
}

// Stats lists the statistics in the order reports show them.
var Stats = []Stat{
	{"n", Int, false, "repeats with a value, known or not; of what is sampled, samples", 0,
		func(d Dist) float64 { return float64(d.Count()) }},
	{"n_turns", Int, false, "turns behind the values; failed requests have no value", 0,
		func(d Dist) float64 { return float64(d.Turns) }},
	{"n_unknown", Int, false, "how many of them are not known exactly", 0,
		func(d Dist) float64 { return float64(d.Unknown) }},
	{"min", Float, true, "smallest value", 1, func(d Dist) float64 { return d.Min }},
	{"mean", Float, true, "mean; of a ratio the sum of numerators over the sum of denominators", 1,
		func(d Dist) float64 { return d.Mean }},
	{"max", Float, true, "largest value", 1, func(d Dist) float64 { return d.Max }},
	{"stddev", Float, true, "standard deviation of the sample", 2, func(d Dist) float64 { return d.Stddev }},
	{"p50", Float, true, "median, nearest rank", 1, func(d Dist) float64 { return d.P50 }},
	{"p90", Float, true, "90th percentile, nearest rank", 29, func(d Dist) float64 { return d.P90 }},
	{"p95", Float, true, "95th percentile, nearest rank", 59, func(d Dist) float64 { return d.P95 }},
	{"p99", Float, true, "99th percentile, nearest rank", 299, func(d Dist) float64 { return d.P99 }},
}

// Count is the size of the sample: repeats, or samples of the machine.
func (d Dist) Count() int {
	if d.Repeats > 0 {
		return d.Repeats
	}
	return d.N
}

// NewDist describes values, none of which may be NaN or infinite.
func NewDist(values []float64) Dist {
	d := Dist{N: len(values)}
	if d.N == 0 {
		return d
	}
	s := slices.Sorted(slices.Values(values))
	d.Min, d.Max = s[0], s[d.N-1]
	d.P50, d.P90 = stats.Percentile(s, 50), stats.Percentile(s, 90)
	d.P95, d.P99 = stats.Percentile(s, 95), stats.Percentile(s, 99)
	d.Mean, d.Stddev = stats.Mean(s), stats.Deviation(s)
	return d
}

// distOf describes values of which some are only known as intervals. If all of them are entirely unknown, the
// statistics have no limits.
func distOf(values []event.Range, unknown int, some bool) Dist {
	if unknown > 0 && !some {
		return Dist{N: len(values), Unknown: unknown}
	}
	low, high := ends(values)
	out := NewDist(low)
	if out.Unknown = unknown; unknown == 0 {
		return out
	}
	upper := NewDist(high)
	out.Stddev, upper.Stddev = deviations(values)
	out.Upper = &upper
	return out
}

// DistOf is the distribution of one value, which may be unknown.
func DistOf(v Value) Dist {
	out := Dist{Why: v.Why}
	if f, ok := v.Number(); ok {
		out = NewDist([]float64{f})
	} else if v.Range != nil {
		out = distOf([]event.Range{*v.Range}, 1, true)
		out.Why = v.Why
	}
	return out
}

// setMean replaces the mean.
func (d *Dist) setMean(r event.Range) {
	d.Mean = r.Low
	if d.Upper != nil {
		d.Upper.Mean = r.High
	}
}

// ends are the lower and the upper ends of intervals.
func ends(values []event.Range) (low, high []float64) {
	for _, r := range values {
		low, high = append(low, r.Low), append(high, r.High)
	}
	return low, high
}

// deviations are limits of the standard deviation of a sample whose values lie in intervals. It is smallest if all
// values are as close to one point as they can be. The upper limit puts each value at the end of its interval that is
// farther from the middle of all ends; no choice of values exceeds it.
func deviations(values []event.Range) (least, most float64) {
	n := len(values)
	low, high := ends(values)
	if n < 2 {
		return 0, 0
	}
	a, b := slices.Min(low), slices.Max(low) // the point lies between the least and the greatest lower end
	near := func(at float64) []float64 {
		out := make([]float64, n)
		for i, r := range values {
			out[i] = min(max(at, r.Low), r.High)
		}
		return out
	}
	for range 200 {
		if at := a + (b-a)/2; stats.Mean(near(at)) < at {
			b = at
		} else {
			a = at
		}
	}
	least = stats.Deviation(near(a + (b-a)/2))
	if math.IsInf(slices.Max(high), 1) || math.IsInf(slices.Min(low), -1) {
		return least, math.Inf(1)
	}
	centre := (stats.Mean(low) + stats.Mean(high)) / 2
	var squares float64
	for _, r := range values {
		far := max(centre-r.Low, r.High-centre)
		squares += far * far
	}
	return least, math.Sqrt(squares / float64(n-1))
}

// Stat returns a statistic by name, or why it is unknown. It answers for samples below the statistic's floor too: an
// author who wrote allow_small_n gets what was measured.
func (d Dist) Stat(name string) (v float64, why string) {
	r, why := d.limits(name)
	switch {
	case why != "":
		return 0, why
	case r.Low != r.High:
		return 0, d.Why
	}
	return r.Low, ""
}

// Within returns the limits of a statistic that is not exact; false if it is exact, or has no limits.
func (d Dist) Within(name string) (event.Range, bool) {
	r, why := d.limits(name)
	return r, why == "" && r.Low != r.High
}

// limits returns both limits of a statistic, which are equal if it is exact, or why there are none.
func (d Dist) limits(name string) (r event.Range, why string) {
	for _, s := range Stats {
		if s.Name != name {
			continue
		}
		switch {
		case s.Floor == 0:
			return event.Range{Low: s.of(d), High: s.of(d)}, ""
		case d.N == 0 && d.Why != "":
			return r, d.Why
		case d.N == 0:
			return r, "nothing was measured"
		case name == "stddev" && d.N < 2:
			return r, "a standard deviation needs two values"
		case d.Unknown > 0 && d.Upper == nil:
			return r, d.Why
		}
		r = event.Range{Low: s.of(d), High: s.of(d)}
		if d.Upper != nil {
			r.High = s.of(*d.Upper)
		}
		return r, ""
	}
	return r, fmt.Sprintf("there is no statistic %q", name)
}

// Sound is like Stat, but unknown below the statistic's floor: what a report may print.
func (d Dist) Sound(name string) (v float64, why string) {
	if why := d.unsound(name); why != "" {
		return 0, why
	}
	return d.Stat(name)
}

// SoundWithin is like Within, but false below the statistic's floor: what a report may print.
func (d Dist) SoundWithin(name string) (event.Range, bool) {
	if d.unsound(name) != "" {
		return event.Range{}, false
	}
	return d.Within(name)
}

// unsound says how many values the statistic needs.
func (d Dist) unsound(name string) string {
	for _, s := range Stats {
		if s.Name == name && d.N > 0 && d.Count() < s.Floor {
			return fmt.Sprintf("fewer than %d repeats", s.Floor)
		}
	}
	return ""
}
