package target

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"homellm/engine/engines"
	"homellm/engine/server"
)

// changed is a model whose state in a server's memory a run changes: it loads the model, with its own context size
// and keep-alive time.
type changed struct {
	side *server.Side
	was  *engines.LoadedModel // nil: it was not loaded
}

// remember asks for the state to restore, once per model of a server.
func (o *Opener) remember(ctx context.Context, key string, side *server.Side) {
	o.pool.mu.Lock()
	_, known := o.pool.changed[key]
	o.pool.mu.Unlock()
	if known {
		return
	}
	was, err := side.InMemory(ctx)
	if err != nil {
		return // an unknown state cannot be restored
	}
	o.pool.mu.Lock()
	defer o.pool.mu.Unlock()
	if o.pool.changed == nil {
		o.pool.changed = map[string]changed{}
	}
	o.pool.changed[key] = changed{side, was}
}

// putBackLimit is how long the end of a run waits for a server to restore a model, which may have to be loaded again.
const putBackLimit = time.Minute

// putBack restores the state of servers that others started, also after an interrupted run.
func (o *Opener) putBack() error {
	o.pool.mu.Lock()
	list := o.pool.changed
	o.pool.changed = nil
	o.pool.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), putBackLimit)
	defer cancel()
	var errs []error
	for _, key := range slices.Sorted(maps.Keys(list)) {
		errs = append(errs, list[key].side.Restore(ctx, list[key].was))
	}
	return errors.Join(errs...)
}
