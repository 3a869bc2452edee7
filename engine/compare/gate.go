// Package compare compares two sides: two runs, two servers of one run, or a run and its baseline.
//
// In come cells of folds, baselines and the rules of a gates file. Out come the verdict of each gate, and that of all.
// cells.go finds what belongs together, such as a cell and its baseline; Rules.Compare in comparison.go compares them.
// The package reads no file and shows nothing.
package compare

import (
	"math"

	"homellm/engine/event"
	"homellm/engine/stats"
)

// Gate says which change of a metric is a regression.
type Gate struct {
	Name        string          `json:"name"`
	Metric      string          `json:"metric"` // path of a sample: steps.q1.ttft_ms
	Stat        string          `json:"stat"`   // p50 | mean | p90 | p95 | max
	Better      int             `json:"better"` // +1: higher is better, -1: lower; 0: as the metric says
	MaxWorse    *float64        `json:"max_worse"`
	MaxWorseAbs *float64        `json:"max_worse_abs"` // in the metric's unit
	MinDelta    float64         `json:"min_delta"`     // in the metric's unit: smaller changes are never a regression
	Test        string          `json:"test"`          // mann_whitney | paired; empty: see inPairs
	Alpha       float64         `json:"alpha"`
	MinSamples  int             `json:"min_samples"`
	Severity    event.Severity  `json:"severity"`
	OnUnknown   event.OnUnknown `json:"on_unknown"`
	File        string          `json:"file,omitempty"` // where the gate is written; empty: it is built in
	Line        int             `json:"line,omitempty"`
	Column      int             `json:"column,omitempty"`

	looks stats.Looks // of a run whose length depends on what was seen
	// what a change must exceed to be worse or better beside the margin, as shares of the old side: what may lie
	// between two runs, and what their noise makes of it
	between, noise float64

	step bool // it is a built-in one of a single step
}

// OfStep says whether the gate is a built-in one of a single step, of which there are many.
func (g Gate) OfStep() bool { return g.step }

// What a gate gets that does not say otherwise. With two-sided alpha 0.01 an unchanged server is
// called worse in at most one of 200 comparisons; docs/gate-quality.md shows what the sample size finds.
const (
	DefaultAlpha      = 0.01
	DefaultMinSamples = 10
	// DefaultRepeats are the default repeats of a comparison: how often each side is played where two
	// servers are compared, and what everything advises where a sample is too small. A scenario that is
	// only looked at plays fewer.
	DefaultRepeats = 20
)

// At is the gate at looks that decide how much is measured; see [stats.Looks].
func (g Gate) At(looks stats.Looks) Gate {
	g.looks = looks
	return g
}

// look is the number of looks at which there were samples enough for a verdict.
func (g Gate) look() int {
	n, _ := g.looks.Counted(func(size, _ int) bool { return size >= g.MinSamples })
	return n
}

// margin is the change in the metric's unit that must be exceeded: the largest of all margins.
func (g Gate) margin(base float64) float64 {
	m := g.MinDelta
	if g.MaxWorse != nil {
		m = max(m, *g.MaxWorse*math.Abs(base))
	}
	if g.MaxWorseAbs != nil {
		m = max(m, *g.MaxWorseAbs)
	}
	return m
}
