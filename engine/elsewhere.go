package engine

import (
	"context"
	"time"

	"homellm/dsl"
	"homellm/engine/event"
)

// Elsewhere plays cells on other machines, and records what becomes of them. An error that is an [Aborted] ends the run
// as an assertion with abort does.
type Elsewhere func(ctx context.Context, cells []*dsl.Cell, to Record) error

// Record takes what other machines play.
type Record struct {
	Elapsed func() time.Duration // how long the run has lasted

	// Keep stores an event at its own instant since the start of the run. The events of a cell come in their order.
	Keep func(event.Event)

	// Skip says why a cell is not played, now that its machine is gone.
	Skip func(cell *dsl.Cell, why string)
}
