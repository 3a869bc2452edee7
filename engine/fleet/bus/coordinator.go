//go:build fleet

package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"homellm/dsl"
	"homellm/engine/crash"
	"homellm/engine/event"
	"homellm/engine/exit"
	"homellm/engine/fleet"
)

// Coordinator has the boxes of a fleet play the cells of a run, and puts together what they played. It may end and
// another one go on: everything it knows is in the streams and in the journal of the run.
type Coordinator struct {
	Conn     *Conn
	Run      string
	Plan     *dsl.Plan
	Order    fleet.Order
	Files    []File // the first is the scenario
	Dir      string // of the run: what is being played is collected there
	Lease    time.Duration
	Say      func(format string, args ...any)
	Progress func(Progress)
	Skip     func(cell *dsl.Cell, why string) // its box is gone

	// ServerLog keeps the end of the log of a server that a box started, in a file beside the journal; nil: none is asked
	// for.
	ServerLog func(file string, data []byte) error

	board    *fleet.Board
	cells    map[string]*dsl.Cell
	zero     time.Time     // when the run began, by the broker's clock
	start    time.Duration // how long the run had lasted when this coordinator began
	stamp    time.Time     // of the broker's clock, at here
	here     time.Time
	record   fleet.Run
	queues   map[string]bool   // that are known to be there
	assigned map[string]uint64 // numbers of the messages that assign queues to boxes, by the boxes' ids
	pending  []jetstream.PubAckFuture
	told     fleet.Run     // the record as the fleet has it
	changed  bool          // the queues may not fit the boxes any more
	cancel   bool          // somebody ended the run
	arranged time.Time     // when the queues were last compared with the boxes
	pause    time.Duration // until they are compared again
	outage   string        // why the fleet cannot be asked; empty: it can
	keep     func(event.Event)
	elapsed  func() time.Duration
}

// Aborted says that a run ends early, as an assertion with abort or somebody asks for it.
type Aborted struct{ Why string }

func (a Aborted) Error() string { return a.Why }

// Progress is how far a run is.
type Progress struct {
	Jobs, Settled int
	Playing       []string // boxes
}

// Play plays the cells and returns when all have ended, or when none has to be played any more.
func (c *Coordinator) Play(ctx context.Context, cells []*dsl.Cell, elapsed func() time.Duration,
	keep func(event.Event)) error {
	c.keep, c.elapsed = keep, elapsed
	c.queues, c.assigned, c.cells = map[string]bool{}, map[string]uint64{}, map[string]*dsl.Cell{}
	for _, cell := range cells {
		c.cells[cell.ID] = cell
	}
	if len(cells) == 0 {
		return nil
	}
	err := c.insist(ctx, func() error { return c.begin(ctx, cells) })
	if err == nil {
		err = c.follow(ctx)
	}
	switch aborted := (Aborted{}); {
	case err == nil, errors.As(err, &aborted):
		c.end()
		return err
	case ctx.Err() != nil:
		c.interrupt()
		return context.Cause(ctx)
	}
	c.failRest(err)
	return err
}

// insist tries something again until the fleet can do it.
func (c *Coordinator) insist(ctx context.Context, do func() error) error {
	for said := ""; ; {
		err := do()
		if err == nil || ctx.Err() != nil {
			return err
		}
		if text := err.Error(); text != said {
			c.Say("waiting for the fleet: %s", text)
			said = text
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-c.Conn.closed:
			return errClosed
		case <-time.After(time.Second):
		}
	}
}

// errClosed says that the connection has ended for good.
var errClosed = exit.Errorf(exit.Environment, "", "the fleet closed the connection: the key was revoked")

// begin puts up the jobs and makes the run known.
func (c *Coordinator) begin(ctx context.Context, cells []*dsl.Cell) error {
	files, err := c.Conn.upload(ctx, c.Files)
	if err != nil {
		return exit.Errorf(exit.Environment, "", "%w", err)
	}
	c.Order.Files, c.Order.ServerLogs = files, c.ServerLog != nil
	jobs := fleet.Divide(c.Run, c.Plan, cells, c.Order)
	c.board = fleet.NewBoard(jobs)
	if err := c.reopen(ctx); err != nil {
		return err
	}
	c.record = fleet.Run{ID: c.Run, Scenario: c.Plan.Name, By: c.Conn.key.Name, Begun: time.Now().UTC(), Jobs: len(jobs),
		State: fleet.Playing}
	here := time.Now()
	c.start = c.elapsed()
	seq, err := c.tell(ctx)
	if err != nil {
		return err
	}
	stream, err := c.Conn.js.Stream(ctx, stateStream)
	if err != nil {
		return err
	}
	stored, err := stream.GetMsg(ctx, seq)
	if err != nil {
		return fmt.Errorf("reading the clock of the fleet: %w", err)
	}
	c.zero, c.stamp, c.here = stored.Time.Add(-c.start), stored.Time, here
	return nil
}

// tell makes the state of the run known to those who look at the fleet.
func (c *Coordinator) tell(ctx context.Context) (uint64, error) {
	data, err := json.Marshal(c.record)
	if err != nil {
		return 0, err
	}
	ack, err := c.Conn.publish(ctx, runSubject(c.Run), data)
	if err != nil {
		return 0, fmt.Errorf("making the run known: %w", err)
	}
	c.told = c.record
	return ack.Sequence, nil
}

