package server

import (
	"fmt"
	"strings"

	"homellm/engine/engines"
	"homellm/engine/text"
)

// ForeignLoad is what a server did for other clients between two scrapes, according to its counters.
type ForeignLoad struct {
	Ended   int // requests that ended
	Prompt  int // prompt tokens read; 0 if they cannot be told from the run's own
	Output  int // tokens generated; 0 if they cannot be told from the run's own
	Running int // requests still running or waiting at the second scrape
}

// Any reports whether another client was seen.
func (o ForeignLoad) Any() bool { return o.Ended > 0 || o.Running > 0 || o.Output > 0 }

// Plus adds two observations.
func (o ForeignLoad) Plus(more ForeignLoad) ForeignLoad {
	return ForeignLoad{o.Ended + more.Ended, o.Prompt + more.Prompt, o.Output + more.Output, max(o.Running, more.Running)}
}

// String describes it, such as "2 requests ended (310 prompt tokens, 40 output tokens), 1 ran".
func (o ForeignLoad) String() string {
	var parts, tokens []string
	if o.Prompt > 0 {
		tokens = append(tokens, fmt.Sprintf("%d prompt tokens", o.Prompt))
	}
	if o.Output > 0 {
		tokens = append(tokens, fmt.Sprintf("%d output tokens", o.Output))
	}
	if o.Ended > 0 {
		parts = append(parts, text.Plural(o.Ended, "request")+" ended")
	}
	if o.Running > 0 {
		parts = append(parts, text.Plural(o.Running, "request")+" ran or waited")
	}
	out := strings.Join(parts, " and ")
	switch {
	case len(tokens) == 0:
		return out
	case out == "":
		return strings.Join(tokens, " and ")
	}
	return out + " (" + strings.Join(tokens, ", ") + ")"
}

// ForeignLoad returns the part of the difference between two scrapes that the request between them did not cause.
// Cancelled requests of this client may end, or still run, at any time: their number is given, and neither they nor
// their tokens are counted.
//
// Requests are the evidence. Tokens are evidence only if an engine counts no requests: a server that generates past a
// stop string, or reads a prompt twice, counts more than it reports.
func (s *Side) ForeignLoad(before, after *Snapshot, r Reply, given int) ForeignLoad {
	n := s.engine.Metrics
	if n == nil || before == nil || after == nil {
		return ForeignLoad{}
	}
	d := difference{before, after}
	if d.restarted(n) != "" {
		return ForeignLoad{}
	}
	var out ForeignLoad
	counted := false
	for _, name := range n.Finished {
		if grown, ok := d.Sum(name, nil); ok {
			ended, _ := engines.Tokens(grown)
			out.Ended, counted = max(ended-1-given, 0), true
			break
		}
	}
	if busy, ok := s.InFlight(after); ok {
		out.Running = max(busy-given, 0)
	}
	if given > 0 {
		return out
	}
	more := func(name string, own *int) int {
		grown, ok := d.Exact(name)
		if counted {
			grown, ok = d.Sum(name, nil)
		}
		if !ok || own == nil {
			return 0
		}
		tokens, _ := engines.Tokens(grown)
		return max(tokens-*own, 0)
	}
	if n.Whole {
		out.Prompt = more(n.Prompt, r.Prompt)
	}
	out.Output = more(n.Output, r.Completion)
	if counted && out.Ended == 0 && out.Running == 0 {
		return ForeignLoad{} // one request ended and none is running: the counts are its own
	}
	return out
}

// Restarted says how two scrapes show a restart of the server between them; empty if they do not.
func (s *Side) Restarted(before, after *Snapshot) string {
	if s.engine.Metrics == nil || before == nil || after == nil {
		return ""
	}
	return difference{before, after}.restarted(s.engine.Metrics)
}
