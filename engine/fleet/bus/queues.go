//go:build fleet

package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"homellm/engine/event"
	"homellm/engine/fleet"
)

// arrange brings the queues in line with the boxes.
func (c *Coordinator) arrange(ctx context.Context) error {
	queued, err := c.queued(ctx)
	if err != nil {
		return err
	}
	moves := c.board.Arrange(c.now(), queued)
	for _, queue := range moves.Queues {
		if err := c.makeQueue(ctx, queue); err != nil {
			return err
		}
	}
	if err := c.assign(ctx, moves.Assign); err != nil {
		return err
	}
	if err := c.offer(ctx, moves.Offer); err != nil {
		return err
	}
	for _, p := range moves.GiveUp {
		c.giveUp(ctx, p)
	}
	for _, lost := range moves.Skip {
		c.skip(ctx, lost)
	}
	c.show()
	if c.told != c.record {
		_, err = c.tell(ctx)
	}
	return err
}

// queued are the jobs of the run that are in a queue.
func (c *Coordinator) queued(ctx context.Context) (map[string]bool, error) {
	stream, err := c.Conn.js.Stream(ctx, jobsStream)
	if err != nil {
		return nil, fmt.Errorf("reading the queues: %w", err)
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter("fleet.job.*."+c.Run+".*"))
	if err != nil {
		return nil, fmt.Errorf("reading the queues: %w", err)
	}
	out := map[string]bool{}
	for subject := range info.State.Subjects {
		out[subject[strings.LastIndexByte(subject, '.')+1:]] = true
	}
	return out, nil
}

// reopen takes back that the run is over and that jobs are settled which have to be played all the same: what the
// journal of a resumed run lacks is played, whatever the fleet knows. A run that was cancelled stays so.
func (c *Coordinator) reopen(ctx context.Context) error {
	stream, err := c.Conn.js.Stream(ctx, stateStream)
	if err != nil {
		return fmt.Errorf("reading %s: %w", stateStream, err)
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(settledSubject(c.Run, "*")))
	if err != nil {
		return fmt.Errorf("reading %s: %w", stateStream, err)
	}
	var outdated []string
	for subject := range info.State.Subjects {
		if c.board.Job(strings.TrimPrefix(subject, settledSubject(c.Run, ""))) != nil {
			outdated = append(outdated, subject)
		}
	}
	why, _, err := c.Conn.read(ctx, stateStream, overSubject(c.Run))
	switch {
	case err == nil && string(why) != fleet.Cancelled:
		outdated = append(outdated, overSubject(c.Run))
	case err != nil && !errors.Is(err, errNone):
		return err
	}
	for _, subject := range outdated {
		if err := stream.Purge(ctx, jetstream.WithPurgeSubject(subject)); err != nil {
			return fmt.Errorf("removing %s: %w", subject, err)
		}
	}
	return nil
}

// withdraw takes a job out of a queue.
func (c *Coordinator) withdraw(ctx context.Context, subject string) error {
	stream, err := c.Conn.js.Stream(ctx, jobsStream)
	if err == nil {
		err = stream.Purge(ctx, jetstream.WithPurgeSubject(subject))
	}
	if err != nil {
		return fmt.Errorf("taking a job out of its queue: %w", err)
	}
	return nil
}

// offer puts jobs into their queues.
func (c *Coordinator) offer(ctx context.Context, jobs []*fleet.Posted) error {
	var all []posting
	for _, p := range jobs {
		data, err := json.Marshal(p.Job)
		if err != nil {
			return err
		}
		all = append(all, posting{jobSubject(p.Queue, p.Job), data, 0})
	}
	if _, err := c.Conn.post(ctx, all); err != nil {
		return fmt.Errorf("offering jobs: %w", err)
	}
	return nil
}

// posting is a message that follows another one with its subject; zero: it is the first.
type posting struct {
	subject string
	data    []byte
	after   uint64
}

// together is how many messages are sent before the first has to be confirmed.
const together = 1000

