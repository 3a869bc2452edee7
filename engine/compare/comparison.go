package compare

import (
	"fmt"
	"math"
	"slices"
	"time"

	"homellm/dsl/figure"
	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/stats"
)

// agedAfter is the age from which a baseline gets a note if the rules do not limit its age.
const agedAfter = 90 * 24 * time.Hour

// Compare compares two sources. now is the present, for the age of a baseline.
func (r Rules) Compare(cell string, old, new Source, now time.Time) Pair {
	p := Pair{Cell: cell, Old: old.Name, New: new.Name, Sides: [2]Source{old, new}, OnMismatch: r.OnMismatch,
		Mismatches:  old.Fingerprint.Mismatches(new.Fingerprint, r.Match),
		Differences: old.Fingerprint.Differences(new.Fingerprint, r.Match)}
	if slices.Contains(r.Match, scenarioDigest) && !old.Fingerprint.digested(new.Fingerprint) {
		p.Warnings = append(p.Warnings, beforeDigests)
	}
	r.age(&p, old, now)
	for k, s := range p.Sides {
		if s.Failed > 0 {
			p.Warnings = append(p.Warnings, fmt.Sprintf("%s: %d of %d requests failed; their times are in no sample",
				sideNames[k], s.Failed, s.Requests))
		}
	}
	r.between(&p)
	for _, g := range r.gates(old, new) {
		if d, judged := r.judge(g, p); judged {
			p.Deltas = append(p.Deltas, d)
		}
	}
	adjust([]Pair{p})
	why := ""
	if !p.Comparable() && r.OnMismatch != MismatchWarns {
		why = "not comparable: " + p.difference()
	}
	r.judgeExpressions(&p, old, new, now, why)
	return p
}

// age notes that the old side is older than it may be, or than it should be.
func (r Rules) age(p *Pair, old Source, now time.Time) {
	if age := now.Sub(old.Recorded); r.MaxAge > 0 && !old.Recorded.IsZero() && age > r.MaxAge {
		p.Stale = fmt.Sprintf("the baseline is %s old, and max_age is %s", days(age), days(r.MaxAge))
	}
	if age := now.Sub(old.Recorded); r.MaxAge == 0 && !old.Recorded.IsZero() && age > agedAfter {
		p.Warnings = append(p.Warnings, fmt.Sprintf("the baseline is %s old; max_age in a gates file says how old one may be",
			days(age)))
	}
}

// judge judges a gate over both sides; false if neither side has its subject.
func (r Rules) judge(g Gate, p Pair) (d Delta, judged bool) {
	old, new := p.Sides[0], p.Sides[1]
	a, b := old.Sample(g.Metric), new.Sample(g.Metric)
	if r.Usual && len(a.Values) == 0 && len(b.Values) == 0 && g.Severity.Gates() && a.Unknown == 0 && b.Unknown == 0 {
		return d, false // no such phase
	}
	g = g.At(slices.MaxFunc([]stats.Looks{r.Looks, old.looks(), new.looks()},
		func(a, b stats.Looks) int { return len(a) - len(b) }))
	if !r.InTurn {
		g.between, g.noise = r.betweenRuns(g, old)
	}
	d = g.Compare(a, b, r.InTurn)
	d.unsupported(p.Sides, [2]metrics.Sample{a, b})
	if !p.Comparable() && r.OnMismatch != MismatchWarns {
		d.Verdict, d.Why, d.More = event.Unknown, "not comparable: "+p.difference(), 0
		return d, true
	}
	if d.P == nil {
		return d, true
	}
	moving := ""
	if !r.InTurn && isTime(g.Metric) {
		moving = p.moving
	}
	d.withdraws(func(d *Delta) {
		if moving != "" {
			d.Verdict, d.Why, d.More = event.Unknown, moving, 0
			return
		}
		d.belowFloor(max(old.ClientError, new.ClientError))
	})
	return d, true
}

