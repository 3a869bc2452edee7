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
	Prompt  int // prompt tokens read; 0 if they cannot be told apart from the run's own
	Output  int // tokens generated; 0 if they cannot be told apart from the run's own
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
func (s *Side) ForeignLoad(before, after *Snapshot, r Reply, given int) ForeignLoad {
	load, _ := s.ForeignAmong(before, after, r, 1, given)
	return load
}

// ForeignAmong is [Side.ForeignLoad] for several requests between the scrapes, of which own ended. Sum is the sum of
// their replies. Told is false if the counters cannot tell them from requests of others.
//
// Requests are the evidence. Tokens are evidence only if an engine counts no requests: a server that generates past a
// stop string, or reads a prompt twice, counts more than it reports.
func (s *Side) ForeignAmong(before, after *Snapshot, sum Reply, own, given int) (out ForeignLoad, told bool) {
	n := s.engine.Metrics
	if n == nil || before == nil || after == nil {
		return ForeignLoad{}, false
	}
	d := difference{before, after}
	if d.restarted(n) != "" {
		return ForeignLoad{}, false
	}
	counted := false
	for _, name := range n.Finished {
		if grown, ok := d.Sum(name, nil); ok {
			ended, _ := engines.Tokens(grown)
			out.Ended, counted = max(ended-own-given, 0), true
			break
		}
	}
	if busy, ok := s.InFlight(after); ok {
		out.Running = max(busy-given, 0)
	}
	if given > 0 {
		return out, counted
	}
	more := func(name string, of *int) (tokens int, ok bool) {
		grown, ok := d.Exact(name)
		if counted {
			grown, ok = d.Sum(name, nil)
		}
		if !ok || of == nil {
			return 0, false
		}
		tokens, _ = engines.Tokens(grown)
		return max(tokens-*of, 0), true
	}
	if n.Whole {
		out.Prompt, _ = more(n.Prompt, sum.Prompt)
	}
	out.Output, told = more(n.Output, sum.Completion)
	if counted && out.Ended == 0 && out.Running == 0 {
		return ForeignLoad{}, true // as many requests ended as were sent and none is running: the counts are theirs
	}
	return out, told || counted
}

// Restarted says how two scrapes show a restart of the server between them; empty if they do not.
func (s *Side) Restarted(before, after *Snapshot) string {
	if s.engine.Metrics == nil || before == nil || after == nil {
		return ""
	}
	return difference{before, after}.restarted(s.engine.Metrics)
}
