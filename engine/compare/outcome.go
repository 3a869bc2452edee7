package compare

import (
	"fmt"
	"strings"

	"homellm/engine/event"
	"homellm/engine/exit"
	"homellm/engine/metrics"
)

// Judged is the meaning of a gate's outcome for the comparison.
func (d Delta) Judged() metrics.Judged {
	outcome := d.Verdict
	switch d.Verdict {
	case Better, Same, NotSeen:
		outcome = event.Pass
	case Worse:
		outcome = event.Fail
	}
	return metrics.JudgedBy(outcome, d.Gate.Severity, d.Gate.OnUnknown)
}

// Outcome decides the outcome of the comparison: the printed verdict and the exit code both come from this call.
func (c Comparison) Outcome() (verdict event.Outcome, exitCode int, reason string) {
	var worse, unknown, better gateNames
	same, unseen, gating := 0, 0, 0
	for _, p := range c.Pairs {
		where := ""
		if len(c.Pairs) > 1 {
			where = " (" + p.Cell + ")"
		}
		switch {
		case p.Missing != "" && p.Required:
			unknown.names = append(unknown.names, p.Missing)
			continue
		case !p.Comparable() && p.OnMismatch == MismatchFails:
			worse.names = append(worse.names, "not comparable"+where+": "+p.difference())
			continue
		}
		for _, d := range p.Deltas {
			switch d.Judged() {
			case metrics.Failed:
				worse.add(d, where)
			case metrics.Unknown:
				unknown.add(d, where)
			case metrics.Passed:
				if d.Gate.Severity.Gates() {
					gating++
				}
				switch d.Verdict {
				case Better:
					better.add(d, where)
				case NotSeen:
					unseen++
				default:
					same++
				}
			}
		}
	}
	switch {
	case worse.any():
		return event.Fail, exit.Fail, "worse: " + worse.String()
	case unknown.any():
		return metrics.Inconclusive, exit.Inconclusive, "could not be judged: " + unknown.String()
	case gating == 0:
		return metrics.Inconclusive, exit.Inconclusive, "no gate was evaluated"
	case better.any():
		rest := fmt.Sprintf("%d the same", same)
		if unseen > 0 {
			rest += fmt.Sprintf(", nothing worse seen in %d", unseen)
		}
		return event.Pass, exit.Pass, fmt.Sprintf("better: %s; %s", better.String(), rest)
	}
	return event.Pass, exit.Pass, fmt.Sprintf("%d gates, nothing worse", same+unseen)
}

// gateNames lists gates of one outcome: by name, and those of single steps by number, because there are many.
type gateNames struct {
	names []string
	steps int
}

func (n *gateNames) add(d Delta, where string) {
	if d.Gate.OfStep() {
		n.steps++
	} else {
		n.names = append(n.names, d.Gate.Name+where)
	}
}

func (n *gateNames) any() bool { return len(n.names)+n.steps > 0 }

func (n *gateNames) String() string {
	switch {
	case n.steps == 0:
		return strings.Join(n.names, ", ")
	case len(n.names) == 0:
		return fmt.Sprintf("%d gates of single steps", n.steps)
	}
	return fmt.Sprintf("%s and %d of single steps", strings.Join(n.names, ", "), n.steps)
}

// Uncertain lists the gates that more repeats would decide.
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
