package observe

import (
	"context"
	"errors"

	"homellm/engine/event"
	"homellm/engine/server"
)

// refusal is a canary request that failed.
type refusal struct{ cause *event.Error }

func (r refusal) Error() string { return r.cause.Message }

// canary returns a function for the self-test that sends a prompt, under a salt if there is one.
func (o *Observer) canary(salt string) server.Send { return o.told.listen(o.server.Send, salt) }

// listen returns a function that sends a prompt, under a salt if there is one, and records what the reply reports.
func (t *replyFacts) listen(send Send, salt string) server.Send {
	return func(ctx context.Context, text string) (server.Reply, error) {
		e := send(ctx, text, salt)
		if e.Err == nil {
			t.add(&e)
		}
		switch {
		case ctx.Err() != nil:
			return server.Reply{}, context.Cause(ctx)
		case e.Err != nil && e.Err.Class != "empty": // a single token may be the end of the sequence
			return server.Reply{}, refusal{e.Err}
		}
		return replyOf(&e), nil
	}
}

// asRefusal finds the failed request in an error.
func asRefusal(err error) (*event.Error, bool) {
	var r refusal
	ok := errors.As(err, &r)
	return r.cause, ok
}
