//go:build fleet

package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	for _, m := range moves.Withdraw {
		if err := c.withdraw(ctx, jobSubject(m.Set.Name, m.Job.Job)); err != nil {
			return err
		}
	}
	for _, m := range moves.Offer {
		if err := c.offer(ctx, m); err != nil {
			return err
		}
	}
	for _, p := range moves.GiveUp {
		c.giveUp(ctx, p)
	}
	c.show()
	return nil
}

// queued are the jobs of the run that are in a queue. It notes whose queue that is, which an earlier coordinator may
// have chosen.
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
		words := strings.Split(subject, ".")
		if p := c.board.Job(words[4]); p != nil {
			out[p.ID] = true
			p.Set = words[2]
		}
	}
	return out, nil
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

// offer puts a job into the queue of a set.
func (c *Coordinator) offer(ctx context.Context, m fleet.Move) error {
	if err := c.makeQueue(ctx, m.Set); err != nil {
		return err
	}
	data, err := json.Marshal(m.Job.Job)
	if err != nil {
		return err
	}
	subject := jobSubject(m.Set.Name, m.Job.Job)
	_, err = c.Conn.js.Publish(ctx, subject, data, jetstream.WithExpectLastSequencePerSubject(0))
	if _, there := wrongLast(err); err != nil && !there {
		return fmt.Errorf("offering a job: %w", err)
	}
	m.Job.Set = m.Set.Name
	return nil
}

// makeQueue makes the queue of a set, and tells its boxes. The boxes of a set share one consumer: a job goes to the
// first that asks.
func (c *Coordinator) makeQueue(ctx context.Context, s fleet.Set) error {
	if c.sets[s.Name] {
		return nil
	}
	_, err := c.Conn.js.CreateOrUpdateConsumer(ctx, jobsStream, jetstream.ConsumerConfig{
		Durable: s.Name, FilterSubject: "fleet.job." + s.Name + ".>", AckPolicy: jetstream.AckExplicitPolicy,
		AckWait: c.Lease, MaxDeliver: -1, MaxAckPending: 10_000, MaxWaiting: 50_000, InactiveThreshold: kept,
	})
	if err != nil {
		return fmt.Errorf("making a queue: %w", err)
	}
	for _, id := range s.Boxes {
		if err := c.Conn.assign(ctx, id, func(a *fleet.Assignment) {
			if !slices.Contains(a.Sets, s.Name) {
				a.Sets = append(a.Sets, s.Name)
			}
		}); err != nil {
			return err
		}
	}
	c.sets[s.Name] = true
	return nil
}

// assigned reads what the broker keeps for a box.
func (c *Conn) assigned(ctx context.Context, id string) (a fleet.Assignment, err error) {
	data, _, err := c.read(ctx, stateStream, setSubject(id))
	if errors.Is(err, errNone) {
		return a, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &a)
	}
	return a, err
}

// mostSets limits the queues that a box asks: of the oldest nothing is left to play.
const mostSets = 16

// assign changes what the broker keeps for a box. Another coordinator may change it at the same time.
func (c *Conn) assign(ctx context.Context, id string, change func(*fleet.Assignment)) error {
	for {
		data, seq, err := c.read(ctx, stateStream, setSubject(id))
		var a fleet.Assignment
		switch {
		case err == nil:
			err = json.Unmarshal(data, &a)
		case errors.Is(err, errNone):
			err = nil
		}
		if err != nil {
			return fmt.Errorf("assigning queues to box %s: %w", id, err)
		}
		change(&a)
		a.Sets = a.Sets[max(0, len(a.Sets)-mostSets):]
		changed, err := json.Marshal(a)
		if err != nil {
			return err
		}
		_, err = c.js.Publish(ctx, setSubject(id), changed, jetstream.WithExpectLastSequencePerSubject(seq))
		if _, other := wrongLast(err); !other {
			return err
		}
	}
}

// giveUp ends a job whose attempts all ended without a result.
func (c *Coordinator) giveUp(ctx context.Context, p *fleet.Posted) {
	text := fmt.Sprintf("none of %d attempts had a result: %s", len(p.Attempts), p.Tell(nil))
	c.fail(p, text, "homellm fleet boxes shows the boxes; their workers say more")
	if p.Set != "" {
		if err := c.withdraw(ctx, jobSubject(p.Set, p.Job)); err != nil {
			c.Say("%v", err)
		}
	}
	play{Coordinator: c, job: p}.settle(ctx)
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
	for _, j := range c.board.Jobs {
		for _, a := range j.Attempts {
			if !j.Settled && a.Over == "" && !slices.Contains(p.Playing, a.Box.Name) {
				p.Playing = append(p.Playing, a.Box.Name)
			}
		}
	}
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
	if _, err := c.js.Publish(ctx, overSubject(run), []byte(why)); err != nil {
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
