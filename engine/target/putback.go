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

// changed is a model whose place in a server's memory a run changes: it has it loaded, with its own context, and kept
// for as long as the run takes.
type changed struct {
	side *server.Side
	was  *engines.LoadedModel // nil: it was not loaded
}

// remember asks what there is to be put back, once for a model of a server.
func (o *Opener) remember(ctx context.Context, key string, side *server.Side) {
	o.pool.mu.Lock()
	_, known := o.pool.changed[key]
	o.pool.mu.Unlock()
	if known {
		return
	}
	was, err := side.InMemory(ctx)
	if err != nil {
		return // what is not known cannot be put back
	}
	o.pool.mu.Lock()
	defer o.pool.mu.Unlock()
	if o.pool.changed == nil {
		o.pool.changed = map[string]changed{}
	}
	o.pool.changed[key] = changed{side, was}
}

// putBackLimit is how long the end of a run waits for a server to put a model back, which may have to be loaded anew.
const putBackLimit = time.Minute

// putBack leaves servers that others started as they were, also at the end of a run that was interrupted.
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
