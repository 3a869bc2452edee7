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

// Baseline is what one cell of a passing run measured: a file to keep in git.
type Baseline struct {
	Schema      string        `json:"schema"`
	Scenario    string        `json:"scenario"`
	Cell        string        `json:"cell"`
	Name        string        `json:"name"` // of the cell, for people
	Labels      []event.Label `json:"labels"`
	Recorded    time.Time     `json:"recorded"`
	Run         string        `json:"run"`                    // id of the run
	Further     []string      `json:"further_runs,omitempty"` // ids of those that the noise was measured with
	Homellm     string        `json:"homellm"`
	Fingerprint Fingerprint   `json:"fingerprint"`
	ClientError float64       `json:"client_error_ms,omitempty"` // of the client that measured; 0: not known
	AASplits    int           `json:"aa_splits"`                 // halvings behind each noise; 0: not measured
	AARuns      int           `json:"aa_runs"`                   // runs behind each noise, this one included
	// what the gates file's expressions name below base.
	Figures Figures                   `json:"figures,omitempty"`
	Metrics map[string]BaselineMetric `json:"metrics"`
}

// BaselineMetric is one sample of a baseline: one value for each repeat of every run.
type BaselineMetric struct {
	Unit    string `json:"unit"`
	Better  int    `json:"better"`
	Unknown int    `json:"unknown"`
	// relative standard deviation of the difference of two samples of this size when nothing changed
	Noise *float64 `json:"noise"`
	// the same of each statistic between runs, where there are several
	Between map[string]float64 `json:"between,omitempty"`
	Values  []float64          `json:"values"`
	// of repeats whose value was not known exactly, what it lies between
	Hidden []event.Range `json:"hidden,omitempty"`
	Why    string        `json:"why,omitempty"` // it was not
	// each statistic as every report shows it, or between which limits it lies: of a step over its turns, of what is
	// wider over its repeats
	Shown  map[string]float64     `json:"shown,omitempty"`
	Within map[string]event.Range `json:"within,omitempty"`
}

// steps are those that the baseline holds a metric of, in order.
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
	s := metrics.Sample{Path: path, Unit: m.Unit, Better: m.Better, Values: m.Values, Unknown: m.Unknown, Shown: m.Shown,
		Within: m.Within}
	if m.Unknown > 0 {
		s.Why = cmp.Or(m.Why, "unknown when the baseline was recorded")
	}
	for i := range m.Values {
		s.Repeats = append(s.Repeats, i+1)
	}
	for i, r := range m.Hidden {
		s.Hidden = append(s.Hidden, metrics.Hidden{Repeat: len(m.Values) + i + 1, Range: r})
	}
	return s
}

// Of says whether the baseline holds something of a run.
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
