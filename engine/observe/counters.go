package observe

import (
	"context"
	"fmt"

	"homellm/engine/event"
	"homellm/engine/server"
)

// counters are the server's counters; a turn's figures are their differences.
type counters struct {
	on     bool             // they are read around every turn
	before *server.Snapshot // includes every request so far; nil: there may be more
	last   *server.Snapshot // the latest reading, to detect a restart
}

// scrape reads the counters before a turn, unless the reading after the last turn is still valid.
func (o *Observer) scrape(ctx context.Context) {
	c := &o.counters
	if !c.on || c.before != nil {
		return
	}
	shot, err := o.server.Side.Metrics(ctx)
	if err != nil {
		if ctx.Err() == nil {
			o.notes.once("metrics_unreadable", "%v",
				o.cell.Server.Errorf("its counters cannot be read, and what rests on them is unknown: %w; homellm doctor --url %s "+
					"says what is missing", err, o.server.URL))
			c.on = false
		}
		return
	}
	o.checkRestart(shot)
	if busy, ok := o.server.Side.InFlight(shot); ok {
		o.traffic.begin(busy)
	}
	c.before = shot
}

// awaitCounters reads the counters until they include the turn, and adds what they say to the reply. The delta is nil
// if there are no counters.
func (o *Observer) awaitCounters(ctx context.Context, e *event.Exchange) *server.Delta {
	c := &o.counters
	before := c.before
	if before == nil {
		return nil
	}
	c.before = nil
	if e.Err != nil || ctx.Err() != nil {
		return nil // the counters of a failed request do not belong to a turn
	}
	after, err := o.server.Side.AwaitCounters(ctx, before)
	if err != nil {
		return nil // the next scrape reports it
	}
	o.checkRestart(after)
	o.traffic.turn = o.server.Side.ForeignLoad(before, after, replyOf(e), o.traffic.given)
	if busy, ok := o.server.Side.InFlight(after); ok && busy == 0 {
		c.before = after // else the number of running requests is read again when the next turn begins
		o.traffic.given = 0
	}
	d := o.server.Side.Between(before, after, replyOf(e))
	for name, v := range d.Values {
		if _, told := e.Timings[name]; told {
			continue // the reply's own figure is more precise
		}
		if e.Timings == nil {
			e.Timings = map[string]float64{}
		}
		e.Timings[name] = v
	}
	return &d
}

// checkRestart detects a restart of the server that homellm did not cause: the cache is then empty, and the counters
// begin at 0.
func (o *Observer) checkRestart(shot *server.Snapshot) {
	if why := o.server.Side.Restarted(o.counters.last, shot); why != "" {
		o.notes.add("server_restarted", "%s: its cache was lost, and the turns after that are those of a cold server", why)
	}
	o.counters.last = shot
}

// replyOf extracts the token counts of a reply.
func replyOf(e *event.Exchange) server.Reply {
	r := server.Reply{Prompt: e.Usage.Prompt, Completion: e.Usage.Completion, Cached: e.Usage.Cached,
		Input: e.Usage.Input, Source: e.Wire.CachedIn}
	if r.Source == "" && r.Cached != nil {
		r.Source = "usage"
	}
	if n, told := e.Timings["server.prompt_tokens"]; told && r.Cached != nil {
		r.Computed = new(int(n))
	}
	return r
}

// CountWhole replaces the server's prompt count by the count of the whole prompt, if the self-test saw that the server
// leaves out cached tokens, or counts them twice. Untested is the API of the request if the self-test used another one.
func (o *Observer) CountWhole(r *event.Request, untested string) {
	whole, why := o.report.Whole(replyOf(&r.Exchange))
	if untested != "" && r.Usage.Input != nil && r.Usage.Cached != nil && *r.Usage.Cached > 0 {
		whole, why = nil, "it asked by another API, so whether api: "+untested+" has the cached tokens in both parts of a "+
			"prompt was not tested"
	}
	if r.Err == nil && why != "" {
		o.notes.once("prompt_uncounted", "self-test: %s: the tokens of prompts are unknown", why)
	}
	r.Usage.Prompt = whole
}

// cached decides how many prompt tokens came from the prefix cache, from what the self-test proved and from the
// profile's rule for a reply without a report.
func (o *Observer) cached(e *event.Exchange, d *server.Delta) (n *int, source string, assumed bool, why string) {
	switch {
	case e.Err != nil:
		return nil, "none", false, "the request failed"
	case o.withdrawn != "":
		return nil, "none", false, o.withdrawn
	}
	r := replyOf(e)
	rule := o.cell.Server.Capabilities.CacheReport
	if !o.tested() && !o.report.Proven() {
		if r.Cached != nil {
			return r.Cached, r.Source, false, ""
		}
		if !rule.Told() {
			return nil, "none", false, fmt.Sprintf("server %s reports no cached tokens", o.cell.Server.Name)
		}
	}
	return o.report.Cached(r, d, rule.NullMeans == "zero")
}
