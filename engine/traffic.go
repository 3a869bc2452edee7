package engine

import (
	"context"

	"homellm/engine/event"
	"homellm/engine/server"
)

// traffic is what a server did for somebody else while turns were played. Where it has no
// counters, nobody can tell.
type traffic struct {
	given   int                // requests of our own that were given up; the server may still be busy with them
	waiting int                // of somebody else, when the turn began
	turn    server.ForeignLoad // during the turn that has just ended

	turns, shared int
	sum           server.ForeignLoad
}

// restarts notices that the server was started anew behind our back: its cache is empty then, and
// what it counts begins at 0.
func (s *session) restarts(shot *server.Snapshot) {
	b := &s.beside
	if why := s.target.Side.Restarted(b.last, shot); why != "" {
		s.note("server_restarted", "%s: its cache was lost, and the turns after that are those of a cold server", why)
	}
	b.last = shot
}

// waits remembers who is being served when a turn is about to begin.
func (s *session) waits(shot *server.Snapshot) {
	t := &s.beside.traffic
	busy, ok := s.target.Side.InFlight(shot)
	if !ok {
		return
	}
	t.given = min(t.given, busy) // those that have ended
	t.waiting = busy - t.given
}

// during takes the measure of a turn that has ended, with a scrape from before and after it.
func (s *session) during(before, after *server.Snapshot, e *event.Exchange) {
	t := &s.beside.traffic
	t.turn = s.target.Side.ForeignLoad(before, after, replyOf(e), t.given)
}

// shares notes that a turn did not have the server for itself: at once for the first one of a
// cell, and with the sum at its end.
func (s *session) shares(ctx context.Context, r *event.Request) {
	t := &s.beside.traffic
	seen := t.turn
	seen.Running = max(seen.Running, t.waiting)
	t.turn, t.waiting = server.ForeignLoad{}, 0
	if r.Err != nil {
		t.given++ // the server may not have noticed yet
	}
	if !s.beside.counters || ctx.Err() != nil {
		return
	}
	t.turns++
	if !seen.Any() {
		return
	}
	t.shared++
	t.sum = t.sum.Plus(seen)
	if t.shared == 1 {
		s.note("foreign_traffic", "%s: the server worked for somebody else meanwhile: %s; what was measured is a server that is shared", whereIs(r), seen)
	}
}

// sharedTurns says at the end of a cell how many of its turns were shared.
func (s *session) sharedTurns() {
	t := &s.beside.traffic
	if t.shared > 1 {
		s.note("foreign_traffic", "%d of %d turns were shared with somebody else: in all %s; measure again when nobody else uses the server", t.shared, t.turns, t.sum)
	}
	t.turns, t.shared, t.sum = 0, 0, server.ForeignLoad{}
}
