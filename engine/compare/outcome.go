package compare

import (
	"fmt"
	"strings"

	"homellm/engine/event"
	"homellm/engine/metrics"
)

// Judged is what the outcome of a gate means for the comparison.
func (d Delta) Judged() metrics.Judged {
	outcome := d.Verdict
	switch d.Verdict {
	case Better, Same:
		outcome = event.Pass
	case Worse:
		outcome = event.Fail
	}
	return metrics.JudgedBy(outcome, d.Gate.Severity, d.Gate.OnUnknown)
}

// Outcome decides what the comparison comes to: the printed verdict and the exit code come from
// this call.
func (c Comparison) Outcome() (verdict event.Outcome, exitCode int, reason string) {
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
		case !p.Comparable() && p.OnMismatch == MismatchFails:
			worse = append(worse, "not comparable"+where+": "+p.difference())
			continue
		}
		for _, d := range p.Deltas {
			name := d.Gate.Name + where
			switch d.Judged() {
			case metrics.Failed:
				worse = append(worse, name)
			case metrics.Unknown:
				unknown = append(unknown, name)
			case metrics.Passed:
				if d.Gate.Severity.Gates() {
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
		return event.Fail, metrics.ExitFail, "worse: " + strings.Join(worse, ", ")
	case len(unknown) > 0:
		return metrics.Inconclusive, metrics.ExitInconclusive, "could not be judged: " + strings.Join(unknown, ", ")
	case gating == 0:
		return metrics.Inconclusive, metrics.ExitInconclusive, "no gate was evaluated"
	case len(better) > 0:
		return event.Pass, metrics.ExitPass, fmt.Sprintf("better: %s; %d the same", strings.Join(better, ", "), same)
	}
	return event.Pass, metrics.ExitPass, fmt.Sprintf("%d gates, nothing worse", same)
}

// Uncertain lists the gates that more repeats would settle.
func (c Comparison) Uncertain() []Delta {
	var out []Delta
	for _, p := range c.Pairs {
		for _, d := range p.Deltas {
			if d.Verdict == event.Unknown && d.More > 0 && d.Gate.Severity.Gates() {
				out = append(out, d)
			}
		}
	}
	return out
}
