package compare

import (
	"fmt"
	"math"

	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/stats"
)

// The verdicts of a gate that holds samples against each other, beside [event.Unknown].
const (
	Worse  event.Outcome = "worse"
	Better event.Outcome = "better"
	// Same is no change beyond the margin, by samples that are good enough to have shown one of twice the margin.
	Same event.Outcome = "same"
	// NotSeen is what a mean or a tail is that is not seen to be worse: they may hide what few repeats cannot show, and
	// so are never called the same.
	NotSeen event.Outcome = "not seen"
)

// Side is one side of a comparison: its sample, described.
type Side struct {
	N       int      `json:"n"`
	Unknown int      `json:"n_unknown"`
	Center  *float64 `json:"center"` // the gate's statistic; null where it is not known exactly
	// in which interval the statistic lies that is not known exactly
	Within *event.Range `json:"center_within,omitempty"`
	Lo     *float64     `json:"lo"` // 95 % confidence interval of the median; null where the sample is too small
	Hi     *float64     `json:"hi"`

	judged float64 // the gate's statistic of the values that are held against each other, one a repeat
}

// Delta is the outcome of one gate.
type Delta struct {
	Gate     Gate     `json:"gate"`
	Unit     string   `json:"unit"`
	Old      Side     `json:"old"`
	New      Side     `json:"new"`
	Change   *float64 `json:"change"`   // new - old, in the metric's unit; null where it is not known exactly
	Relative *float64 `json:"relative"` // Change / old
	Lo       *float64 `json:"lo"`       // 95 % confidence interval of Change; null where unbounded
	Hi       *float64 `json:"hi"`
	P        *float64 `json:"p"`
	Adjusted *float64 `json:"p_adjusted,omitempty"` // P by Holm, over the gates that gate; nil: it is none of them
	Margin   *float64 `json:"margin"`               // the change that must be exceeded, in the metric's unit
	// the one that must be exceeded to be worse or better, where what lies between runs makes it larger
	Widened *float64 `json:"margin_widened,omitempty"`
	// in which interval a change lies that is not known exactly
	Between *event.Range `json:"change_within,omitempty"`

	Test     string        `json:"test"`
	Verdict  event.Outcome `json:"verdict"`
	Why      string        `json:"why,omitempty"`
	Warnings []string      `json:"warnings,omitempty"`
	// about how many more repeats of each side would decide what is unknown; 0: none would, or it is not known
	More int `json:"more,omitempty"`

	evidence evidence // what the verdict follows from; see [Delta.decide]
}

// evidence is what a test found.
type evidence struct {
	stats.Shift
	base     float64      // the old side's statistic
	tail     *tail        // of a gate on the tail
	values   [2][]float64 // of the median and the mean: what was held against each other, pairs where the test is of pairs
	withdraw func(*Delta) // what else may speak against a verdict; nil: nothing
	among    []*Delta     // the same gate with what the values may be that are not known exactly; nil: all are
	hides    string       // which values are not known exactly
}

// tail is what a gate on the tail of a sample found: how many values of each side lie beyond the old side's limit.
type tail struct {
	far, n [2]int
	limit  float64 // beyond which values are counted
}

// FamilyAlpha is the chance, at most, that any gate of a comparison of unchanged servers is called worse or better.
const FamilyAlpha = 0.05

// sure says whether chance does not explain a change to one side, which has this probability.
func (d *Delta) sure(side float64) bool {
	g := d.Gate
	share := stats.Share(g.look())
	return *d.P < g.Alpha*share && side < g.Alpha*share/2 && (d.Adjusted == nil || *d.Adjusted < FamilyAlpha*share)
}

// wide is the margin that a change must exceed to be worse or better: what may lie between two runs is no change of
// the server.
func (d *Delta) wide(base float64) float64 {
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

// amount writes a change as a share of the base, or in the metric's unit where that is 0.
func amount(v, base float64, unit string) string {
	switch {
	case math.IsInf(v, 0):
		return "any amount"
	case base == 0:
		return fmt.Sprintf("%.3g%s", v, metrics.UnitAfter(unit))
	}
	return fmt.Sprintf("%.1f %%", 100*v/math.Abs(base))
}
