package compare

import (
	"fmt"
	"slices"

	"homellm/engine/metrics"
	"homellm/engine/stats"
)

// tailsOf are the statistics of the worse end of a sample, with the percentage of values within them.
var tailsOf = map[string]int{"p90": 90, "p95": 95, "max": 100}

// centers compute each statistic of the centre.
var centers = map[string]func(values []float64, better int) float64{
	"p50":  func(v []float64, _ int) float64 { return stats.Median(v) },
	"mean": func(v []float64, _ int) float64 { return stats.Mean(v) },
	"p90":  func(v []float64, better int) float64 { return tailOf(v, tailsOf["p90"], better) },
	"p95":  func(v []float64, better int) float64 { return tailOf(v, tailsOf["p95"], better) },
	"max":  func(v []float64, better int) float64 { return tailOf(v, tailsOf["max"], better) },
}

// tailPercent is the percentage of a statistic of the tail; 0: it is not one.
func tailPercent(stat string) int { return tailsOf[stat] }

// tailOf is the percentile of values towards the worse side: if higher is better, the value that p percent of them
// reach or exceed.
func tailOf(values []float64, p, better int) float64 {
	if better <= 0 {
		return stats.Percentile(slices.Sorted(slices.Values(values)), p)
	}
	turned := make([]float64, len(values))
	for i, v := range values {
		turned[i] = -v
	}
	slices.Sort(turned)
	return -stats.Percentile(turned, p)
}

// decideTail decides from the shares of values beyond the limit.
func (d *Delta) decideTail() {
	t := d.evidence.tail
	margin := d.Gate.margin(d.evidence.base)
	d.Margin = &margin
	if d.significant(d.evidence.Up) {
		d.Verdict = Worse
		return
	}
	d.Verdict = NotSeen
	share := stats.Share(d.Gate.look())
	alpha := d.Gate.Alpha * share
	if d.Adjusted != nil {
		alpha = min(alpha, FamilyAlpha*share*(*d.P)/max(*d.Adjusted, *d.P))
	}
	beyond := fmt.Sprintf("%d of %d repeats lie beyond %s, of the old side %d of %d", t.far[1], t.n[1],
		fmt.Sprintf("%.4g%s", t.limit, metrics.UnitAfter(d.Unit)), t.far[0], t.n[0])
	if k, ok := stats.LeastFar(t.far[0], t.n, alpha/2); ok {
		d.Why = fmt.Sprintf("nothing worse is seen: %s, and from %d on it would have been", beyond, k)
		return
	}
	d.Why = fmt.Sprintf("nothing worse is seen: %s, but so few repeats cannot show any change", beyond)
}
