//go:build fleet

package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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

	board   *fleet.Board
	cells   map[string]*dsl.Cell
	zero    time.Time     // when the run began, by the broker's clock
	start   time.Duration // how long the run had lasted when this coordinator began
	skew    time.Duration // of the broker's clock from that of this machine
	record  fleet.Run
	sets    map[string]bool // whose queue is known to be there
	changed bool            // the queues may not fit the boxes any more
	outage  string          // why the fleet cannot be asked; empty: it can
	keep    func(event.Event)
	elapsed func() time.Duration
}

// Aborted says that a run ends early, as an assertion with abort or somebody asks for it.
type Aborted struct{ Why string }

func (a Aborted) Error() string { return a.Why }

// Progress is how far a run is.
type Progress struct {
	Jobs, Settled int
	Playing       []string // boxes
}

// Boxes are those of the fleet.
func (c *Conn) Boxes(ctx context.Context) ([]fleet.Box, error) {
	var out []fleet.Box
	err := c.each(ctx, boxesStream, "fleet.from.*.box.*", func(m jetstream.Msg, at time.Time) error {
		b, err := boxOf(m, at)
		if err == nil {
			a, err := c.assigned(ctx, b.ID())
			if err != nil {
				return err
			}
			b.Drained = a.Drained == b.Instance
			out = append(out, b)
		}
		return nil
	})
	return out, err
}

func boxOf(m jetstream.Msg, at time.Time) (b fleet.Box, err error) {
	key, rest := from(m.Subject())
	if err := json.Unmarshal(m.Data(), &b); err != nil {
		return b, err
	}
	b.Key, b.Seen = key, at
	if len(rest) != 1 || rest[0] != b.Name {
		return b, errors.New("a box calls itself by another name than its subject")
	}
	return b, nil
}

