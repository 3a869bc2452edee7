//go:build fleet

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"homellm/engine"
	"homellm/engine/exit"
	"homellm/engine/fleet"
	"homellm/engine/fleet/bus"
	"homellm/engine/listing"
)

var fleetCommands = []func(process) *cobra.Command{newFleet}

func newFleet(p process) *cobra.Command {
	c := &cobra.Command{
		Use:   "fleet",
		Short: "Play one scenario on many machines",
		Long: `fleet joins machines (boxes) into a fleet. One of them runs the broker (fleet serve),
each box a worker (fleet join), and apply --fleet plays every cell of a scenario on
a box that has its server profile. docs/fleet.md says more.`,
	}
	for _, sub := range []func(process) *cobra.Command{
		newFleetServe, newFleetKey, newFleetJoin, newFleetStatus, newFleetBoxes, newFleetRuns, newFleetDrain,
		newFleetCancel, newFleetPlay,
	} {
		c.AddCommand(sub(p))
	}
	return c
}

// storeFlag is --store.
type storeFlag struct{ dir string }

func (s *storeFlag) add(c *cobra.Command, p process) {
	c.Flags().StringVar(&s.dir, "store", filepath.Join(p.configDir, "fleet"),
		"folder of the broker: keys, certificate, streams")
}

func newFleetServe(p process) *cobra.Command {
	var store storeFlag
	var listen string
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run the broker of a fleet until Ctrl-C",
		Long: `serve runs the broker of a fleet: a NATS server with JetStream, inside of homellm.
On its first start it makes the keys operator.key and worker.key in its folder.
At an address other than a loopback one, connections are encrypted with a
certificate that the keys carry.`,
		Example: `  homellm fleet serve
  homellm fleet serve --listen 0.0.0.0:4222 --store /var/lib/homellm-fleet`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			b := bus.Broker{Listen: listen, Store: bus.Store{Dir: store.dir}, Warn: p.say}
			return ended(c.Context(), b.Serve(c.Context(), func(address string) {
				fmt.Fprintf(p.stdout, "the fleet is ready at %s; Ctrl-C stops it\nkeys are in %s\n", address, store.dir)
			}))
		},
	}
	c.Flags().StringVar(&listen, "listen", "127.0.0.1:4222", "address to listen on")
	store.add(c, p)
	return c
}

// ended is the error of a command that runs until a signal ends it.
func ended(ctx context.Context, err error) error {
	if _, ok := errors.AsType[engine.Interrupted](context.Cause(ctx)); ok {
		return nil
	}
	return err
}

func newFleetKey(p process) *cobra.Command {
	c := &cobra.Command{Use: "key", Short: "Add, list and revoke the keys of a fleet, on the machine of its broker"}
	c.AddCommand(newFleetKeyInit(p), newFleetKeyAdd(p), newFleetKeyList(p), newFleetKeyRevoke(p))
	return c
}

func newFleetKeyInit(p process) *cobra.Command {
	var store storeFlag
	var authorities string
	c := &cobra.Command{
		Use:   "init ADDRESS[,ADDRESS...]",
		Short: "Make the first keys of a fleet whose brokers are NATS servers of your own",
		Long: `init makes the keys operator.key and worker.key of a fleet whose brokers are not
homellm fleet serve, but NATS servers with JetStream at these addresses. The file
users.conf beside them has the keys and what each may do, for the configuration of
the servers; key add and key revoke change it, and the servers read it again with
nats-server --signal reload.`,
		Example: `  homellm fleet key init nats://a:4222,nats://b:4222,nats://c:4222 --store fleet`,
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := (bus.Store{Dir: store.dir}).Outside(args[0], authorities); err != nil {
				return err
			}
			p.sayPath("%s", store.dir)
			return nil
		},
	}
	c.Flags().StringVar(&authorities, "ca", "", "PEM file of who vouches for the servers' certificates (default: those "+
		"whom the machine of the key trusts)")
	store.add(c, p)
	return c
}

func newFleetKeyAdd(p process) *cobra.Command {
	var store storeFlag
	role := string(bus.Worker)
	c := &cobra.Command{
		Use:   "add NAME",
		Short: "Make a key for a box or an operator",
		Example: `  homellm fleet key add cellar
  homellm fleet key add anna --role operator`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			path, err := bus.Store{Dir: store.dir}.Add(args[0], bus.Role(role))
			if err == nil {
				p.sayPath("%s", path)
			}
			return err
		},
	}
	c.Flags().StringVar(&role, "role", role, "what it may do: worker or operator")
	store.add(c, p)
	return c
}

func newFleetKeyList(p process) *cobra.Command {
	var store storeFlag
	c := &cobra.Command{
		Use:   "list",
		Short: "List the keys of a fleet",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			keys, err := bus.Store{Dir: store.dir}.Keys()
			if err != nil {
				return err
			}
			return columns(p.stdout, "NAME\tROLE\tADDED", len(keys), func(i int) string {
				return fmt.Sprintf("%s\t%s\t%s", keys[i].Name, keys[i].Role, keys[i].Added.Format(time.RFC3339))
			})
		},
	}
	store.add(c, p)
	return c
}

func newFleetKeyRevoke(p process) *cobra.Command {
	var store storeFlag
	c := &cobra.Command{
		Use:   "revoke NAME",
		Short: "Make a key invalid: whoever uses it is out within seconds",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := (bus.Store{Dir: store.dir}).Revoke(args[0]); err != nil {
				return err
			}
			p.say("key %q is revoked", args[0])
			return nil
		},
	}
	store.add(c, p)
	return c
}

