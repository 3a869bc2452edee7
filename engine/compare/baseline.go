package compare

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"homellm/dsl/figure"
	"homellm/engine/event"
	"homellm/engine/metrics"
)

// BaselineSchema is the kind and version of a baseline file.
const BaselineSchema = "homellm.baseline/v1"

// Baseline is what one cell of a passing run measured, as a file to keep in git.
type Baseline struct {
	Schema      string        `json:"schema"`
	Scenario    string        `json:"scenario"`
	Cell        string        `json:"cell"`
	Name        string        `json:"name"` // the cell's name in texts
	Labels      []event.Label `json:"labels"`
	Recorded    time.Time     `json:"recorded"`
	Run         string        `json:"run"`                    // id of the run
	Further     []string      `json:"further_runs,omitempty"` // ids of the runs that measured the noise
	Homellm     string        `json:"homellm"`
	Fingerprint Fingerprint   `json:"fingerprint"`
	ClientError float64       `json:"client_error_ms,omitempty"` // error of the client that measured; 0: unknown
	AASplits    int           `json:"aa_splits"`                 // number of halvings behind each noise; 0: not measured
	AARuns      int           `json:"aa_runs"`                   // number of runs behind each noise, including this one
	// values of the names below base. in the gates file's expressions
	Figures Figures                   `json:"figures,omitempty"`
	Metrics map[string]BaselineMetric `json:"metrics"`
}

// BaselineMetric is one sample of a baseline: one value per repeat of every run.
type BaselineMetric struct {
	Unit    string `json:"unit"`
	Better  int    `json:"better"`
	Unknown int    `json:"unknown"`
	// relative standard deviation of the difference of two samples of this size without a change
	Noise *float64 `json:"noise"`
	// the same for each statistic between runs, if there are several
	Between map[string]float64 `json:"between,omitempty"`
	Values  []float64          `json:"values"`
	// of a pass rate: the item of each value, by its place in the data set
	Items []int `json:"items,omitempty"`
	// limits of the repeats whose value is not exact
	Hidden []event.Range `json:"hidden,omitempty"`
	Why    string        `json:"why,omitempty"` // it was not
	// each statistic as every report shows it, or its limits: of a step over its turns, of anything wider over its
	// repeats
	Shown  map[string]float64     `json:"shown,omitempty"`
	Within map[string]event.Range `json:"within,omitempty"`
}

// steps are the steps with a metric in the baseline, in order.
func (b *Baseline) steps() []string {
	var out []string
	for _, path := range b.Paths() {
		at, ok := figure.Parse(figure.SampleScope, path)
		if ok && strings.HasPrefix(path, "steps.") && !slices.Contains(out, at.ID) {
			out = append(out, at.ID)
		}
	}
	return out
}

// Sample returns one sample of the baseline.
func (b *Baseline) Sample(path string) metrics.Sample {
	m, ok := b.Metrics[path]
	if !ok {
		return metrics.Sample{Path: path, Why: notKept(path)}
	}
	return m.Sample(path)
}

// Sample returns what was kept of a path in the form of the run.
func (m BaselineMetric) Sample(path string) metrics.Sample {
	s := metrics.Sample{Path: path, Unit: m.Unit, Better: m.Better, Values: m.Values, Unknown: m.Unknown, Shown: m.Shown,
		Within: m.Within}
	if m.Unknown > 0 {
		s.Why = cmp.Or(m.Why, "unknown when it was recorded")
	}
	for i := range m.Values {
		s.Repeats = append(s.Repeats, i+1)
	}
	if len(m.Items) == len(m.Values) {
		s.Repeats = m.Items
	}
	for i, r := range m.Hidden {
		s.Hidden = append(s.Hidden, metrics.Hidden{Repeat: len(m.Values) + i + 1, Range: r})
	}
	return s
}

// Of says whether a run is in the baseline.
func (b *Baseline) Of(r *metrics.Run) bool {
	return r.Started.ID != "" && (b.Run == r.Started.ID || slices.Contains(b.Further, r.Started.ID))
}

// Paths lists the samples of the baseline in order.
func (b *Baseline) Paths() []string { return slices.Sorted(maps.Keys(b.Metrics)) }

// Repeats is the size of the largest sample.
func (b *Baseline) Repeats() int {
	n := 0
	for _, m := range b.Metrics {
		n = max(n, len(m.Values)+m.Unknown)
	}
	return n
}
