package metrics

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Source gives one side of a comparison: a cell of a run, or a baseline.
type Source struct {
	Name        string // for people
	Fingerprint Fingerprint
	Recorded    time.Time // zero: just measured
	Sample      func(path string) Sample
	Figure      func(path string) Value               // in scenario scope
	Bounds      func(path string) (Bounds, int, bool) // of a path that ends in a percentile, and of how many values
	Noise       func(path string) *float64            // A/A noise; nil: none was recorded
	Failed      int                                   // requests that failed
	Requests    int
	Cell        *Cell // what a run measured; nil: a baseline
}

// Source is the cell as one side of a comparison.
func (c *Cell) Source(name string) Source {
	g := c.Measured(Group{})
	return Source{Name: name, Fingerprint: c.Fingerprint(), Sample: c.Sample, Figure: c.figure, Bounds: c.bounds, Failed: failed(g), Requests: len(g), Cell: c}
}

// looks are those that decided how much was measured; a baseline tells of none.
func (s Source) looks() Looks {
	if s.Cell == nil || s.Cell.Done == nil {
		return nil
	}
	return s.Cell.Done.Looks
}

// floor is the error of the client that measured, in ms; 0: not known, as of a baseline.
func (s Source) floor() float64 {
	if s.Cell == nil {
		return 0
	}
	ms, _ := s.Cell.Observed("client.ttft_bias_p99_ms").Number()
	return ms
}

// Source is the baseline as the old side of a comparison.
func (b *Baseline) Source(name string) Source {
	return Source{Name: name, Fingerprint: b.Fingerprint, Recorded: b.Recorded, Sample: b.Sample, Figure: b.Figures.value, Bounds: b.Figures.bounds,
		Noise: func(path string) *float64 { return b.Metrics[path].Noise }}
}

// Rules says what is compared and what must be alike.
type Rules struct {
	Gates      []Gate
	Free       []FreeGate
	Match      []string      // fingerprint keys
	OnMismatch string        // inconclusive | fail | warn
	MaxAge     time.Duration // of a baseline; 0: any
	Tighter    float64       // a margin below this many times the A/A noise is not judged; 0: no check
	InTurn     bool          // both sides were played in turn in one run
	Looks      Looks         // at a run in turn that goes on until its gates are certain; none: at one that does not, or is over
	Usual      bool          // the gates are the built-in ones: those without a value on either side are left out
}

// DefaultRules gates what a user feels first where there is no gates file: the time to the first
// token in each phase, the decode speed, the prefix cache and the errors.
func DefaultRules() Rules {
	rules := Rules{Match: DefaultMatch, OnMismatch: "inconclusive", Usual: true}
	add := func(name, metric, stat string, worse, abs *float64, least float64, unknown string) {
		rules.Gates = append(rules.Gates, Gate{
			Name: name, Metric: metric, Stat: stat, MaxWorse: worse, MaxWorseAbs: abs, MinDelta: least,
			Alpha: DefaultAlpha, MinSamples: DefaultMinSamples, Severity: "fail", OnUnknown: unknown,
		})
	}
	for _, phase := range []string{"before", "with_rag", "after_removal"} {
		add("ttft-"+strings.ReplaceAll(phase, "_", "-"), "phases."+phase+".ttft_ms", "p50", new(0.05), nil, 1, "inconclusive")
	}
	add("decode-speed", "run.output_tps", "p50", new(0.025), nil, 0, "inconclusive")
	add("cache-hit-rate", "run.cache.hit_rate", "mean", nil, new(0.02), 0, "warn")
	add("error-rate", "run.error_rate", "mean", nil, new(0.005), 0, "inconclusive")
	return rules
}

// agedAfter is when a baseline is old enough to be remarked on where nobody says how old it may be.
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
}

// Comparison is the comparison of all cells of two sides.
type Comparison struct {
	Pairs []Pair `json:"pairs"`
}

// Compare holds two sources against each other. now is when: a baseline ages.
func (r Rules) Compare(cell string, old, new Source, now time.Time) Pair {
	p := Pair{Cell: cell, Old: old.Name, New: new.Name, Sides: [2]Source{old, new}, OnMismatch: r.OnMismatch, Mismatches: old.Fingerprint.Mismatches(new.Fingerprint, r.Match)}
	if age := now.Sub(old.Recorded); r.MaxAge > 0 && !old.Recorded.IsZero() && age > r.MaxAge {
		p.Stale = fmt.Sprintf("the baseline is %s old, and max_age is %s", days(age), days(r.MaxAge))
	}
	if age := now.Sub(old.Recorded); r.MaxAge == 0 && !old.Recorded.IsZero() && age > agedAfter {
		p.Warnings = append(p.Warnings, fmt.Sprintf("the baseline is %s old; max_age in a gates file says how old one may be", days(age)))
	}
	for _, s := range []struct {
		side string
		of   Source
	}{{"old", old}, {"new", new}} {
		if s.of.Failed > 0 {
			p.Warnings = append(p.Warnings, fmt.Sprintf("%s: %d of %d requests failed; their times are in no sample", s.side, s.of.Failed, s.of.Requests))
		}
	}
	for _, g := range r.Gates {
		a, b := old.Sample(g.Metric), new.Sample(g.Metric)
		if r.Usual && len(a.Values) == 0 && len(b.Values) == 0 && g.Severity == "fail" && a.Unknown == 0 && b.Unknown == 0 {
			continue // no such phase
		}
		g = g.At(slices.MaxFunc([]Looks{r.Looks, old.looks(), new.looks()}, func(a, b Looks) int { return len(a) - len(b) }))
		d := g.Compare(a, b, r.InTurn)
		switch {
		case p.comparable() || r.OnMismatch == "warn":
			if old.Noise != nil && r.Tighter > 0 {
				d.tooTight(old.Noise(g.Metric), r.Tighter)
			}
			d.belowFloor(max(old.floor(), new.floor()))
		default:
			d.Verdict, d.Why, d.More = Unsure, "not comparable: "+p.difference(), 0
		}
		p.Deltas = append(p.Deltas, d)
	}
	why := ""
	if !p.comparable() && r.OnMismatch != "warn" {
		why = "not comparable: " + p.difference()
	}
	r.judge(&p, old, new, now, why)
	return p
}

