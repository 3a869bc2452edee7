package main

import (
	"context"
	"sync"

	"homellm/dsl/expr"
	"homellm/engine/fleet"
	"homellm/engine/host"
)

// thisMachine returns the facts of this machine by their names in requires.box. It is looked at when the first is asked
// for: most scenarios ask for none.
func thisMachine(ctx context.Context) expr.Lookup {
	look := sync.OnceValues(func() (fleet.Box, error) {
		telemetry := host.OpenTelemetry(ctx, host.Options{})
		defer telemetry.Close()
		return fleet.Here(telemetry.Inspect(ctx))
	})
	return func(path string) expr.Value {
		here, err := look()
		if err != nil {
			return expr.Value{Why: err.Error()}
		}
		return here.Fact(path)
	}
}
