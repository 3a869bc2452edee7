package main

import (
	"errors"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"homellm/engine/crash"
	"homellm/engine/event"
	"homellm/engine/exit"
)

// eventsFlag is --events.
type eventsFlag struct {
	asked  bool
	stream *event.Stream // copies the journals; nil: they are not copied
}

func (f *eventsFlag) add(c *cobra.Command) {
	c.Flags().BoolVar(&f.asked, "events", false,
		"write the events of a run to stdout as it is played, as JSON lines (homellm schema event);\n"+
			"the report goes to stderr")
	c.MarkFlagsMutuallyExclusive("events", "format")
}

// tellStuck is how long a reader may read nothing after all runs have ended before that is reported.
const tellStuck = 3 * time.Second

// open copies the events of the runs to stdout, if --events is given. Everything else that is printed then goes to
// stderr. The returned function waits until the reader has read them all.
func (f *eventsFlag) open(p process) (quieter process, end func()) {
	if !f.asked {
		return p, func() {}
	}
	f.stream = event.NewStream(p.stdout, func(err error) {
		if errors.Is(err, syscall.EPIPE) {
			p.say("no reader is left for the events: the run goes on, and its journal.jsonl has them")
			return
		}
		p.say("no more events are written: %v; the run goes on, and its journal.jsonl has them", err)
	})
	var running sync.WaitGroup
	running.Go(crash.Guarded(f.stream.Run))
	p.stdout, p.width = p.stderr, 0
	return p, func() {
		f.stream.Close()
		stuck := time.AfterFunc(tellStuck, crash.Guarded(func() {
			p.say("the run has ended, and the reader of the events has not read them all; Ctrl-C ends this")
		}))
		running.Wait()
		stuck.Stop()
	}
}

// follow copies a journal from its beginning.
func (f *eventsFlag) follow(j *event.Journal) error {
	if f.stream == nil {
		return nil
	}
	if err := j.CopyTo(f.stream); err != nil {
		return exit.Errorf(exit.Environment, "", "--events: %w", err)
	}
	return nil
}
