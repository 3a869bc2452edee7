package observe

import (
	"context"

	"homellm/engine/event"
	"homellm/engine/server"
)

// traffic is what a server did for somebody else while turns were played. Without counters there
// is no telling.
type traffic struct {
	given   int                // requests of our own that were given up; the server may still be busy with them
	waiting int                // of somebody else, when the turn began
	turn    server.ForeignLoad // during the turn that has just ended

	turns, shared int
	sum           server.ForeignLoad
}

// checkRestart notices that the server was started anew behind our back: its cache is empty then,
// and what it counts begins at 0.
func (o *Observer) checkRestart(shot *server.Snapshot) {
	if why := o.server.Side.Restarted(o.counters.last, shot); why != "" {
		o.note("server_restarted", "%s: its cache was lost, and the turns after that are those of a cold server", why)
	}
	o.counters.last = shot
}

// noteWaiting remembers who is being served when a turn is about to begin.
func (o *Observer) noteWaiting(shot *server.Snapshot) {
	t := &o.traffic
	busy, ok := o.server.Side.InFlight(shot)
	if !ok {
		return
	}
	t.given = min(t.given, busy) // those that have ended
	t.waiting = busy - t.given
}

// checkTraffic remarks on a turn that did not have the server for itself: at once for the first
// one of a cell, and with the sum at its end.
func (o *Observer) checkTraffic(ctx context.Context, r *event.Request) {
	t := &o.traffic
	seen := t.turn
	seen.Running = max(seen.Running, t.waiting)
	t.turn, t.waiting = server.ForeignLoad{}, 0
	if r.Err != nil {
		t.given++ // the server may not have noticed yet
	}
	if !o.counters.on || ctx.Err() != nil {
		return
	}
	t.turns++
	if !seen.Any() {
		return
	}
	t.shared++
	t.sum = t.sum.Plus(seen)
	if t.shared == 1 {
		o.note("foreign_traffic", "%s: the server worked for somebody else meanwhile: %s; what was measured is a server that is shared", turnOf(r), seen)
	}
}

// sumTraffic says at the end of a cell how many of its turns were shared.
func (o *Observer) sumTraffic() {
	t := &o.traffic
	if t.shared > 1 {
		o.note("foreign_traffic", "%d of %d turns were shared with somebody else: in all %s; measure again when nobody else uses the server", t.shared, t.turns, t.sum)
	}
	t.turns, t.shared, t.sum = 0, 0, server.ForeignLoad{}
}
