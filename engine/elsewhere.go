package engine

import (
	"context"
	"time"

	"homellm/dsl"
	"homellm/engine/event"
)

// Elsewhere plays cells on other machines. It stores their events with keep, each at its own instant since the start of
// the run, and the events of a cell in their order. Elapsed is how long the run has lasted. An error that is an
// [Aborted] ends the run as an assertion with abort does.
type Elsewhere func(ctx context.Context, cells []*dsl.Cell, elapsed func() time.Duration, keep func(event.Event)) error
