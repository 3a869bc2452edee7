package compare

import (
	"fmt"
	"math"

	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/stats"
)

// The verdicts of a gate on two samples, besides [event.Unknown].
const (
	Worse  event.Outcome = "worse"
	Better event.Outcome = "better"
	// Same means no change beyond the margin, from samples good enough to show one of twice the margin.
	Same event.Outcome = "same"
	// NotSeen means that a mean or a tail is not seen to be worse. Few repeats may hide a change in it, so it is never
	// called the same.
	NotSeen event.Outcome = "not seen"
)

// Side is one side of a comparison, with its sample described.
type Side struct {
	N       int      `json:"n"`
	Unknown int      `json:"n_unknown"`
	Center  *float64 `json:"center"` // the gate's statistic; null where it is not exact
	// limits of a statistic that is not exact
	Within *event.Range `json:"center_within,omitempty"`
	Lo     *float64     `json:"lo"` // 95 % confidence interval of the median; null where the sample is too small
	Hi     *float64     `json:"hi"`

	judged float64 // the gate's statistic over the compared values, one per repeat
}

// Delta is the outcome of one gate.
type Delta struct {
	Gate     Gate     `json:"gate"`
	Unit     string   `json:"unit"`
	Old      Side     `json:"old"`
	New      Side     `json:"new"`
	Change   *float64 `json:"change"`   // new - old, in the metric's unit; null where it is not exact
	Relative *float64 `json:"relative"` // Change / old
	Lo       *float64 `json:"lo"`       // 95 % confidence interval of Change; null where unbounded
	Hi       *float64 `json:"hi"`
	P        *float64 `json:"p"`
	Adjusted *float64 `json:"p_adjusted,omitempty"` // P by Holm, over the gates that can fail; nil: this one cannot
	Margin   *float64 `json:"margin"`               // margin that a change must exceed, in the metric's unit
	// margin for worse and better, if the difference between runs makes it larger
	Widened *float64 `json:"margin_widened,omitempty"`
	// limits of a change that is not exact
	Between *event.Range `json:"change_within,omitempty"`

	Test     string        `json:"test"`
	Verdict  event.Outcome `json:"verdict"`
	Why      string        `json:"why,omitempty"`
	Warnings []string      `json:"warnings,omitempty"`
	// about how many more repeats of each side would decide an unknown verdict; 0: none would, or unknown
	More int `json:"more,omitempty"`

	evidence evidence // the basis of the verdict; see [Delta.decide]
}

// evidence is the result of a test.
type evidence struct {
	stats.Shift
	base     float64      // the old side's statistic
	tail     *tail        // of a gate on the tail
	values   [2][]float64 // of the median and the mean: the compared values, in pairs for a paired test
	withdraw func(*Delta) // further reasons to withdraw a verdict; nil: none
	among    []*Delta     // the same gate over the limits of values that are not exact; nil: all are exact
	hides    string       // which values are not exact
}

// tail is the result of a gate on a tail: how many values of each side are beyond the old side's limit.
type tail struct {
	far, n [2]int
	limit  float64 // the limit
}

// FamilyAlpha is the probability, at most, that any gate of a comparison of unchanged servers says worse or better.
const FamilyAlpha = 0.05

// significant says whether a one-sided probability is small enough to exclude chance.
func (d *Delta) significant(side float64) bool {
	g := d.Gate
	share := stats.Share(g.look())
	return *d.P < g.Alpha*share && side < g.Alpha*share/2 && (d.Adjusted == nil || *d.Adjusted < FamilyAlpha*share)
}

// widenedMargin is the margin that a change must exceed to be worse or better: the usual difference between two runs
// is not a change of the server.
func (d *Delta) widenedMargin(base float64) float64 {
	g := d.Gate
	own := g.margin(base)
	wide := max(own+g.between*math.Abs(base), g.noise*math.Abs(base))
	if wide > own {
		d.Widened = &wide
	}
	return wide
}

func finite(v float64) *float64 {
	if math.IsInf(v, 0) || math.IsNaN(v) {
		return nil
	}
	return &v
}

// amount formats a change as a share of the base, or in the metric's unit if the base is 0.
func amount(v, base float64, unit string) string {
	switch {
	case math.IsInf(v, 0):
		return "any amount"
	case base == 0:
		return fmt.Sprintf("%.3g%s", v, metrics.UnitAfter(unit))
	}
	return fmt.Sprintf("%.1f %%", 100*v/math.Abs(base))
}
