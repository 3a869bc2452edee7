package server

import (
	"context"
	"fmt"
	"math"
	"time"

	"homellm/engine/engines"
)

// difference is the difference between two scrapes.
type difference struct{ before, after *Snapshot }

// Sum is the growth of a counter; absent if it is in neither scrape or shrank. A series that is only in the second
// scrape grew from 0.
func (d difference) Sum(name string, keep func(label func(string) string) bool) (float64, bool) {
	after, ok := d.after.sum(name, keep)
	if !ok {
		return 0, false
	}
	before, ok := d.before.sum(name, keep)
	if !ok && d.before.Has(name) && keep == nil {
		return 0, false // it was present and not a number
	}
	return after - before, after >= before
}

// Exact is Sum for a counter that is printed with six significant digits: above 999,999 its differences are rounding
// errors.
func (d difference) Exact(name string) (float64, bool) {
	if v, ok := d.after.sum(name, nil); !ok || v >= 1e6 {
		return 0, false
	}
	return d.Sum(name, nil)
}

// seconds is the growth of such a counter of seconds. It is absent if one unit of the sixth digit exceeds a hundredth
// of it.
func (d difference) seconds(name string) (float64, bool) {
	after, ok := d.after.sum(name, nil)
	grown, okGrown := d.Sum(name, nil)
	if !ok || !okGrown || after <= 0 {
		return 0, false
	}
	unit := math.Pow(10, math.Floor(math.Log10(after))-5)
	return grown, grown >= 100*unit
}

// Histogram is the growth of a histogram's sum and count.
func (d difference) Histogram(name string) (sum, count float64, ok bool) {
	sum, count, ok = d.after.histogram(name)
	if !ok {
		return 0, 0, false
	}
	if s, c, before := d.before.histogram(name); before {
		sum, count = sum-s, count-c
	}
	return sum, count, sum >= 0 && count >= 0
}

// restarted says how the two scrapes show a restart of the server between them; empty if they do not.
func (d difference) restarted(n *engines.Metrics) string {
	was, okWas := d.before.sum("process_start_time_seconds", nil)
	is, okIs := d.after.sum("process_start_time_seconds", nil)
	if okWas && okIs && was != is {
		return "the server was restarted in between (process_start_time_seconds changed)"
	}
	for _, name := range append([]string{n.Prompt, n.Output}, n.Finished...) {
		was, okWas := d.before.sum(name, nil)
		is, okIs := d.after.sum(name, nil)
		if okWas && okIs && is < was {
			return fmt.Sprintf("the server was restarted in between (%s fell from %v to %v)", name, was, is)
		}
	}
	return ""
}

// Reply is the token counts of a reply; nil where it has none.
type Reply struct {
	Prompt     *int
	Completion *int
	Cached     *int
	Computed   *int   // prompt tokens that were not cached, if the reply reports them besides Cached
	Input      *int   // the part of Prompt that the reply counts apart from the cached tokens, on APIs that do so
	Source     string // source of Cached: usage or timings
}

// Delta is what the server's metrics report of the one request between two scrapes.
type Delta struct {
	Values map[string]float64 // server.prefill_ms … by metric name; unknown ones are missing
	Why    string             // why Values is empty

	cached map[string]int // by family
}

// Between compares the scrapes before and after one request. The difference belongs to that request only if the
// server is the same process, counted exactly one ended request, and counted the tokens that the reply reports;
// otherwise Delta holds the reason and no number.
func (s *Side) Between(before, after *Snapshot, r Reply) Delta {
	if before == nil || after == nil {
		return Delta{Why: "there is no scrape from before and after the request"}
	}
	n := s.engine.Metrics
	if n == nil {
		return Delta{Why: s.engine.Title + " has no metrics endpoint"}
	}
	d := difference{before, after}
	if why := d.alone(n, r); why != "" {
		return Delta{Why: why}
	}
	out := Delta{Values: map[string]float64{}, cached: map[string]int{}}
	for _, t := range n.Timings {
		if seconds, ok := d.timing(t); ok {
			out.Values[t.Metric] = 1000 * seconds
		}
	}
	for _, c := range n.Counts {
		if _, told := out.Values[c.Metric]; told {
			continue
		}
		if grown, ok := d.Sum(c.Counter, c.Keep); ok {
			out.Values[c.Metric] = grown
		}
	}
	for _, c := range n.Cached {
		grown, ok := c.Count(d, r.Prompt)
		tokens, whole := engines.Tokens(grown)
		if ok && whole && (r.Prompt == nil || tokens <= *r.Prompt) {
			out.cached[c.Family] = tokens
		}
	}
	if len(out.Values) == 0 && len(out.cached) == 0 {
		out.Why = "the server's metrics hold nothing about single requests"
	}
	return out
}

