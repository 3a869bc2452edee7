package compare

import (
	"fmt"
	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/stats"
	"math"
	"slices"
	"strings"
	"time"
)

// agedAfter is the age from which a baseline gets a remark if the rules do not limit its age.
const agedAfter = 90 * 24 * time.Hour

// Pair is the comparison of one cell.
type Pair struct {
	Cell       string     `json:"cell"`
	Old        string     `json:"old"`
	New        string     `json:"new"`
	Mismatches []Mismatch `json:"mismatches"`
	OnMismatch string     `json:"on_mismatch"`
	Stale      string     `json:"stale,omitempty"` // why the old side is too old
	Missing    string     `json:"missing,omitempty"`
	Required   bool       `json:"required"` // a missing old side is inconclusive
	Warnings   []string   `json:"warnings"`
	Deltas     []Delta    `json:"deltas"`
	Sides      [2]Source  `json:"-"` // old and new, for reports that show more than the outcome

	moving string // why the times of sides that were played apart cannot be told from the machine's; "": they can
}

// Comparison is the comparison of all cells of two sides.
type Comparison struct {
	Pairs []Pair `json:"pairs"`
}

// Compare holds two sources against each other. now is when: a baseline ages.
func (r Rules) Compare(cell string, old, new Source, now time.Time) Pair {
	p := Pair{Cell: cell, Old: old.Name, New: new.Name, Sides: [2]Source{old, new}, OnMismatch: r.OnMismatch,
		Mismatches: old.Fingerprint.Mismatches(new.Fingerprint, r.Match)}
	r.age(&p, old, now)
	for k, s := range p.Sides {
		if s.Failed > 0 {
			p.Warnings = append(p.Warnings, fmt.Sprintf("%s: %d of %d requests failed; their times are in no sample",
				[]string{"old", "new"}[k], s.Failed, s.Requests))
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

// judge judges a gate over both sides; false if neither has what it is about.
func (r Rules) judge(g Gate, p Pair) (d Delta, judged bool) {
	old, new := p.Sides[0], p.Sides[1]
	a, b := old.Sample(g.Metric), new.Sample(g.Metric)
	if r.Usual && len(a.Values) == 0 && len(b.Values) == 0 && g.Severity.Gates() && a.Unknown == 0 && b.Unknown == 0 {
		return d, false // no such phase
	}
	g = g.At(slices.MaxFunc([]stats.Looks{r.Looks, old.looks(), new.looks()},
		func(a, b stats.Looks) int { return len(a) - len(b) }))
	if !r.InTurn {
		g.between, g.noise = r.apart(g, old)
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
	d.evidence.withdraw = func(d *Delta) {
		if moving != "" {
			d.Verdict, d.Why, d.More = event.Unknown, moving, 0
			return
		}
		d.belowFloor(max(old.ClientError, new.ClientError))
	}
	d.evidence.withdraw(&d)
	return d, true
}

// absent is the pair of a cell that has nothing to be compared with: only what does not ask for
// the old side is judged.
func (r Rules) absent(p Pair, new Source, now time.Time) Pair {
	p.Sides[1] = new
	r.judgeExpressions(&p, Source{}, new, now, p.Missing)
	return p
}

// Comparable says whether both sides were measured under the same circumstances.
func (p Pair) Comparable() bool { return len(p.Mismatches) == 0 && p.Stale == "" }

func (p Pair) difference() string {
	var out []string
	for _, m := range p.Mismatches {
		out = append(out, m.String())
	}
	if p.Stale != "" {
		out = append(out, p.Stale)
	}
	return strings.Join(out, "; ")
}

// belowFloor withdraws a verdict on a change of a time from the sending of a request on that is smaller than twice the
// client's own error: such a time is as late as the client's clock is. What lies between two tokens is late at both
// ends, and what a server tells by its own clock is not.
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
