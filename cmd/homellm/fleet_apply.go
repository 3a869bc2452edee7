//go:build fleet

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"homellm/dsl"
	"homellm/engine"
	"homellm/engine/exit"
	"homellm/engine/fleet"
	"homellm/engine/fleet/bus"
	"homellm/engine/listing"
	"homellm/engine/metrics"
	"homellm/engine/replace"
	"homellm/engine/results"
	"homellm/engine/secret"
)

// fleetFlags are the flags of apply that play on a fleet.
type fleetFlags struct {
	operatorFlags
	*fleetSession
	serverLogs bool
	told       func(engine.Progress) // of a worker: the progress goes there
	box        string                // of a worker: its name
}

// fleetSession is the connection of a command line to a fleet.
type fleetSession struct {
	conn  *bus.Conn
	boxes []fleet.Box
	now   time.Time
	files map[string]*carried // of scenarios, by the names of their files
}

// add adds the flags to a command, some of whose other flags have no meaning on a fleet.
func (f *fleetFlags) add(c *cobra.Command, without ...string) {
	c.Flags().StringVar(&f.url, "fleet", "", "play on the boxes of the fleet at this address, such as nats://box:4222")
	c.Flags().StringVar(&f.key, "key", "", "with --fleet: file of an operator's key")
	c.Flags().StringVar(&f.creds, "creds", "", "in its place: file of the credentials of a user of NATS")
	c.MarkFlagsMutuallyExclusive("key", "creds")
	for _, other := range without {
		c.MarkFlagsMutuallyExclusive("fleet", other)
	}
}

func (f *fleetFlags) addLogs(c *cobra.Command) {
	c.Flags().BoolVar(&f.serverLogs, "server-logs", false,
		"with --fleet: keep the logs of the servers that the boxes start beside the results")
}

func (f fleetFlags) asked() bool { return f.url != "" || f.key != "" || f.creds != "" || f.serverLogs }

// open connects to the fleet and reads which boxes are there. The files of the scenarios are noted as they are read.
func (f *fleetFlags) open(ctx context.Context, p process, named []dsl.File) (func(), error) {
	switch {
	case f.url == "" && f.key == "" && f.creds == "":
		return nil, exit.Errorf(exit.Usage, "leave it out, or add --fleet and --key",
			"--server-logs is for a fleet: a run on this machine has the logs of its servers in its results")
	case f.url == "":
		return nil, exit.Errorf(exit.Usage, "add --fleet nats://box:4222",
			"--key and --creds say who plays on a fleet, not on which")
	case f.key == "" && f.creds == "":
		return nil, exit.Errorf(exit.Usage, "add --key FILE, or --creds FILE", "--fleet needs the key of an operator")
	}
	conn, err := dialFleet(ctx, p, f.operatorFlags)
	if err != nil {
		return nil, err
	}
	f.fleetSession = &fleetSession{conn: conn, files: map[string]*carried{}}
	if f.boxes, err = conn.Boxes(ctx); err == nil {
		f.now, err = conn.Now(ctx)
	}
	if err != nil {
		conn.Close()
		return nil, exit.Errorf(exit.Environment, "", "looking at the fleet: %w", err)
	}
	for i := range named {
		c := &carried{inner: named[i].Dir, data: named[i].Data}
		f.files[named[i].Name] = c
		if named[i].Dir != nil {
			named[i].Dir = c
		}
	}
	return conn.Close, nil
}

// fit skips the cells that no box can play, and says why.
func (f fleetFlags) fit(plans []*dsl.Plan, say func(format string, args ...any)) error {
	var profiles []string
	for _, b := range f.boxes {
		if b.Here(f.now) {
			profiles = append(profiles, b.Profiles...)
		}
	}
	slices.Sort(profiles)
	for _, plan := range plans {
		for _, c := range plan.Cells {
			if c.Server == nil {
				return exit.Errorf(exit.Usage, "profiles of the boxes: "+strings.Join(slices.Compact(profiles), ", "),
					"%s names no server: name a profile of the boxes with --server", plan.File)
			}
		}
		for _, line := range fleet.Fit(plan, f.boxes, f.now) {
			say("%s: %s", plan.Name, line)
		}
	}
	return nil
}

// jobs are those of a plan, with the boxes that can play them.
func (f fleetFlags) jobs(plan *dsl.Plan) (out []listing.Job) {
	if !f.asked() {
		return nil
	}
	cells := slices.DeleteFunc(slices.Clone(plan.Cells), func(c *dsl.Cell) bool { return c.Skip != "" })
	for _, j := range fleet.Divide("", plan, cells, fleet.Order{}) {
		of := listing.Job{Name: j.Name(), Boxes: fleet.Able(j, f.boxes, f.now)}
		for _, c := range j.Cells {
			of.Cells = append(of.Cells, c.ID)
		}
		out = append(out, of)
	}
	return out
}

