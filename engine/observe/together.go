package observe

import (
	"context"

	"homellm/engine/server"
)

// BeginTogether reads the counters before a pass in which several turns are under way at the same time. The counters
// count all of them together.
func (o *Observer) BeginTogether(ctx context.Context) {
	o.ForgetCounters()
	o.scrape(ctx)
	o.together = together{before: o.counters.before, sum: server.Reply{Prompt: new(0), Completion: new(0)}}
	o.ForgetCounters()
}

// EndTogether reads them after it, and notes what the server did for other clients. When names the pass.
func (o *Observer) EndTogether(ctx context.Context, when string) {
	t, own := &o.traffic, o.together
	seen := server.ForeignLoad{Running: t.waiting}
	t.waiting = 0
	if own.before == nil || own.answered == 0 || ctx.Err() != nil {
		return
	}
	after, err := o.server.Side.AwaitRequests(ctx, own.before, own.answered)
	if err != nil {
		return // the next reading reports it
	}
	o.checkRestart(after)
	t.given += own.failed
	load, told := o.server.Side.ForeignAmong(own.before, after, own.sum, own.answered, t.given)
	if seen = seen.Plus(load); !told && !seen.Any() {
		o.notes.once("traffic_unknown", "%s: whether other clients used the server is unknown: its counters do not tell "+
			"their requests from those of the users", when)
		return
	}
	t.passes++
	t.saw(when, seen, o.notes)
}
