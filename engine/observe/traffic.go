package observe

import (
	"homellm/engine/event"
	"homellm/engine/server"
)

// traffic is what a server did for other clients while turns were played. Only counters show it.
type traffic struct {
	given   int                // homellm's cancelled requests; the server may still work on them
	waiting int                // other clients' requests when the turn began
	turn    server.ForeignLoad // during the last turn

	turns, shared int
	load          server.ForeignLoad // sum over the shared turns
}

// begin records how many requests are running before a turn.
func (t *traffic) begin(busy int) {
	t.given = min(t.given, busy) // cancelled requests that have ended
	t.waiting = busy - t.given
}

// check notes a turn during which the server served other clients: the first of a cell at once, all of them in sum.
// Known says that there were counters.
func (t *traffic) check(r *event.Request, known bool, notes notes) {
	seen := t.turn
	seen.Running = max(seen.Running, t.waiting)
	t.turn, t.waiting = server.ForeignLoad{}, 0
	if r.Err != nil {
		t.given++ // the server may not have noticed the cancellation yet
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
		notes.add("foreign_traffic", "%s: the server also worked for another client: %s; the figures are those of a server "+
			"that is shared", turnOf(r), seen)
	}
}

// sum notes at the end of a cell how many of its turns were shared.
func (t *traffic) sum(notes notes) {
	if t.shared > 1 {
		notes.add("foreign_traffic", "%d of %d turns shared the server with other clients: in all %s; measure again when no "+
			"other client uses the server", t.shared, t.turns, t.load)
	}
	t.turns, t.shared, t.load = 0, 0, server.ForeignLoad{}
}
