package observe

import (
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
	load          server.ForeignLoad // of the shared ones together
}

// begin remembers how many requests are being served when a turn is about to begin.
func (t *traffic) begin(busy int) {
	t.given = min(t.given, busy) // those that have ended
	t.waiting = busy - t.given
}

// check remarks on a turn that did not have the server for itself: at once for the first one of a
// cell, and with the sum at its end. Known says that the counters told.
func (t *traffic) check(r *event.Request, known bool, notes notes) {
	seen := t.turn
	seen.Running = max(seen.Running, t.waiting)
	t.turn, t.waiting = server.ForeignLoad{}, 0
	if r.Err != nil {
		t.given++ // the server may not have noticed yet
	}
	if !known {
		return
	}
	t.turns++
	if !seen.Any() {
		return
	}
	t.shared++
	t.load = t.load.Plus(seen)
	if t.shared == 1 {
		notes.add("foreign_traffic", "%s: the server worked for somebody else meanwhile: %s; what was measured is a server "+
			"that is shared", turnOf(r), seen)
	}
}

// sum says at the end of a cell how many of its turns were shared.
func (t *traffic) sum(notes notes) {
	if t.shared > 1 {
		notes.add("foreign_traffic", "%d of %d turns were shared with somebody else: in all %s; measure again when no "+
			"one else uses the server", t.shared, t.turns, t.load)
	}
	t.turns, t.shared, t.load = 0, 0, server.ForeignLoad{}
}
