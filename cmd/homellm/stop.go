package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"homellm/engine/exit"
	"homellm/engine/host"
	"homellm/engine/target"
)

func newStop(p process) *cobra.Command {
	return &cobra.Command{
		Use:   "stop [PROFILE]",
		Short: "Stop servers that homellm started",
		Long: `stop ends servers that homellm started and that still run, with all their
processes: those that an earlier homellm left behind because it was killed, and,
named by its profile, one that a homellm serve keeps running.

Servers that homellm did not start are never touched.`,
		Example: `  homellm stop
  homellm stop phi3-debug`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completeServers,
		RunE: func(_ *cobra.Command, args []string) error {
			name := ""
			if len(args) > 0 {
				name = args[0]
			}
			return stop(p, name)
		},
	}
}

// stopGrace is how long a server may take to end by itself. A profile may allow more, but the record of a process
// does not hold that.
const stopGrace = 30 * time.Second

func stop(p process, name string) error {
	left, err := host.Leftovers(target.Records(p.stateDir))
	if err != nil {
		return exit.Errorf(exit.Environment, "", "%w", err)
	}
	stopped, inUse := 0, 0
	for _, l := range left {
		if name != "" && l.Name != name {
			continue
		}
		if name == "" && l.Owned {
			inUse++
			fmt.Fprintf(p.stdout, "in use by a running homellm: %s; to stop it all the same: homellm stop %s\n", l, l.Name)
			continue
		}
		if err := host.StopLeftover(l, stopGrace); err != nil {
			return exit.Errorf(exit.Environment, "", "%w", err)
		}
		stopped++
		fmt.Fprintf(p.stdout, "stopped %s\n", l)
	}
	switch {
	case stopped == 0 && name != "":
		return exit.Errorf(exit.Usage, "homellm servers shows what runs", "no server of profile %q runs that homellm started",
			name)
	case stopped == 0 && inUse == 0:
		fmt.Fprintln(p.stdout, "no server runs that homellm started")
	}
	return nil
}
