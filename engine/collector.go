package engine

import (
	"context"
	"fmt"
	"sync"
	"time"

	"homellm/engine/crash"
	"homellm/engine/event"
	"homellm/engine/metrics"
)

// Journal is where a run stores its events, and what it already holds.
type Journal struct {
	Keep    func(event.Event) error // called in order from one goroutine; an error stops the run
	Fold    *metrics.Run            // receives every stored event; for a resumed run, the fold of its journal
	Seq     uint64                  // last event of a resumed journal
	Elapsed time.Duration           // time of that event: later events come after it
	Changed bool                    // the resumed journal has another plan: finished cells that both have are kept
}

// collector is the only writer of the journal and the only reader and writer of the fold. Reads of the fold go
// through the same queue as the events, so that they see every event emitted before them.
type collector struct {
	epoch   time.Time
	journal Journal
	stop    context.CancelCauseFunc

	queue chan func()
	done  sync.WaitGroup
	last  time.Duration // instant of the last event
	err   error         // the first failure to store an event; nothing is stored after it
}

func collect(epoch time.Time, journal Journal, stop context.CancelCauseFunc) *collector {
	c := &collector{epoch: epoch, journal: journal, stop: stop, queue: make(chan func(), 64)}
	c.done.Go(crash.Guarded(func() {
		for work := range c.queue {
			work()
		}
	}))
	return c
}

// emit stores an event that happens now: in the journal first, then in the fold. An event that cannot be stored stops
// the run, because an observation that is not on disk is lost.
func (c *collector) emit(cell string, body event.Body) {
	at := time.Since(c.epoch)
	c.queue <- func() {
		c.last = max(at, c.last) // two goroutines may deliver their events in the other order
		c.store(event.Event{At: c.last, Cell: cell, Body: body})
	}
}

// keep stores an event that happened elsewhere, at its own instant.
func (c *collector) keep(e event.Event) {
	c.queue <- func() {
		c.last = max(e.At, c.last)
		c.store(e)
	}
}

func (c *collector) store(e event.Event) {
	if c.err != nil {
		return
	}
	c.journal.Seq++
	e.Seq = c.journal.Seq
	e, err := e.Masked()
	if err == nil {
		err = c.journal.Keep(e)
	}
	if err != nil {
		c.err = fmt.Errorf("keeping event %d: %w", c.journal.Seq, err)
		c.stop(c.err)
		return
	}
	c.journal.Fold.Add(e)
}

// read calls f with the fold after every event emitted so far has been folded.
func (c *collector) read(f func(*metrics.Run)) {
	ready := make(chan struct{})
	c.queue <- func() {
		f(c.journal.Fold)
		close(ready)
	}
	<-ready
}

// flush waits until every event emitted so far is stored.
func (c *collector) flush() { c.read(func(*metrics.Run) {}) }

// close waits until everything emitted is stored.
func (c *collector) close() error {
	close(c.queue)
	c.done.Wait()
	return c.err
}