// each calls f for each message that a stream has with a subject.
func (c *Conn) each(ctx context.Context, stream, subject string, f func(jetstream.Msg, time.Time) error) error {
	consumer, err := c.js.OrderedConsumer(ctx, stream, jetstream.OrderedConsumerConfig{FilterSubjects: []string{subject}})
	if err != nil {
		return fmt.Errorf("reading %s: %w", stream, err)
	}
	for left := consumer.CachedInfo().NumPending; left > 0; left-- {
		m, err := consumer.Next(jetstream.FetchMaxWait(5 * time.Second))
		if err != nil {
			return fmt.Errorf("reading %s: %w", stream, err)
		}
		about, err := m.Metadata()
		if err == nil {
			err = f(m, about.Timestamp)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Play plays the cells and returns when all have ended, or when none has to be played any more.
func (c *Coordinator) Play(ctx context.Context, cells []*dsl.Cell, elapsed func() time.Duration,
	keep func(event.Event)) error {
	c.keep, c.elapsed = keep, elapsed
	c.sets, c.cells = map[string]bool{}, map[string]*dsl.Cell{}
	for _, cell := range cells {
		c.cells[cell.ID] = cell
	}
	if len(cells) == 0 {
		return nil
	}
	err := c.begin(ctx, cells)
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

// begin puts up the jobs and makes the run known.
func (c *Coordinator) begin(ctx context.Context, cells []*dsl.Cell) error {
	files, err := c.Conn.upload(ctx, c.Files)
	if err != nil {
		return exit.Errorf(exit.Environment, "", "%w", err)
	}
	c.Order.Files = files
	jobs := fleet.Divide(c.Run, c.Plan, cells, c.Order)
	c.board = fleet.NewBoard(jobs)
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
	c.zero, c.skew = stored.Time.Add(-c.start), stored.Time.Sub(here)
	return nil
}

// tell makes the state of the run known to those who look at the fleet.
func (c *Coordinator) tell(ctx context.Context) (uint64, error) {
	data, err := json.Marshal(c.record)
	if err != nil {
		return 0, err
	}
	ack, err := c.Conn.js.Publish(ctx, runSubject(c.Run), data)
	if err != nil {
		return 0, fmt.Errorf("making the run known: %w", err)
	}
	return ack.Sequence, nil
}

// now is the time by the broker's clock.
func (c *Coordinator) now() time.Time { return time.Now().Add(c.skew) }

// listen reads what boxes say and play, from the beginning. Before is how many messages are there already.
func (c *Coordinator) listen(ctx context.Context) (news chan jetstream.Msg, before uint64, err error) {
	news = make(chan jetstream.Msg, 256)
	for stream, subject := range map[string]string{
		boxesStream: "fleet.from.*.box.*", playsStream: "fleet.from.*.play.*." + c.Run + ".>",
	} {
		consumer, err := c.Conn.js.OrderedConsumer(ctx, stream,
			jetstream.OrderedConsumerConfig{FilterSubjects: []string{subject}})
		if err != nil {
			return nil, 0, fmt.Errorf("reading %s: %w", stream, err)
		}
		before += consumer.CachedInfo().NumPending
		reading, err := consumer.Consume(func(m jetstream.Msg) {
			select {
			case news <- m:
			case <-ctx.Done():
			}
		})
		if err != nil {
			return nil, 0, fmt.Errorf("reading %s: %w", stream, err)
		}
		context.AfterFunc(ctx, crash.Guarded(reading.Stop))
	}
	return news, before, nil
}

// follow takes in what boxes say and play, and arranges the queues, until every job is settled.
func (c *Coordinator) follow(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	news, before, err := c.listen(ctx)
	if err != nil {
		return err
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	c.changed = true
	for {
		if c.changed && before == 0 {
			c.arrangeOrWait(ctx)
		}
		if c.board.Settled() == len(c.board.Jobs) {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-c.Conn.closed:
			return exit.Errorf(exit.Environment, "", "the fleet closed the connection: the key was revoked")
		case m := <-news:
			before = max(before, 1) - 1
			if err := c.hear(ctx, m); err != nil {
				return err
			}
		case <-tick.C:
			c.changed = true
			if c.cancelled(ctx) {
				c.record.State = fleet.Cancelled
				return Aborted{Why: "the run was cancelled by homellm fleet cancel"}
			}
		}
	}
}

// arrangeOrWait arranges the queues. While the fleet cannot be asked, boxes play on, and it is tried again.
func (c *Coordinator) arrangeOrWait(ctx context.Context) {
	text := ""
	if err := c.arrange(ctx); err != nil && ctx.Err() == nil {
		text = err.Error()
	}
	if text != c.outage && text != "" {
		c.Say("waiting for the fleet: %s", text)
	}
	c.changed, c.outage = false, text
}

// cancelled says whether somebody ended the run.
func (c *Coordinator) cancelled(ctx context.Context) bool {
	data, _, err := c.Conn.read(ctx, stateStream, overSubject(c.Run))
	return err == nil && string(data) == fleet.Cancelled
}

// hear takes in what a box says. An error ends the run: only what this machine cannot do is one.
func (c *Coordinator) hear(ctx context.Context, m jetstream.Msg) error {
	about, err := m.Metadata()
	if err != nil {
		return err
	}
	if about.Stream == boxesStream {
		c.meet(ctx, m, about.Timestamp)
		return nil
	}
	key, rest := from(m.Subject())
	if len(rest) != 4 || !Named(rest[3]) {
		return nil
	}
	job, attempt := c.board.Job(rest[2]), rest[3]
	if job == nil {
		return nil // of cells that are finished in the journal
	}
	p := play{Coordinator: c, job: job, attempt: job.Attempt(attempt)}
	p.path = filepath.Join(c.Dir, "play-"+job.ID+"-"+attempt+".jsonl")
	kind := m.Headers().Get(kindHeader)
	if kind == kindBegun && p.attempt == nil {
		var b fleet.Begun
		if json.Unmarshal(m.Data(), &b) == nil { // else the attempt never gets a result
			b.Box.Key, b.Box.Name = key, rest[0]
			job.Begin(attempt, b.Box, about.Timestamp)
			return os.WriteFile(p.path, nil, 0o600)
		}
		return nil
	}
	if p.attempt == nil || p.attempt.Over != "" || job.Settled {
		return nil
	}
	switch kind {
	case kindPart:
		return p.add(m.Data())
	case kindEnded:
		var e fleet.Ended
		if json.Unmarshal(m.Data(), &e) == nil {
			return p.end(ctx, e)
		}
	}
	return nil
}

// meet notes what a box says of itself.
func (c *Coordinator) meet(ctx context.Context, m jetstream.Msg, at time.Time) {
	box, err := boxOf(m, at)
	if err != nil {
		return // no box says so
	}
	if a, err := c.Conn.assigned(ctx, box.ID()); err == nil { // else it is known with the box's next description
		box.Drained = a.Drained == box.Instance
	}
	c.changed = c.board.Meet(box) || c.changed
}

// play is one attempt at a job, as it arrives.
type play struct {
	*Coordinator
	job     *fleet.Posted
	attempt *fleet.Attempt
	path    string
}

func (p play) add(data []byte) error {
	f, err := os.OpenFile(p.path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return exit.Errorf(exit.Environment, "", "collecting what box %s plays: %w", p.attempt.Box.Name, err)
	}
	_, err = f.Write(data)
	if err := errors.Join(err, f.Close()); err != nil {
		return exit.Errorf(exit.Environment, "", "collecting what box %s plays: %w", p.attempt.Box.Name, err)
	}
	return nil
}

// end takes the result of an attempt into the run, unless it has none.
func (p play) end(ctx context.Context, e fleet.Ended) error {
	p.attempt.Over = e.Failed
	if e.Failed != "" {
		p.Say("%s was not played to its end on box %s: %s", p.job.Name(), p.attempt.Box.Name, e.Failed)
		return nil
	}
	f, err := os.Open(p.path)
	if err != nil {
		return exit.Errorf(exit.Environment, "", "reading what box %s played: %w", p.attempt.Box.Name, err)
	}
	res, err := fleet.Play{Job: p.job.Job, Box: p.attempt.Box, Attempt: p.attempt.Number,
		After: p.after()}.Read(f)
	_ = f.Close() // it was only read
	if err != nil {
		p.attempt.Over = err.Error()
		p.Say("%s: the result of box %s does not count: %v", p.job.Name(), p.attempt.Box.Name, err)
		return nil
	}
	for _, e := range res.Events {
		p.keep(e)
	}
	if text := p.job.Tell(p.attempt); text != "" {
		for _, cell := range p.job.Cells {
			last := res.Events[len(res.Events)-1].At
			p.keep(event.Event{At: last, Cell: cell.ID, Body: event.Note{Code: "attempts", Text: text}})
		}
	}
	p.settle(ctx)
	if res.Aborted != "" {
		return Aborted{Why: res.Aborted}
	}
	return nil
}

// after is how long the run had lasted when the attempt began. What began under an earlier coordinator comes after what
// the journal has by now of the same cells.
func (p play) after() time.Duration { return max(p.start, p.attempt.Began.Sub(p.zero)) }

// settle says that nobody has to play the job any more.
func (p play) settle(ctx context.Context) {
	p.job.Settled = true
	p.record.Settled++
	if _, err := p.Conn.js.Publish(ctx, settledSubject(p.Run, p.job.ID), nil); err != nil {
		p.Say("the fleet was not told that %s is played: %v", p.job.Name(), err) // then it may be played once more
	}
	if _, err := p.tell(ctx); err != nil {
		p.Say("%v", err)
	}
	for _, a := range p.job.Attempts {
		_ = os.Remove(filepath.Join(p.Dir, "play-"+p.job.ID+"-"+a.ID+".jsonl")) // it may be gone
	}
}