// now is the time by the broker's clock. It goes on from the stamp by this machine's monotonic clock: setting the wall
// clock by an hour would make every box look gone.
func (c *Coordinator) now() time.Time { return c.stamp.Add(time.Since(c.here)) }

// ahead is how much the broker may send ahead of what was taken in: a broker cuts off whoever has too much to fetch.
const ahead = 16 * part

// listen reads what boxes say and play and what is kept for them, from the beginning. Before is how many messages are
// there already.
func (c *Coordinator) listen(ctx context.Context) (news chan jetstream.Msg, before uint64, err error) {
	news = make(chan jetstream.Msg, 16)
	var readings []jetstream.ConsumeContext
	defer func() {
		for _, reading := range readings {
			if err != nil {
				reading.Stop()
			} else {
				context.AfterFunc(ctx, crash.Guarded(reading.Stop))
			}
		}
	}()
	for stream, subjects := range map[string][]string{
		stateStream: {setSubject("*.*"), overSubject(c.Run)},
		boxesStream: {"fleet.from.*.box.*"}, playsStream: {"fleet.from.*.play.*." + c.Run + ".>"},
	} {
		consumer, err := c.Conn.js.OrderedConsumer(ctx, stream, jetstream.OrderedConsumerConfig{FilterSubjects: subjects})
		if err != nil {
			return nil, 0, fmt.Errorf("reading %s: %w", stream, err)
		}
		before += consumer.CachedInfo().NumPending
		reading, err := consumer.Consume(func(m jetstream.Msg) {
			select {
			case news <- m:
			case <-ctx.Done():
			}
		}, jetstream.PullMaxBytes(ahead))
		if err != nil {
			return nil, 0, fmt.Errorf("reading %s: %w", stream, err)
		}
		readings = append(readings, reading)
	}
	return news, before, nil
}

// follow takes in what boxes say and play, and arranges the queues, until every job is settled.
func (c *Coordinator) follow(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var news chan jetstream.Msg
	var before uint64
	if err := c.insist(ctx, func() (err error) {
		news, before, err = c.listen(ctx)
		return err
	}); err != nil {
		return err
	}
	tick := time.NewTicker(leastPause)
	defer tick.Stop()
	for {
		if before == 0 && c.due() {
			c.arrangeOrWait(ctx)
		}
		if c.board.Settled() == len(c.board.Jobs) {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-c.Conn.closed:
			return errClosed
		case m := <-news:
			before = max(before, 1) - 1
			if err := c.hear(m); err != nil {
				return err
			}
		case <-tick.C:
			c.confirm()
		}
		if c.cancel {
			c.record.State = fleet.Cancelled
			return Aborted{Why: "the run was cancelled by homellm fleet cancel"}
		}
	}
}

// The rhythm of arranging: soon when a box came or went, and every second, unless that takes long. Many boxes that come
// one after the other are met together.
const (
	leastPause = 100 * time.Millisecond
	usualPause = time.Second
	mostShare  = 20 // arranging takes at most this part of the time

	longestPause = 15 * time.Second // a fleet that answers slowly once does not stop a run for minutes
)

// due says whether the queues have to be compared with the boxes.
func (c *Coordinator) due() bool {
	since := time.Since(c.arranged)
	return since >= c.pause || c.changed && since >= leastPause
}

// arrangeOrWait arranges the queues. While the fleet cannot be asked, boxes play on, and it is tried again.
func (c *Coordinator) arrangeOrWait(ctx context.Context) {
	begun := time.Now()
	text := ""
	if err := c.arrange(ctx); err != nil && ctx.Err() == nil {
		text = err.Error()
	}
	if text != c.outage && text != "" {
		c.Say("waiting for the fleet: %s", text)
	}
	c.changed, c.outage = false, text
	c.arranged = time.Now()
	c.pause = min(longestPause, max(usualPause, mostShare*c.arranged.Sub(begun)))
}

// confirm says what the fleet did not take of what it was told.
func (c *Coordinator) confirm() {
	c.pending = slices.DeleteFunc(c.pending, func(f jetstream.PubAckFuture) bool {
		select {
		case <-f.Ok():
			return true
		case err := <-f.Err(): // then it may be played once more
			c.Say("the fleet was not told that %s was played: %v", f.Msg().Subject, err)
			return true
		default:
			return false
		}
	})
}

// hear takes in what a box says. An error ends the run: only what this machine cannot do is one.
func (c *Coordinator) hear(m jetstream.Msg) error {
	about, err := m.Metadata()
	if err != nil {
		return err
	}
	switch about.Stream {
	case boxesStream:
		if box, err := boxOf(m, about.Timestamp); err == nil { // else no box says so
			c.changed = c.board.Meet(box) || c.changed
		}
		return nil
	case stateStream:
		c.note(m, about.Sequence.Stream)
		return nil
	}
	return c.hearPlay(m, about.Timestamp)
}

// note notes what the broker keeps for a box, and whether somebody ended the run.
func (c *Coordinator) note(m jetstream.Msg, seq uint64) {
	if m.Subject() == overSubject(c.Run) {
		c.cancel = string(m.Data()) == fleet.Cancelled
		return
	}
	id := assignedTo(m.Subject())
	var a fleet.Assignment
	if seq <= c.assigned[id] || json.Unmarshal(m.Data(), &a) != nil {
		return // it is known already, or nobody can read it
	}
	c.assigned[id] = seq
	c.changed = c.board.Assign(id, a) || c.changed
}