// columns prints a table.
func columns(w io.Writer, head string, rows int, row func(int) string) error {
	t := tabwriter.NewWriter(plain{w}, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, head)
	for i := range rows {
		fmt.Fprintln(t, row(i))
	}
	return t.Flush()
}

// operatorFlags say which fleet a command looks at.
type operatorFlags struct{ url, key, creds string }

func (o *operatorFlags) add(c *cobra.Command, p process) {
	c.Flags().StringVar(&o.url, "fleet", "", "address of the fleet (default: that of the key)")
	c.Flags().StringVar(&o.key, "key", filepath.Join(p.configDir, "fleet", "operator.key"), "file of an operator's key")
	c.Flags().StringVar(&o.creds, "creds", "", "in its place: file of the credentials of a user of NATS")
	c.MarkFlagsMutuallyExclusive("key", "creds")
}

// looking makes a command that asks the fleet.
func looking(p process, use, short string, args cobra.PositionalArgs,
	look func(context.Context, *bus.Conn, []string) error) *cobra.Command {
	var o operatorFlags
	c := &cobra.Command{Use: use, Short: short, Args: args, RunE: func(c *cobra.Command, args []string) error {
		conn, err := dialFleet(c.Context(), p, o)
		if err != nil {
			return err
		}
		defer conn.Close()
		return look(c.Context(), conn, args)
	}}
	o.add(c, p)
	return c
}

// showing makes a command that prints what the fleet says of itself.
func showing(p process, output listing.Output, short string,
	look func(context.Context, *bus.Conn) (listing.Fleet, error)) *cobra.Command {
	var shown lookFlags
	_, use, _ := strings.Cut(output.Command, " ")
	c := looking(p, use, short, cobra.NoArgs, func(ctx context.Context, conn *bus.Conn, _ []string) error {
		d, err := look(ctx, conn)
		if err != nil {
			return err
		}
		return shown.write(plain{p.stdout}, d)
	})
	c.PreRunE = func(*cobra.Command, []string) error { return shown.check() }
	shown.add(c, output)
	return c
}

func newFleetStatus(p process) *cobra.Command {
	return showing(p, listing.FleetStatus, "Show how many boxes, jobs and runs a fleet has",
		func(ctx context.Context, conn *bus.Conn) (listing.Fleet, error) {
			s, err := conn.Status(ctx)
			return listing.OfFleet(&listing.FleetCounts{Boxes: s.Boxes, JobsWaiting: s.Waiting, JobsPlaying: s.Playing,
				RunsPlaying: s.Runs}, nil, time.Time{}, nil), err
		})
}

func newFleetBoxes(p process) *cobra.Command {
	return showing(p, listing.FleetBoxes, "List the boxes of a fleet",
		func(ctx context.Context, conn *bus.Conn) (d listing.Fleet, err error) {
			boxes, err := conn.Boxes(ctx)
			if err != nil {
				return d, err
			}
			now, err := conn.Now(ctx)
			out := []listing.FleetBox{}
			for _, b := range boxes {
				out = append(out, listing.FleetBox{Name: b.Name, State: b.State(now), Seen: b.Seen, Key: b.Key, Homellm: b.Homellm,
					Labels: b.Labels, Profiles: b.Profiles, Playing: b.Playing, Host: b.Host})
			}
			return listing.OfFleet(nil, &out, now, nil), err
		})
}

func newFleetRuns(p process) *cobra.Command {
	return showing(p, listing.FleetRuns, "List the runs of a fleet",
		func(ctx context.Context, conn *bus.Conn) (listing.Fleet, error) {
			runs, err := conn.Runs(ctx)
			out := []listing.FleetRun{}
			for _, r := range runs {
				out = append(out, listing.FleetRun{ID: r.ID, Scenario: r.Scenario, State: r.State, Jobs: r.Jobs,
					Settled: r.Settled, Begun: r.Begun, By: r.By})
			}
			return listing.OfFleet(nil, nil, time.Time{}, &out), err
		})
}

func newFleetDrain(p process) *cobra.Command {
	return looking(p, "drain BOX", "Have a box finish its job and take no more, until it joins again", cobra.ExactArgs(1),
		func(ctx context.Context, conn *bus.Conn, args []string) error {
			if err := conn.Drain(ctx, args[0]); err != nil {
				return err
			}
			p.say("box %s takes no more jobs; homellm fleet join on it begins anew", args[0])
			return nil
		})
}

func newFleetCancel(p process) *cobra.Command {
	return looking(p, "cancel RUN", "End a run: its jobs are played no more", cobra.ExactArgs(1),
		func(ctx context.Context, conn *bus.Conn, args []string) error {
			r, err := conn.Cancel(ctx, args[0])
			if err != nil {
				return err
			}
			p.say("run %s of %s is cancelled", r.ID, r.Scenario)
			return nil
		})
}

// labelsOf reads labels such as gpu=3090.
func labelsOf(words []string) (map[string]string, error) {
	out := map[string]string{}
	for _, w := range words {
		name, value, ok := strings.Cut(w, "=")
		if !ok || !bus.Named(name) || value == "" {
			return nil, exit.Errorf(exit.Usage, "write --labels gpu=3090,room=cellar", "--labels: %q is not name=value", w)
		}
		out[name] = value
	}
	return out, nil
}

// boxState is where a box keeps the files and journals of its jobs.
func (p process) boxState(b fleet.Box) string { return filepath.Join(p.stateDir, "fleet", b.Name) }
