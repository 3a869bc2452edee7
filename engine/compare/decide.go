package compare

import (
	"fmt"
	"math"

	"homellm/engine/event"
	"homellm/engine/stats"
)

// mostRepeats is the largest number of repeats that a message names: more are not practical.
const mostRepeats = 1000

// decide finds the verdict from the evidence. A change counts only if its p is below the gate's alpha and, if several
// gates can fail the comparison, below [FamilyAlpha] after the correction for their number.
func (d *Delta) decide(adjusted func(p float64) float64) {
	if d.evidence.among != nil {
		for _, e := range d.evidence.among {
			e.decide(adjusted)
		}
		d.agree()
		d.Adjusted = new(adjusted(*d.P))
		return
	}
	d.Verdict, d.Why, d.More, d.Adjusted = event.Unknown, "", 0, nil
	if adjusted != nil {
		d.Adjusted = new(adjusted(*d.P))
	}
	if d.evidence.tail != nil {
		d.decideTail()
	} else {
		d.decideShift()
	}
	if d.evidence.withdraw != nil {
		d.evidence.withdraw(d)
	}
}

// decideShift decides from the shift of a median or a mean and the margins.
func (d *Delta) decideShift() {
	g, s, base := d.Gate, d.evidence.Shift, d.evidence.base
	margin := g.margin(base)
	d.Margin = &margin
	mean := g.Stat == "mean"
	if !mean && g.fromNothing(s, base) {
		d.Why = "a change from 0 has no percentage: give the gate max_worse_abs"
		return
	}
	loss, worst := -float64(g.Better)*s.By, -float64(g.Better)*s.Lo // positive is worse
	// The probabilities of a change at least as large, for the worse and for the better.
	down, up := s.Down, s.Up
	if g.Better < 0 {
		worst, down, up = s.Hi, s.Up, s.Down
	}
	wide := d.widenedMargin(base)
	switch worse, better := d.significant(down), d.significant(up); {
	case loss > wide && worse:
		d.Verdict = Worse
	case -loss > wide && better:
		d.Verdict = Better
	case mean:
		d.notSeen(worst-loss, wide, base)
	case math.Abs(loss) > margin && d.significant(min(down, up)):
		d.Why = fmt.Sprintf("it is %s by %s, which is more than the margin, but not more than two runs of the same server "+
			"may differ by (%s): ab plays both sides in one run", map[bool]string{true: "worse", false: "better"}[loss > 0],
			amount(math.Abs(loss), base, d.Unit), amount(wide, base, d.Unit))
	case loss > margin && d.Adjusted != nil && *d.P < g.Alpha*stats.Share(g.look()):
		d.More = d.moreForFamily()
		d.Why = fmt.Sprintf("p is %.2g, and %.2g adjusted for the number of gates, of which one of unchanged servers may be "+
			"so far off: about %d more repeats of each side would tell", *d.P, *d.Adjusted, d.More)
	case worst > 2*margin && worst > 0 && d.typicalRepeatsSame(2*margin):
		d.Verdict = NotSeen
	case worst > 2*margin && worst > 0:
		d.tooNoisy(loss, worst, margin, base)
	default:
		d.Verdict = Same
	}
}

// fromNothing says whether the change is relative to a median of 0, where a share is undefined.
func (g Gate) fromNothing(s stats.Shift, base float64) bool {
	return g.MaxWorse != nil && base == 0 && g.MaxWorseAbs == nil && g.MinDelta == 0 && (s.By != 0 || s.Lo != s.Hi)
}

// tooNoisy says that a change for the worse of twice the margin cannot be excluded, and about how many repeats would
// exclude it.
func (d *Delta) tooNoisy(loss, worst, margin, base float64) {
	d.Why = "too noisy to tell: it may have become worse by " + amount(worst, base, d.Unit) +
		", and a sample that cannot rule out twice the margin (" + amount(2*margin, base, d.Unit) + ") says nothing"
	n := min(d.Old.N, d.New.N)
	switch gap := 2*margin - loss; {
	case gap <= 0:
		d.More = max(1, n)
		d.Why += "; more repeats would tell whether it is worse"
	case math.IsInf(worst, 0):
		d.More = max(1, n)
	default:
		more := math.Ceil(float64(n) * ((worst-loss)/gap*(worst-loss)/gap - 1))
		d.More = int(max(1, min(more, mostRepeats)))
		if more <= mostRepeats {
			d.Why += fmt.Sprintf("; about %d more repeats of each side would", d.More)
		} else {
			d.Why += fmt.Sprintf("; it would take more than %d more repeats of each side", mostRepeats)
		}
	}
}

// moreForFamily is about how many more repeats bring p below the gate's share of [FamilyAlpha]: the change in units
// of its standard error grows with the square root of the sample size.
func (d *Delta) moreForFamily() int {
	z := func(p float64) float64 { return math.Sqrt2 * math.Erfinv(1-p) }
	family := math.Max(1, *d.Adjusted / *d.P)
	now, wanted := z(*d.P), z(FamilyAlpha*stats.Share(d.Gate.look())/family)
	n := float64(min(d.Old.N, d.New.N))
	return int(max(1, min(mostRepeats, math.Ceil(n*(wanted*wanted/(now*now)-1)))))
}

// notSeen says for a mean that is not worse which change would have been seen. Half is half the width of its 95 %
// interval, which is widened to the gate's alpha.
func (d *Delta) notSeen(half, wide, base float64) {
	d.Verdict = NotSeen
	n := float64(d.Old.N + d.New.N - 2)
	if math.IsInf(half, 0) || math.IsNaN(half) || n < 1 {
		d.Why = "nothing worse is seen, but so few repeats cannot show any change"
		return
	}
	alpha := d.Gate.Alpha * stats.Share(d.Gate.look())
	if d.Adjusted != nil {
		alpha = min(alpha, FamilyAlpha*stats.Share(d.Gate.look())*(*d.P)/max(*d.Adjusted, *d.P))
	}
	least := half * stats.Student(1-alpha/2, n) / stats.Student(1-(1-stats.Confidence(d.Gate.look()))/2, n)
	d.Why = "nothing worse is seen: these repeats could have shown a change of the mean from about " +
		amount(max(least, wide), base, d.Unit) + " on"
}
