// Package compare compares two sides: two runs, two servers of one run, or a run and its baseline.
//
// The input is cells of folds, baselines and the rules of a gates file. The output is the verdict of each gate and of
// the comparison. cells.go finds the counterpart of a cell; Rules.Compare in comparison.go compares them. The package
// reads no file and shows nothing.
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
	File        string          `json:"file,omitempty"` // where the gate is in its file; empty: built in
	Line        int             `json:"line,omitempty"`
	Column      int             `json:"column,omitempty"`

	looks stats.Looks // of a run that plays on until its gates are certain
	// what a change must exceed besides the margin to be worse or better, as shares of the old side: the usual
	// difference between two runs, and that measured as noise
	between, noise float64

	step bool // a built-in gate of a single step
}

// OfStep says whether the gate is a built-in gate of a single step; there are many of them.
func (g Gate) OfStep() bool { return g.step }

// The defaults of a gate. With a two-sided alpha of 0.01 an unchanged server is called worse in at most one of 200
// comparisons; docs/gate-quality.md shows what a sample size can find.
const (
	DefaultAlpha      = 0.01
	DefaultMinSamples = 10
	// DefaultRepeats are the default repeats of a comparison of two servers, per side, and what messages advise if a
	// sample is too small. A run without a comparison plays fewer.
	DefaultRepeats = 20
)

// At is the gate with the looks that decide how much is measured; see [stats.Looks].
func (g Gate) At(looks stats.Looks) Gate {
	g.looks = looks
	return g
}

// look is the number of looks with enough samples for a verdict.
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
