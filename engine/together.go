package engine

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"homellm/dsl"
	"homellm/engine/client"
	"homellm/engine/crash"
	"homellm/engine/event"
	"homellm/engine/target"
)

// connection is a connection to the server with one request under way at a time, or one for each API in use.
type connection struct {
	clients *target.Clients
	sending *rawTurn // the measured turn whose reply is being read; nil: none
}

// connect adds a connection to the session's server. It is opened when it is first needed.
func (s *session) connect() error {
	c, config := &connection{}, s.target.Client
	if s.raw != nil {
		config.Raw = func(x *event.Exchange, raw client.Raw) {
			if c.sending != nil {
				s.raw.offer(*c.sending, x, raw)
			}
		}
	}
	var err error
	if c.clients, err = target.NewClients(config); err != nil {
		return err
	}
	s.connections = append(s.connections, c)
	return nil
}

// disconnect closes all connections.
func (s *session) disconnect() {
	for _, c := range s.connections {
		c.clients.Close()
	}
	s.connections = nil
}

// lane is a lane of the schedule while it is played.
type lane struct {
	*connection
	parts   []dsl.Part
	due     time.Time     // when its next request is due; zero: as soon as it can be sent
	thought time.Duration // time to think before that
	think   *rand.Rand
	window  int // of its latest conversation
	dead    int // conversations without a connection since the latest with one
}

// lanes begins the lanes of a pass. Lanes that are played together have a connection each, others share one. The times
// to think are the same in every run and every cell, and others in every repeat.
func (s *session) lanes(p pass) ([]*lane, error) {
	parts := s.cell.Scenario.Lanes()
	for s.cell.Scenario.AtOnce() && len(s.connections) < len(parts) {
		if err := s.connect(); err != nil {
			return nil, err
		}
	}
	kind := uint64(0)
	if p.warmup {
		kind = 1
	}
	out := make([]*lane, len(parts))
	for i := range parts {
		seed := rand.NewPCG(s.cell.Scenario.Run.Think.Seed, uint64(i)<<32|uint64(p.repeat)<<1|kind)
		out[i] = &lane{connection: s.connections[min(i, len(s.connections)-1)], parts: parts[i], think: rand.New(seed),
			window: p.repeat}
	}
	return out, nil
}

// replied says when a reply ended, and makes the next request due after a time to think.
func (l *lane) replied(at time.Time, think dsl.Think) {
	if think.Mean > 0 {
		l.thought = think.Draw(l.think)
		l.due = at.Add(l.thought)
	}
}

// mutex is a lock that a goroutine may wait for in virtual time, whose clock stands still while one waits for a
// [sync.Mutex].
type mutex chan struct{}

func (m mutex) lock()   { m <- struct{}{} }
func (m mutex) unlock() { <-m }

// unlocked calls f, which takes a while, and lets the other lanes of a session use it meanwhile.
func (s *session) unlocked(f func()) {
	s.mu.unlock()
	defer s.mu.lock()
	f()
}

// together plays all lanes at the same time. The first error ends them all.
func (s *session) together(ctx context.Context, p pass, lanes []*lane, seen *replies) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	s.observer.BeginTogether(ctx)
	began, ramp := time.Now(), s.cell.Scenario.Run.Ramp
	var playing sync.WaitGroup
	var first error
	for i, l := range lanes {
		if after := ramp * time.Duration(i) / time.Duration(len(lanes)); after > 0 {
			l.due = began.Add(after)
		}
		playing.Go(crash.Guarded(func() {
			s.mu.lock()
			defer s.mu.unlock()
			err := s.playLane(ctx, p, l, seen, func() bool { return first == nil })
			if err != nil && first == nil {
				first = err
				stop(err)
			}
		}))
	}
	s.unlocked(playing.Wait)
	s.observer.EndTogether(ctx, p.String())
	return first
}

// playLane plays the parts of a lane one after another; in windows again and again, until the time is over.
func (s *session) playLane(ctx context.Context, p pass, l *lane, seen *replies, turn func() bool) error {
	user := l.parts[0].User
	for i := 0; i < len(l.parts) || p.windows != nil; i++ {
		part := l.parts[i%len(l.parts)]
		if part.User != user { // nobody has to think of another's reply
			l.due, l.thought = time.Time{}, 0
		}
		user = part.User
		of, ok := p.next(l.due, part)
		if !ok {
			return nil
		}
		if of.repeat != l.window && s.cell.Scenario.Run.Cache != dsl.BySalt {
			if err := s.isolate(ctx, of, dsl.OfRepeat); err != nil {
				return err
			}
		}
		l.window = of.repeat
		answered, err := s.playPart(ctx, of, l, part, seen, turn)
		if err == nil && !answered && p.windows != nil && p.windows.failed == "" {
			err = s.refused(ctx, l)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// afterRefusal is how long a user waits after a conversation of which no request was answered. A server that refuses
// everything at once would otherwise get thousands of requests a second until the time is over.
const afterRefusal = time.Second

// refused is called after a conversation of which no request was answered, and ends the cell if a whole round of them
// found no connection.
func (s *session) refused(ctx context.Context, l *lane) error {
	if l.dead >= len(l.parts) {
		return errGone{"the server stopped answering: no connection in a whole round of the conversations"}
	}
	var err error
	s.unlocked(func() { err = sleep(ctx, afterRefusal) })
	return err
}

// String names a pass as notes do.
func (p pass) String() string {
	switch {
	case p.warmup:
		return fmt.Sprintf("warm-up %d", p.repeat)
	case p.windows != nil:
		return fmt.Sprintf("windows 1 to %d", dsl.Windows)
	}
	return fmt.Sprintf("repeat %d", p.repeat)
}