// comparable says whether both sides were measured under the same circumstances.
func (p Pair) comparable() bool { return len(p.Mismatches) == 0 && p.Stale == "" }

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

// fromSending are the times from the sending of a request on: as late as the client's clock is. What lies
// between two tokens is late at both ends, and what a server tells by its own clock is not.
var fromSending = []string{"ttft_ms", "ttft_answer_ms", "ttfs_ms", "ttfr_ms", "e2e_ms", "e2e_due_ms"}

// belowFloor withdraws a verdict on a change of such a time that is smaller than twice the client's own error.
func (d *Delta) belowFloor(floor float64) {
	def, _, _ := samplePath(d.Gate.Metric)
	if def == nil || !slices.Contains(fromSending, def.Name) || d.Change == nil || d.Verdict != Worse && d.Verdict != Better || abs(*d.Change) >= 2*floor {
		return
	}
	d.Verdict = Unsure
	d.Why = fmt.Sprintf("the client that measured is itself up to %.3g ms late on this machine (client.ttft_bias_p99_ms), and cannot tell a change of %.3g ms from nothing", floor, abs(*d.Change))
}

// tooTight withdraws a verdict whose margin is within the noise of the machine itself.
func (d *Delta) tooTight(noise *float64, times float64) {
	if d.Old.Center == nil || *d.Old.Center == 0 || d.Verdict == Unsure {
		return
	}
	if noise == nil {
		d.Warnings = append(d.Warnings, "the baseline holds no A/A noise of it")
		return
	}
	margin := d.Gate.margin(*d.Old.Center) / abs(*d.Old.Center)
	if margin < times**noise {
		d.Verdict = Unsure
		d.Why = fmt.Sprintf("the margin of %.1f %% is tighter than %g x the A/A noise of %.1f %%: widen it, or play more repeats", 100*margin, times, 100**noise)
	}
}

func abs(v float64) float64 {
	if v < 0 {
		return -v
	}
	return v
}

func days(d time.Duration) string {
	if d >= 48*time.Hour {
		return fmt.Sprintf("%.0f days", d.Hours()/24)
	}
	return fmt.Sprintf("%.0f hours", d.Hours())
}

// Judged is what the outcome of a gate means for the comparison.
func (d Delta) Judged() Judged {
	gates := d.Gate.Severity != "warn"
	switch d.Verdict {
	case Better, Same, Pass:
		return Passed
	case Worse, Fail:
		if gates {
			return Failed
		}
		return Warned
	}
	switch {
	case d.Gate.OnUnknown == "skip" || d.Gate.OnUnknown == "warn" || !gates:
		return Allowed
	case d.Gate.OnUnknown == "fail":
		return Failed
	}
	return Unknown
}

// Outcome decides what the comparison comes to: the printed verdict and the exit code come from
// this call.
func (c Comparison) Outcome() (verdict string, exitCode int, reason string) {
	var worse, unknown, better []string
	same, gating := 0, 0
	for _, p := range c.Pairs {
		where := ""
		if len(c.Pairs) > 1 {
			where = " (" + p.Cell + ")"
		}
		switch {
		case p.Missing != "" && p.Required:
			unknown = append(unknown, p.Missing)
			continue
		case !p.comparable() && p.OnMismatch == "fail":
			worse = append(worse, "not comparable"+where+": "+p.difference())
			continue
		}
		for _, d := range p.Deltas {
			name := d.Gate.Name + where
			switch d.Judged() {
			case Failed:
				worse = append(worse, name)
			case Unknown:
				unknown = append(unknown, name)
			case Passed:
				if d.Gate.Severity != "warn" {
					gating++
				}
				if d.Verdict == Better {
					better = append(better, name)
				} else {
					same++
				}
			}
		}
	}
	switch {
	case len(worse) > 0:
		return Fail, ExitFail, "worse: " + strings.Join(worse, ", ")
	case len(unknown) > 0:
		return Inconclusive, ExitInconclusive, "could not be judged: " + strings.Join(unknown, ", ")
	case gating == 0:
		return Inconclusive, ExitInconclusive, "no gate was evaluated"
	case len(better) > 0:
		return Pass, ExitPass, fmt.Sprintf("better: %s; %d the same", strings.Join(better, ", "), same)
	}
	return Pass, ExitPass, fmt.Sprintf("%d gates, nothing worse", same)
}

// Known reports whether a fingerprint key exists.
func Known(key string) bool {
	return slices.ContainsFunc(FingerprintKeys, func(k struct{ Name, Doc string }) bool { return k.Name == key })
}
