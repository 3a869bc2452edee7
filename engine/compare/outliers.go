package compare

import (
	"fmt"
	"slices"

	"homellm/engine/stats"
)

// outlierAlpha is the p of Fisher's test from which the new side has no more outliers than the old one.
const outlierAlpha = 0.05

// typicalRepeatsSame says whether the repeats without outliers exclude a change for the worse of more than most, if
// all repeats together do not. A few repeats that take ten times as long widen an interval of ranks although either
// side may have them. It applies only if the new side has no more outliers than chance explains; the mean and the
// tail judge whether there are more. Worse and better are always judged over all repeats.
func (d *Delta) typicalRepeatsSame(most float64) bool {
	g := d.Gate
	usual, far := d.withoutFar()
	of := [2]int{len(d.evidence.values[0]), len(d.evidence.values[1])}
	if far[0]+far[1] == 0 || min(len(usual[0]), len(usual[1])) < g.MinSamples || stats.Fisher(far, of).Up < outlierAlpha {
		return false
	}
	s, err := tests[d.Test][g.Stat](usual[0], usual[1], stats.Confidence(g.look()))
	worst := -s.Lo
	if g.Better < 0 {
		worst = s.Hi
	}
	if err != nil || worst > most {
		return false
	}
	base := d.evidence.base
	d.Why = fmt.Sprintf("nothing worse is seen: %d of %d repeats lie far from the others, of the old side %d of %d; the "+
		"rest would have shown a change of %s", far[1], of[1], far[0], of[0], amount(most, base, d.Unit))
	return true
}

// withoutOutliers are the values of both sides without the outliers of each side, in pairs for a paired test, and the
// number of outliers at the worse end.
func (d *Delta) withoutFar() (usual [2][]float64, worse [2]int) {
	var far [2][]int
	for k, values := range d.evidence.values {
		far[k] = stats.Outliers(values)
		center := stats.Median(values)
		for _, i := range far[k] {
			if (values[i]-center)*float64(d.Gate.Better) < 0 {
				worse[k]++
			}
		}
	}
	if d.Test == "paired" {
		both := slices.Concat(far[0], far[1])
		far = [2][]int{both, both}
	}
	for k, values := range d.evidence.values {
		for i, v := range values {
			if !slices.Contains(far[k], i) {
				usual[k] = append(usual[k], v)
			}
		}
	}
	return usual, worse
}
