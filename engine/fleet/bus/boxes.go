//go:build fleet

package bus

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"homellm/engine/fleet"
)

// Boxes are those of the fleet, by their names.
func (c *Conn) Boxes(ctx context.Context) ([]fleet.Box, error) {
	drained := map[string]string{} // instances of boxes, by their ids
	err := c.each(ctx, stateStream, setSubject("*.*"), func(m jetstream.Msg, _ time.Time) error {
		var a fleet.Assignment
		if json.Unmarshal(m.Data(), &a) == nil {
			drained[assignedTo(m.Subject())] = a.Drained
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var out []fleet.Box
	err = c.each(ctx, boxesStream, "fleet.from.*.box.*", func(m jetstream.Msg, at time.Time) error {
		if b, err := boxOf(m, at); err == nil {
			b.Drained = drained[b.ID()] == b.Instance
			out = append(out, b)
		}
		return nil
	})
	slices.SortFunc(out, func(x, y fleet.Box) int {
		return cmp.Or(strings.Compare(x.Name, y.Name), strings.Compare(x.Key, y.Key))
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
	left := consumer.CachedInfo().NumPending
	if left == 0 {
		return nil
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(1000))
	if err != nil {
		return fmt.Errorf("reading %s: %w", stream, err)
	}
	defer messages.Stop()
	for ; left > 0; left-- {
		m, err := messages.Next(jetstream.NextMaxWait(5 * time.Second))
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