// place says which boxes a scenario may name, so that every box gets its cells. A run that is resumed keeps those that
// it began with: the others joined later.
func (f fleetFlags) place(ctx context.Context, opt *dsl.Options, begun *results.Folder) {
	switch {
	case f.told != nil:
		opt.Boxes = []string{f.box}
	case !f.asked():
		opt.Box = thisMachine(ctx)
	default:
		opt.Boxes = fleet.Names(f.boxes, f.now)
		if begun != nil {
			if before := boxesOf(begun.Fold); len(before) > 0 {
				opt.Boxes = before
			}
		}
	}
}

// boxesOf are the boxes that a run plans cells for.
func boxesOf(fold *metrics.Run) (out []string) {
	for _, c := range fold.Cells {
		for _, l := range c.Planned.Labels {
			if l.Name == dsl.BoxAxis && !slices.Contains(out, l.Value) {
				out = append(out, l.Value)
			}
		}
	}
	return out
}

// elsewhere has the fleet play the cells of a run.
func (f fleetFlags) elsewhere(p process, plan *dsl.Plan, res *results.Folder, order fleet.Order,
	show func(engine.Progress)) engine.Elsewhere {
	return func(ctx context.Context, cells []*dsl.Cell, to engine.Record) error {
		files, err := f.files[plan.File].read()
		if err != nil {
			return err
		}
		c := bus.Coordinator{
			Conn: f.conn, Run: res.Header.ID, Plan: plan, Files: files, Dir: res.Dir, Lease: bus.Lease, Say: p.say,
			Order: order, Skip: to.Skip,
			Progress: func(now bus.Progress) {
				waiting := fmt.Sprintf("the fleet: %d of %d jobs played", now.Settled, now.Jobs)
				if len(now.Playing) > 0 {
					waiting += ", playing on " + strings.Join(now.Playing, ", ")
				}
				show(engine.Progress{Cell: fmt.Sprintf("%d boxes", len(f.boxes)), Waiting: waiting})
			},
		}
		if f.serverLogs {
			c.ServerLog = func(file string, data []byte) error { return keepLog(filepath.Join(res.Dir, file), data) }
		}
		err = c.Play(ctx, cells, to.Elapsed, to.Keep)
		if aborted, ok := errors.AsType[bus.Aborted](err); ok {
			return engine.Aborted(aborted)
		}
		return err
	}
}

// keepLog writes what a box sent of the log of a server. The secrets that this machine knows are taken out of it too.
func keepLog(path string, data []byte) error {
	return replace.File(path, func(w io.Writer) error {
		masked := secret.NewWriter(w)
		_, err := masked.Write(data)
		return errors.Join(err, masked.Close())
	})
}

// show is where the progress of a run goes.
func (f fleetFlags) show(bar func(engine.Progress)) func(engine.Progress) {
	if f.told != nil {
		return f.told
	}
	return bar
}

// again lists the flags as the user wrote them, for a command in a hint.
func (f fleetFlags) again() []string {
	if !f.asked() {
		return nil
	}
	out := []string{"--fleet=" + f.url, "--key=" + f.key}
	if f.creds != "" {
		out[1] = "--creds=" + f.creds
	}
	if f.serverLogs {
		out = append(out, "--server-logs")
	}
	return out
}

// dialFleet connects as an operator. An empty address means that of the key.
func dialFleet(ctx context.Context, p process, o operatorFlags) (*bus.Conn, error) {
	key, err := fleetKey(o, bus.Operator)
	if err != nil {
		return nil, err
	}
	return bus.Dial(ctx, o.url, key, p.say)
}

// fleetKey reads a key, or credentials in its place, for a role.
func fleetKey(o operatorFlags, role bus.Role) (bus.Key, error) {
	if o.creds != "" {
		return bus.Credentials(o.creds, o.url, role)
	}
	key, err := bus.ReadKey(o.key)
	if err == nil && key.Role != role {
		article := map[bus.Role]string{bus.Worker: "a", bus.Operator: "an"}
		err = exit.Errorf(exit.Usage, fmt.Sprintf("name the file of %s %s's key", article[role], role),
			"%s is the key of %s %s", o.key, article[key.Role], key.Role)
	}
	return key, err
}

// carried is the folder of a scenario. It notes which files of it are read, because the boxes need them.
type carried struct {
	inner fs.FS
	data  []byte // of the scenario

	mu    sync.Mutex
	names []string
}

// Open implements [fs.FS].
func (c *carried) Open(name string) (fs.File, error) {
	f, err := c.inner.Open(name)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
		c.mu.Lock()
		if !slices.Contains(c.names, name) {
			c.names = append(c.names, name)
		}
		c.mu.Unlock()
	}
	return f, nil
}

// The names under which a scenario travels, and the folder of its files.
const (
	scenarioName  = "scenario.yaml"
	documentsName = "documents"
)

// read returns the scenario and the files that were read.
func (c *carried) read() ([]bus.File, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := []bus.File{{Name: scenarioName, Data: c.data}}
	for _, name := range c.names {
		data, err := fs.ReadFile(c.inner, name)
		if err != nil {
			return nil, exit.Errorf(exit.Environment, "", "reading %s again: %w", name, err)
		}
		out = append(out, bus.File{Name: documentsName + "/" + name, Data: data})
	}
	return out, nil
}
