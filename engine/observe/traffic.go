package observe

import (
	"fmt"

	"homellm/engine/event"
	"homellm/engine/server"
)

// traffic is what a server did for other clients while turns were played. Only counters show it.
type traffic struct {
	given   int                // homellm's cancelled requests; the server may still work on them
	waiting int                // other clients' requests when the turn began
	turn    server.ForeignLoad // during the last turn

	turns, passes int                // that were looked at, one by one or, where turns are under way together, by pass
	shared        int                // of those
	load          server.ForeignLoad // sum over them
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
	t.saw(turnOf(r), seen, notes)
}

// saw takes in what the server did for others in a turn or a pass.
func (t *traffic) saw(when string, load server.ForeignLoad, notes notes) {
	if !load.Any() {
		return
	}
	t.shared++
	t.load = t.load.Plus(load)
	if t.shared == 1 {
		notes.add("foreign_traffic", "%s: the server also worked for another client: %s; the figures are those of a server "+
			"that is shared", when, load)
	}
}

// sum notes at the end of a cell how much of it was shared.
func (t *traffic) sum(notes notes) {
	of := fmt.Sprintf("%d turns", t.turns)
	if t.passes > 0 {
		of = fmt.Sprintf("%d passes", t.passes)
	}
	if t.shared > 1 {
		notes.add("foreign_traffic", "%d of %s shared the server with other clients: in all %s; measure again when no "+
			"other client uses the server", t.shared, of, t.load)
	}
	t.turns, t.passes, t.shared, t.load = 0, 0, 0, server.ForeignLoad{}
}

// together is what the turns of a pass add up to that are under way at the same time.
type together struct {
	before   *server.Snapshot // the counters before the pass; nil: they are unknown
	answered int              // turns with a reply
	failed   int              // turns without: the server may have counted any part of them
	sum      server.Reply     // of the replies; a part is nil if one of them does not report it
}

// countedTogether is why the server's counters do not tell a figure of one turn.
const countedTogether = "the server's counters count the requests of all users together"

// add takes in a turn that has ended.
func (t *together) add(r *event.Request, reply server.Reply) {
	if r.Err != nil {
		t.failed++
		return
	}
	t.answered++
	t.sum.Prompt, t.sum.Completion = plus(t.sum.Prompt, reply.Prompt), plus(t.sum.Completion, reply.Completion)
}

// plus adds two counts; nil if one is unknown.
func plus(a, b *int) *int {
	if a == nil || b == nil {
		return nil
	}
	return new(*a + *b)
}