// timing is the growth of one time, in seconds, if exactly one request made it.
func (d difference) timing(t engines.Timing) (float64, bool) {
	for _, name := range t.Histograms {
		if sum, count, ok := d.Histogram(name); ok {
			return sum, count == 1
		}
	}
	if t.Counter != "" {
		return d.seconds(t.Counter)
	}
	return 0, false
}

// alone says why the difference does not belong to one request; empty if it does.
func (d difference) alone(n *engines.Metrics, r Reply) string {
	if why := d.restarted(n); why != "" {
		return why
	}
	for _, name := range n.Finished {
		grown, ok := d.Sum(name, nil)
		switch {
		case !ok:
			continue
		case grown == 0:
			return "the server has not counted the request"
		case grown > 1:
			return fmt.Sprintf("%v requests ended in that time (%s): another client uses the server", grown, name)
		}
		return d.sameTokens(n, r, false)
	}
	// Without a counter of requests, the tokens of the reply must explain the whole difference.
	return d.sameTokens(n, r, true)
}

// sameTokens compares the token counters with the reply. If the server counts requests, only the prompt is compared
// (generation may continue past a stop string), and what cannot be compared is ignored. If strict, every counter must
// be present and equal.
func (d difference) sameTokens(n *engines.Metrics, r Reply, strict bool) string {
	type pair struct {
		name string
		want *int
	}
	var pairs []pair
	if n.Whole {
		pairs = append(pairs, pair{n.Prompt, r.Prompt})
	}
	if strict {
		pairs = append(pairs, pair{n.Output, r.Completion})
	}
	for _, p := range pairs {
		grown, ok := d.Sum(p.name, nil)
		if !ok || p.want == nil {
			if strict {
				return "the server counts no requests and the tokens cannot be compared: whose they are is unknown"
			}
			continue
		}
		if grown != float64(*p.want) {
			return fmt.Sprintf(
				"%s grew by %v and the reply reports %d: another client uses the server, or it counted twice",
				p.name,
				grown,
				*p.want,
			)
		}
	}
	return ""
}

// How long AwaitCounters waits, and how often it scrapes.
const (
	awaitLimit = time.Second
	awaitEvery = 20 * time.Millisecond
)

// AwaitCounters scrapes until the server has counted one more request than in before and is idle, because it may
// count a request after its client has seen the end. After a second it returns the latest scrape, and [Side.Between]
// says what is wrong with it.
func (s *Side) AwaitCounters(ctx context.Context, before *Snapshot) (*Snapshot, error) {
	return s.AwaitRequests(ctx, before, 1)
}

// AwaitRequests is [Side.AwaitCounters] for several requests.
func (s *Side) AwaitRequests(ctx context.Context, before *Snapshot, requests int) (*Snapshot, error) {
	deadline := time.Now().Add(awaitLimit)
	for {
		shot, err := s.Metrics(ctx)
		if err != nil {
			return nil, err
		}
		if before == nil || s.counted(difference{before, shot}, requests) || time.Now().After(deadline) {
			return shot, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for the server's counters: %w", context.Cause(ctx))
		case <-time.After(awaitEvery):
		}
	}
}

// counted reports whether the server is idle and has counted a number of requests, or a token if it counts none.
func (s *Side) counted(d difference, requests int) bool {
	if busy, ok := s.InFlight(d.after); ok && busy > 0 {
		return false
	}
	n := s.engine.Metrics
	if d.restarted(n) != "" {
		return true // waiting will not help
	}
	for _, name := range n.Finished {
		if grown, ok := d.Sum(name, nil); ok {
			return grown >= float64(requests)
		}
	}
	if grown, ok := d.Sum(n.Output, nil); ok {
		return grown >= 1
	}
	return true
}