// absent is the pair of a cell without a counterpart: only gates that do not need the old side are judged.
func (r Rules) absent(p Pair, new Source, now time.Time) Pair {
	p.Sides[1] = new
	r.judgeExpressions(&p, Source{}, new, now, p.Missing)
	return p
}

// belowFloor withdraws a verdict on a change smaller than twice the client's own error, for a time that starts with
// the sending of a request: such a time includes the client's lateness. The time between two tokens is late at both
// ends, and the server's own times do not depend on the client.
func (d *Delta) belowFloor(floor float64) {
	def, ok := metrics.OfPath(d.Gate.Metric)
	if !ok || !def.FromSending || d.Change == nil || d.Verdict != Worse && d.Verdict != Better ||
		math.Abs(*d.Change) >= 2*floor {
		return
	}
	d.Verdict = event.Unknown
	d.Why = fmt.Sprintf("the client that measured is itself up to %.3g ms late on this machine "+
		"(client.ttft_bias_p99_ms), and cannot tell a change of %.3g ms from nothing", floor, math.Abs(*d.Change))
}

func days(d time.Duration) string {
	if d >= 48*time.Hour {
		return fmt.Sprintf("%.0f days", d.Hours()/24)
	}
	return fmt.Sprintf("%.0f hours", d.Hours())
}

// adjust corrects the p of the gates of a comparison for their number (Holm 1979): the smallest p is multiplied by
// the number of gates, the next by one less, and none becomes smaller than the one before it.
func adjust(pairs []Pair) {
	var tested []*Delta
	for i := range pairs {
		for j := range pairs[i].Deltas {
			if d := &pairs[i].Deltas[j]; d.P != nil && d.Gate.Severity.Gates() && d.evidence.withdraw != nil {
				tested = append(tested, d)
			}
		}
	}
	all := make([]float64, len(tested))
	for i, d := range tested {
		all[i] = *d.P
	}
	for i, d := range tested {
		d.decide(func(p float64) float64 { return holm(p, slices.Concat(all[:i], all[i+1:])) })
	}
}

// holm corrects a p for those of the other gates.
func holm(p float64, others []float64) float64 {
	family := append(slices.Clone(others), p)
	slices.Sort(family)
	adjusted := 0.0
	for i, q := range family {
		if q > p {
			break
		}
		adjusted = max(adjusted, min(1, q*float64(len(family)-i)))
	}
	return adjusted
}

// judgeExpressions evaluates the expression gates. Names below base. are unknown if why is not empty.
func (r Rules) judgeExpressions(p *Pair, old, new Source, now time.Time, why string) {
	from := reading{
		value: func(path string) metrics.Value {
			rest, ofOld := figure.CutBase(path)
			switch {
			case !ofOld:
				return new.Figure(path)
			case rest == baseMatches && p.Missing == "":
				return metrics.Value{V: p.Comparable(), Source: "fingerprints"}
			case rest == baseAge && p.Missing == "" && !old.Recorded.IsZero():
				return metrics.Value{V: now.Sub(old.Recorded).Hours(), Unit: "h", Source: "the baseline"}
			case rest == baseAge && p.Missing == "":
				return metrics.Value{Why: "the old side is a run, which has no age"}
			case why != "":
				return metrics.Value{Why: why}
			case p.moving != "" && isTimeFigure(rest):
				return metrics.Value{Why: p.moving}
			}
			return old.Figure(rest)
		},
		bounds: func(path string) (stats.Bounds, int, bool) {
			if rest, ofOld := figure.CutBase(path); ofOld {
				return old.Bounds(rest)
			}
			return new.Bounds(path)
		},
	}
	for _, g := range r.Expressions {
		if p.Missing != "" && g.asksForBase() {
			continue // the pair has no counterpart, and says so itself
		}
		d := Delta{Gate: g.Gate, Test: "expression"}
		d.Verdict, d.Why = g.judge(from)
		p.Deltas = append(p.Deltas, d)
	}
}
