package compare

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"homellm/engine/event"
	"homellm/engine/metrics"
)

// judgeHidden judges the change between samples with values that are known only as intervals. It judges the two
// extremes, with the lowest values on one side and the highest on the other and the reverse, and has a verdict if
// both agree: any values in between give the same.
func (g Gate) judgeHidden(old, new metrics.Sample, inTurn bool) Delta {
	far := farValue(old, new)
	a, b := endsOf(old, far), endsOf(new, far)
	g.Test = g.testOf(a[lowest], b[lowest], inTurn)
	up, down := g.exactly(a[lowest], b[highest], inTurn), g.exactly(a[highest], b[lowest], inTurn)
	d := Delta{Gate: g, Unit: up.Unit, Test: up.Test}
	d.evidence.among = []*Delta{&up, &down}
	d.evidence.hides = hides(old, new)
	d.Old, d.New = sideAmong(old, a, g, far), sideAmong(new, b, g, far)
	d.agree()
	d.spans(far)
	return d
}

// The extremes of hidden values.
const (
	lowest = iota
	highest
)

// farValue replaces an unbounded value: it is the largest known value times a factor so large that even the mean of
// many repeats with one such value exceeds all known ones.
func farValue(samples ...metrics.Sample) float64 {
	most := 1.0
	see := func(v float64) {
		if !math.IsInf(v, 0) {
			most = max(most, math.Abs(v))
		}
	}
	for _, s := range samples {
		for _, v := range s.Values {
			see(v)
		}
		for _, h := range s.Hidden {
			see(h.Low)
			see(h.High)
		}
	}
	return farTimes * most
}

const farTimes = 1e6

// bounded says whether a value is below the replacement for unbounded values.
func bounded(v, far float64) bool { return math.Abs(v) < 10*far/farTimes }

// endsOf are the samples with the lowest and the highest value that every repeat may have.
func endsOf(s metrics.Sample, far float64) [2]metrics.Sample {
	var out [2]metrics.Sample
	for end := range out {
		whole := metrics.Sample{Path: s.Path, Unit: s.Unit, Better: s.Better, Unknown: s.Unknown - len(s.Hidden), Why: s.Why,
			Values: slices.Clone(s.Values), Repeats: slices.Clone(s.Repeats)}
		for _, h := range s.Hidden {
			value := [2]float64{lowest: max(h.Low, -far), highest: min(h.High, far)}[end]
			at, _ := slices.BinarySearch(whole.Repeats, h.Repeat)
			whole.Values = slices.Insert(whole.Values, at, value)
			whole.Repeats = slices.Insert(whole.Repeats, at, h.Repeat)
		}
		out[end] = whole
	}
	return out
}

// hides says which values of both sides are unknown, and why.
func hides(old, new metrics.Sample) string {
	var sides []string
	for k, s := range []metrics.Sample{old, new} {
		if len(s.Hidden) > 0 {
			sides = append(sides, fmt.Sprintf("%d of %d repeats of the %s side", len(s.Hidden), s.Count(), sideNames[k]))
		}
	}
	var why []string
	for _, s := range []metrics.Sample{old, new} {
		if reason := counted.ReplaceAllString(s.Why, ""); len(s.Hidden) > 0 && !slices.Contains(why, reason) {
			why = append(why, reason)
		}
	}
	return strings.Join(sides, ", ") + ": " + strings.Join(why, "; ")
}

// counted matches the count at the end of a reason.
var counted = regexp.MustCompile(` \(\d+ of \d+\)$`)

