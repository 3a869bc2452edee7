package compare

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/stats"
)

// among judges the change between samples of which some values are only known to lie between limits: it judges what
// they may be, and has a verdict where all of that has the same.
//
// A rank moves one way if a value does, and so the verdicts of a median and of a tail lie between those of the two ends
// that are farthest apart. A mean is less sure the more its values scatter, at any of them, so it is judged as well
// where the hidden values are as near to the others as they can be, and where they scatter.
func (g Gate) among(old, new metrics.Sample, inTurn bool) Delta {
	far := farAway(old, new)
	a, b := fills(old, far), fills(new, far)
	g.Test = g.testOf(a[nearOthers], b[nearOthers], inTurn)
	type fill struct{ old, new metrics.Sample }
	sides := []fill{{a[atLow], b[atHigh]}, {a[atHigh], b[atLow]}}
	if g.Stat == "mean" {
		sides = nil
		for _, x := range a {
			for _, y := range b {
				sides = append(sides, fill{x, y})
			}
		}
	}
	var each []*Delta
	for _, s := range sides {
		e := g.exactly(s.old, s.new, inTurn)
		each = append(each, &e)
	}
	d := Delta{Gate: g, Unit: each[0].Unit, Test: each[0].Test}
	d.evidence.among = each
	d.evidence.hides = hides(old, new)
	d.Old, d.New = sideAmong(old, a, g, far), sideAmong(new, b, g, far)
	d.agree()
	d.spans(far)
	return d
}

// The ways to put values in the place of those that hide.
const (
	atLow = iota
	atHigh
	nearOthers
	scattered
)

// farAway stands for a value that nothing bounds: so many times the largest that is known that a mean of many repeats,
// of which it is one, is beyond all that is known as well.
func farAway(samples ...metrics.Sample) float64 {
	most := 1.0
	larger := func(v float64) {
		if !math.IsInf(v, 0) {
			most = max(most, math.Abs(v))
		}
	}
	for _, s := range samples {
		for _, v := range s.Values {
			larger(v)
		}
		for _, h := range s.Hidden {
			larger(h.Low)
			larger(h.High)
		}
	}
	return farTimes * most
}

const farTimes = 1e6

// bounded says whether a value comes of values that are known.
func bounded(v, far float64) bool { return math.Abs(v) < 10*far/farTimes }

// fills are samples in which every repeat has a value that it may have, by [atLow] and the others.
func fills(s metrics.Sample, far float64) [4]metrics.Sample {
	center := 0.0
	if len(s.Values) > 0 {
		center = stats.Median(s.Values)
	} else {
		var mids []float64
		for _, h := range s.Hidden {
			mids = append(mids, (max(h.Low, -far)+min(h.High, far))/2)
		}
		center = stats.Median(mids)
	}
	var out [4]metrics.Sample
	for way := range out {
		filled := s
		filled.Values, filled.Repeats = slices.Clone(s.Values), slices.Clone(s.Repeats)
		filled.Hidden, filled.Shown, filled.Within = nil, nil, nil
		filled.Unknown = s.Unknown - len(s.Hidden)
		for i, h := range s.Hidden {
			low, high := max(h.Low, -far), min(h.High, far)
			value := [4]float64{atLow: low, atHigh: high, nearOthers: min(max(center, low), high), scattered: low}[way]
			if way == scattered && i%2 == 0 {
				value = high
			}
			at, _ := slices.BinarySearch(filled.Repeats, h.Repeat)
			filled.Values = slices.Insert(filled.Values, at, value)
			filled.Repeats = slices.Insert(filled.Repeats, at, h.Repeat)
		}
		out[way] = filled
	}
	return out
}

// hides says what is not known of both sides, and why.
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

// counted ends a reason that says how many it is of.
var counted = regexp.MustCompile(` \(\d+ of \d+\)$`)

// sideAmong describes a side of which values hide: its statistic lies within an interval.
func sideAmong(s metrics.Sample, filled [4]metrics.Sample, g Gate, far float64) Side {
	if len(s.Hidden) == 0 {
		return side(s, g.Stat, g.Better)
	}
	low, high := side(filled[atLow], g.Stat, g.Better), side(filled[atHigh], g.Stat, g.Better)
	out := Side{N: s.Count(), Unknown: s.Unknown, Lo: low.Lo, Hi: high.Hi, judged: low.judged}
	if out.Hi != nil && !bounded(*out.Hi, far) {
		out.Hi = nil
	}
	if out.Lo != nil && !bounded(*out.Lo, far) {
		out.Lo = nil
	}
	if tailPercent(g.Stat) == 0 || g.Better <= 0 { // the path and the statistic have this value everywhere
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

// unbounded is an interval whose ends are open where a value stands for any.
func unbounded(low, high, far float64) event.Range {
	if !bounded(low, far) {
		low = math.Inf(-1)
	}
	if !bounded(high, far) {
		high = math.Inf(1)
	}
	return event.Range{Low: low, High: high}
}

// agree takes the verdict that all of what the hidden values may be agree on. All that is no worse passes alike.
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

// spans tells between which limits the change lies.
func (d *Delta) spans(far float64) {
	each := d.evidence.among
	low, high := each[0], each[0]
	for _, e := range each {
		if e.Change == nil {
			return
		}
		if *e.Change < *low.Change {
			low = e
		}
		if *e.Change > *high.Change {
			high = e
		}
		if e.Margin != nil && (d.Margin == nil || *e.Margin > *d.Margin) {
			d.Margin = e.Margin
		}
		if e.Widened != nil && (d.Widened == nil || *e.Widened > *d.Widened) {
			d.Widened = e.Widened
		}
	}
	if r := unbounded(*low.Change, *high.Change, far); r.Low < r.High {
		d.Between = &r
	} else {
		d.Change, d.Relative = low.Change, low.Relative
	}
	if low.Lo != nil && bounded(*low.Lo, far) {
		d.Lo = low.Lo
	}
	if high.Hi != nil && bounded(*high.Hi, far) {
		d.Hi = high.Hi
	}
}

// withdraws lets what else may speak against a verdict do so, now and whenever it is decided again.
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
