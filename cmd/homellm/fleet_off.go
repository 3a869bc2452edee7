//go:build !fleet

package main

import (
	"context"

	"github.com/spf13/cobra"

	"homellm/dsl"
	"homellm/engine"
	"homellm/engine/fleet"
	"homellm/engine/listing"
	"homellm/engine/results"
)

// fleetCommands are the commands of a fleet. They need NATS, which is 12 MB of the program: see
// docs/adr/0011-fleet-behind-a-build-tag.md.
var fleetCommands []func(process) *cobra.Command

// fleetFlags are the flags of apply that play on a fleet. This program has none.
type fleetFlags struct{}

func (fleetFlags) add(*cobra.Command, ...string) {}

func (fleetFlags) addLogs(*cobra.Command) {}

func (fleetFlags) asked() bool { return false }

func (fleetFlags) place(ctx context.Context, opt *dsl.Options, _ *results.Folder) {
	opt.Box = thisMachine(ctx)
}

func (fleetFlags) open(context.Context, process, []dsl.File) (func(), error) {
	return func() {}, nil
}

func (fleetFlags) fit([]*dsl.Plan, func(string, ...any)) error { return nil }

func (fleetFlags) jobs(*dsl.Plan) []listing.Job { return nil }

func (fleetFlags) elsewhere(process, *dsl.Plan, *results.Folder, fleet.Order, func(engine.Progress)) engine.Elsewhere {
	return nil
}

func (fleetFlags) show(bar func(engine.Progress)) func(engine.Progress) { return bar }

func (fleetFlags) again() []string { return nil }