// sideAmong describes a side with hidden values: its statistic is an interval.
func sideAmong(s metrics.Sample, ends [2]metrics.Sample, g Gate, far float64) Side {
	if len(s.Hidden) == 0 {
		return side(s, g.Stat, g.Better)
	}
	low, high := side(ends[lowest], g.Stat, g.Better), side(ends[highest], g.Stat, g.Better)
	out := Side{N: s.Count(), Unknown: s.Unknown, Lo: low.Lo, Hi: high.Hi, judged: low.judged}
	if out.Hi != nil && !bounded(*out.Hi, far) {
		out.Hi = nil
	}
	if out.Lo != nil && !bounded(*out.Lo, far) {
		out.Lo = nil
	}
	if tailPercent(g.Stat) == 0 || g.Better <= 0 { // every report shows this value for the path and the statistic
		v := s.Stat(g.Stat)
		if f, ok := v.Number(); ok {
			out.Center = &f
		}
		out.Within = v.Range
		return out
	}
	if r := unbounded(low.judged, high.judged, far); r.Low == r.High {
		out.Center = &r.Low
	} else {
		out.Within = &r
	}
	return out
}

// unbounded opens the ends of an interval that hold a replacement value.
func unbounded(low, high, far float64) event.Range {
	if !bounded(low, far) {
		low = math.Inf(-1)
	}
	if !bounded(high, far) {
		high = math.Inf(1)
	}
	return event.Range{Low: low, High: high}
}

// agree takes the verdict on which both extremes agree. All verdicts of no worse pass alike.
func (d *Delta) agree() {
	each := d.evidence.among
	var verdicts []string
	d.Verdict, d.Why, d.More, d.P, d.Adjusted = each[0].Verdict, each[0].Why, 0, new(0.0), nil
	for _, e := range each {
		verdict := string(e.Verdict)
		if e.Verdict == event.Unknown {
			verdict = "unsure"
		}
		if !slices.Contains(verdicts, verdict) {
			verdicts = append(verdicts, verdict)
		}
		if e.P == nil {
			d.P = nil
		} else if d.P != nil {
			d.P = new(max(*d.P, *e.P))
		}
	}
	switch {
	case len(verdicts) == 1 && d.Verdict == event.Unknown:
		d.Why += " (not known exactly are " + d.evidence.hides + ")"
		for _, e := range each {
			d.More = max(d.More, e.More)
		}
	case len(verdicts) == 1:
	case !slices.ContainsFunc(each, func(e *Delta) bool { return e.Verdict == event.Unknown || e.Verdict == Worse }):
		d.Verdict, d.Why = Same, ""
		if i := slices.IndexFunc(each, func(e *Delta) bool { return e.Verdict == NotSeen }); i >= 0 {
			d.Verdict, d.Why = NotSeen, each[i].Why
		}
	default:
		d.Verdict = event.Unknown
		d.Why = strings.Join(verdicts, " or ") + ", depending on what is not known exactly (" + d.evidence.hides + ")"
	}
}

// spans sets the limits of the change from the extremes at which it is highest and lowest.
func (d *Delta) spans(far float64) {
	up, down := d.evidence.among[0], d.evidence.among[1]
	if up.Change == nil || down.Change == nil {
		return
	}
	if r := unbounded(*down.Change, *up.Change, far); r.Low < r.High {
		d.Between = &r
	} else {
		d.Change, d.Relative = up.Change, up.Relative
	}
	if down.Lo != nil && bounded(*down.Lo, far) {
		d.Lo = down.Lo
	}
	if up.Hi != nil && bounded(*up.Hi, far) {
		d.Hi = up.Hi
	}
	d.Margin, d.Widened = larger(up.Margin, down.Margin), larger(up.Widened, down.Widened)
}

// larger is the larger of two values, either of which may be nil.
func larger(a, b *float64) *float64 {
	if a == nil || b != nil && *b > *a {
		return b
	}
	return a
}

// withdraws applies the further reasons to withdraw a verdict, now and whenever it is decided again.
func (d *Delta) withdraws(by func(*Delta)) {
	d.evidence.withdraw = by
	if d.evidence.among == nil {
		by(d)
		return
	}
	for _, e := range d.evidence.among {
		e.withdraws(by)
	}
	d.agree()
}
