package compare

import (
	"fmt"
	"slices"

	"homellm/engine/stats"
)

// farAlpha is the chance from which on the repeats far from the others are no more than on the old side.
const farAlpha = 0.05

// usualOnesAre says whether the repeats that are not far from the others rule out a change for the worse of more than
// most, where all of them do not: an interval of ranks takes a few repeats ten times as slow, which either side may
// have had, for as much doubt about every other one. It says so only where the new side has no more of them than
// chance gives; whether there are more is what the mean and the tail are for. What is left out is left out of this
// alone: worse and better are found with all repeats.
func (d *Delta) usualOnesAre(most float64) bool {
	g := d.Gate
	usual, far := d.withoutFar()
	of := [2]int{len(d.evidence.values[0]), len(d.evidence.values[1])}
	if far[0]+far[1] == 0 || min(len(usual[0]), len(usual[1])) < g.MinSamples || stats.Fisher(far, of).Up < farAlpha {
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

// withoutFar are the values of both sides that do not lie far from the others of their side, as pairs where the test is
// of pairs, and how many of each side lie far on the worse end.
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