// post sends many messages and returns their numbers. A message that does not follow the one that it should has none:
// somebody else sent one.
func (c *Conn) post(ctx context.Context, all []posting) ([]uint64, error) {
	ctx, done := c.answer(ctx, 30*time.Second)
	defer done()
	var out []uint64
	for part := range slices.Chunk(all, together) {
		sent := make([]jetstream.PubAckFuture, len(part))
		for i, p := range part {
			var err error
			sent[i], err = c.js.PublishAsync(p.subject, p.data, jetstream.WithExpectLastSequencePerSubject(p.after))
			if err != nil {
				return nil, err
			}
		}
		for _, s := range sent {
			select {
			case ack := <-s.Ok():
				out = append(out, ack.Sequence)
			case err := <-s.Err():
				if _, other := wrongLast(err); !other {
					return nil, err
				}
				out = append(out, 0)
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
		}
	}
	return out, nil
}

// makeQueue makes a queue. The boxes that ask it share one consumer: a job goes to the first that asks.
func (c *Coordinator) makeQueue(ctx context.Context, name string) error {
	if c.queues[name] {
		return nil
	}
	_, err := c.Conn.js.CreateOrUpdateConsumer(ctx, jobsStream, jetstream.ConsumerConfig{
		Durable: name, FilterSubject: "fleet.job." + name + ".>", AckPolicy: jetstream.AckExplicitPolicy,
		AckWait: c.Lease, MaxDeliver: -1, MaxAckPending: 10_000, MaxWaiting: 50_000, InactiveThreshold: kept,
	})
	if err != nil {
		return fmt.Errorf("making a queue: %w", err)
	}
	c.queues[name] = true
	return nil
}

// assign tells boxes which queues to ask. What another coordinator has changed at the same time is heard, and the
// queues are compared again.
func (c *Coordinator) assign(ctx context.Context, to map[string]fleet.Assignment) error {
	var all []posting
	ids := slices.Sorted(maps.Keys(to))
	for _, id := range ids {
		data, err := json.Marshal(to[id])
		if err != nil {
			return err
		}
		all = append(all, posting{setSubject(id), data, c.assigned[id]})
	}
	numbers, err := c.Conn.post(ctx, all)
	if err != nil {
		return fmt.Errorf("assigning queues to boxes: %w", err)
	}
	for i, id := range ids {
		if numbers[i] > 0 {
			c.assigned[id] = numbers[i]
			c.board.Assign(id, to[id])
		}
	}
	return nil
}

// drain has a box take no more jobs. A coordinator may assign queues to it at the same time.
func (c *Conn) drain(ctx context.Context, b fleet.Box) error {
	for {
		data, seq, err := c.read(ctx, stateStream, setSubject(b.ID()))
		var a fleet.Assignment
		switch {
		case err == nil:
			err = json.Unmarshal(data, &a)
		case errors.Is(err, errNone):
			err = nil
		}
		if err != nil {
			return err
		}
		a.Drained = b.Instance
		changed, err := json.Marshal(a)
		if err != nil {
			return err
		}
		_, err = c.publish(ctx, setSubject(b.ID()), changed, jetstream.WithExpectLastSequencePerSubject(seq))
		if _, other := wrongLast(err); !other {
			return err
		}
	}
}

// giveUp ends a job whose attempts all ended without a result.
func (c *Coordinator) giveUp(ctx context.Context, p *fleet.Posted) {
	text := fmt.Sprintf("none of %d attempts had a result: %s", len(p.Attempts), p.Tell(nil))
	c.fail(p, text, "homellm fleet boxes shows the boxes; their workers say more")
	c.close(ctx, p)
}

// skip ends a job that its box will not play any more.
func (c *Coordinator) skip(ctx context.Context, lost fleet.Lost) {
	c.Say("skipped (%s): %s", lost.Job.Name(), lost.Why)
	for _, cell := range lost.Job.Cells {
		c.Skip(c.cells[cell.ID], lost.Why)
	}
	c.close(ctx, lost.Job)
}

// close settles a job that has no result.
func (c *Coordinator) close(ctx context.Context, p *fleet.Posted) {
	if err := c.withdraw(ctx, jobSubject(p.Queue, p.Job)); err != nil {
		c.Say("%v", err)
	}
	play{Coordinator: c, job: p}.settle()
}

func (c *Coordinator) fail(p *fleet.Posted, text, hint string) {
	for _, cell := range p.Cells {
		c.keep(event.Event{At: c.elapsed(), Cell: cell.ID, Body: event.CellFailed{Err: text, Hint: hint}})
	}
}

// failRest ends the jobs that have no result, because the fleet cannot be used any more.
func (c *Coordinator) failRest(why error) {
	if c.board == nil {
		for id := range c.cells {
			c.keep(event.Event{At: c.elapsed(), Cell: id, Body: event.CellFailed{Err: why.Error()}})
		}
		return
	}
	for _, p := range c.board.Jobs {
		if !p.Settled {
			c.fail(p, why.Error(), "")
		}
	}
}

// show reports how far the run is.
func (c *Coordinator) show() {
	p := Progress{Jobs: len(c.board.Jobs), Settled: c.board.Settled()}
	playing := map[string]bool{}
	for _, j := range c.board.Jobs {
		for _, a := range j.Attempts {
			if !j.Settled && a.Over == "" {
				playing[a.Box.Name] = true
			}
		}
	}
	p.Playing = slices.Sorted(maps.Keys(playing))
	c.Progress(p)
}

// leaving is how long the end of a run may take to tell the fleet of it.
const leaving = 10 * time.Second

// end clears what the fleet keeps of a run that has ended.
func (c *Coordinator) end() {
	ctx, cancel := context.WithTimeout(context.Background(), leaving)
	defer cancel()
	if c.record.State == fleet.Playing {
		c.record.State = fleet.Played
	}
	_, err := c.tell(ctx)
	if err == nil {
		err = c.Conn.over(ctx, c.Run, c.record.State)
	}
	if err != nil {
		c.Say("the fleet was not told that the run is over: %v", err)
	}
}

// interrupt takes back the jobs that wait. What boxes are playing now is kept for a coordinator that continues the run.
func (c *Coordinator) interrupt() {
	ctx, cancel := context.WithTimeout(context.Background(), leaving)
	defer cancel()
	err := c.withdraw(ctx, "fleet.job.*."+c.Run+".*")
	c.record.State = fleet.Interrupted
	if _, told := c.tell(ctx); err == nil {
		err = told
	}
	if err != nil {
		c.Say("the fleet was not told that the run was interrupted: %v", err)
	}
}

// over ends a run: its jobs are played no more, and what was played of them is removed.
func (c *Conn) over(ctx context.Context, run, why string) error {
	if _, err := c.publish(ctx, overSubject(run), []byte(why)); err != nil {
		return err
	}
	for stream, subject := range map[string]string{
		jobsStream: "fleet.job.*." + run + ".*", playsStream: "fleet.from.*.play.*." + run + ".>",
		stateStream: settledSubject(run, "*"),
	} {
		s, err := c.js.Stream(ctx, stream)
		if err == nil {
			err = s.Purge(ctx, jetstream.WithPurgeSubject(subject))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
