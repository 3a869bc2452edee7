package metrics

import (
	"fmt"
	"slices"

	"homellm/engine/stats"
)

// Dist describes the known values of a metric. Percentiles are nearest rank: the smallest value
// that at least p percent of the values do not exceed, so that every percentile is a value that
// was measured. Unknown values are counted and otherwise left out.
type Dist struct {
	N       int // known values
	Unknown int // values that are unknown although their request succeeded
	Min     float64
	Mean    float64 // of a ratio: sum of numerators over sum of denominators
	Max     float64
	Stddev  float64 // of the sample (n-1)
	P50     float64
	P90     float64
	P95     float64
	P99     float64
	Why     string // why there is no value, or why some are unknown
}

// Stat is one statistic of a distribution.
type Stat struct {
	Name string
	Kind Kind
	Unit bool // has the unit of its metric
	Doc  string
	// Floor is how many values a statistic needs before it bounds the true percentile with 95 %
	// confidence: the smallest n for which 1 - p^n >= 0.95, where the largest value is that bound.
	Floor int
	of    func(Dist) float64
}

// Stats lists the statistics in the order reports show them.
var Stats = []Stat{
	{"n", Int, false, "known values", 0, func(d Dist) float64 { return float64(d.N) }},
	{"n_unknown", Int, false, "unknown values of requests that succeeded", 0,
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

// Stat returns a statistic by name, or why it is unknown. It answers below the statistic's
// floor as well: an author who said allow_small_n gets what was measured.
func (d Dist) Stat(name string) (v float64, why string) {
	for _, s := range Stats {
		if s.Name != name {
			continue
		}
		switch {
		case s.Floor == 0:
			return s.of(d), ""
		case d.N == 0 && d.Why != "":
			return 0, d.Why
		case d.N == 0:
			return 0, "nothing was measured"
		case name == "stddev" && d.N < 2:
			return 0, "a standard deviation needs two values"
		}
		return s.of(d), ""
	}
	return 0, fmt.Sprintf("there is no statistic %q", name)
}

// Sound is like Stat, and unknown below the statistic's floor: what a report may print.
func (d Dist) Sound(name string) (v float64, why string) {
	v, why = d.Stat(name)
	for _, s := range Stats {
		if s.Name == name && why == "" && d.N < s.Floor {
			return 0, fmt.Sprintf("fewer than %d values", s.Floor)
		}
	}
	return v, why
}
