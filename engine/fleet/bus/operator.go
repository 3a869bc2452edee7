//go:build fleet

package bus

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"homellm/engine/exit"
	"homellm/engine/fleet"
)

// Status is the fleet in a few numbers.
type Status struct {
	Boxes   map[string]int // by their state
	Waiting int            // jobs that no box has taken
	Playing int            // jobs that a box has taken
	Runs    int            // runs that are being played
}

// Status counts boxes, jobs and runs.
func (c *Conn) Status(ctx context.Context) (Status, error) {
	s := Status{Boxes: map[string]int{}}
	boxes, err := c.Boxes(ctx)
	if err != nil {
		return s, unread(err)
	}
	now, err := c.Now(ctx)
	if err != nil {
		return s, unread(err)
	}
	for _, b := range boxes {
		s.Boxes[b.State(now)]++
	}
	stream, err := c.js.Stream(ctx, jobsStream)
	if err != nil {
		return s, unread(err)
	}
	queues := stream.ListConsumers(ctx)
	for q := range queues.Info() {
		s.Playing += q.NumAckPending
		s.Waiting += int(q.NumPending)
	}
	if err := queues.Err(); err != nil {
		return s, unread(err)
	}
	runs, err := c.Runs(ctx)
	for _, r := range runs {
		if r.State == fleet.Playing {
			s.Runs++
		}
	}
	return s, err
}

func unread(err error) error {
	return exit.Errorf(exit.Environment, "", "looking at the fleet: %w", err)
}

// Now is the time by the broker's clock.
func (c *Conn) Now(ctx context.Context) (time.Time, error) {
	stream, err := c.js.Stream(ctx, stateStream)
	if err != nil {
		return time.Time{}, err
	}
	return stream.CachedInfo().TimeStamp, nil
}

// Runs are the runs that the fleet knows, the latest first.
func (c *Conn) Runs(ctx context.Context) ([]fleet.Run, error) {
	var out []fleet.Run
	err := c.each(ctx, stateStream, runSubject("*"), func(m jetstream.Msg, _ time.Time) error {
		var r fleet.Run
		if json.Unmarshal(m.Data(), &r) == nil {
			out = append(out, r)
		}
		return nil
	})
	if err != nil {
		return nil, unread(err)
	}
	slices.SortFunc(out, func(a, b fleet.Run) int { return b.Begun.Compare(a.Begun) })
	return out, nil
}

// Drain has a box take no more jobs until its worker joins again.
func (c *Conn) Drain(ctx context.Context, name string) error {
	boxes, err := c.Boxes(ctx)
	if err != nil {
		return unread(err)
	}
	var found []fleet.Box
	for _, b := range boxes {
		if b.Name == name || b.ID() == name {
			found = append(found, b)
		}
	}
	switch len(found) {
	case 0:
		return exit.Errorf(exit.Usage, "homellm fleet boxes", "there is no box %q", name)
	case 1:
	default:
		return exit.Errorf(exit.Usage, "write "+found[0].ID(), "%d boxes are called %q", len(found), name)
	}
	if err := c.drain(ctx, found[0]); err != nil {
		return unread(err)
	}
	return nil
}

// Cancel ends a run, which is named by the beginning of its id.
func (c *Conn) Cancel(ctx context.Context, name string) (fleet.Run, error) {
	runs, err := c.Runs(ctx)
	if err != nil {
		return fleet.Run{}, err
	}
	runs = slices.DeleteFunc(runs, func(r fleet.Run) bool { return !strings.HasPrefix(r.ID, name) })
	switch len(runs) {
	case 0:
		return fleet.Run{}, exit.Errorf(exit.Usage, "homellm fleet runs", "there is no run %q", name)
	case 1:
	default:
		return fleet.Run{}, exit.Errorf(exit.Usage, "give more of its id", "%d runs begin with %q", len(runs), name)
	}
	r := runs[0]
	if r.State == fleet.Played || r.State == fleet.Cancelled {
		return r, exit.Errorf(exit.Usage, "homellm fleet runs", "run %s is over: it was %s", r.ID, r.State)
	}
	if err := c.over(ctx, r.ID, fleet.Cancelled); err != nil {
		return r, unread(err)
	}
	r.State = fleet.Cancelled
	data, err := json.Marshal(r)
	if err == nil {
		_, err = c.publish(ctx, runSubject(r.ID), data)
	}
	if err != nil {
		return r, unread(err)
	}
	return r, nil
}
