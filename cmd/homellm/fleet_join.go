//go:build fleet

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"homellm/dsl"
	"homellm/engine/engines"
	"homellm/engine/exit"
	"homellm/engine/filelock"
	"homellm/engine/fleet"
	"homellm/engine/fleet/bus"
	"homellm/engine/host"
	"homellm/engine/target"
)

type joinFlags struct {
	libraryFlags
	operatorFlags
	name   string
	labels []string
}

func newFleetJoin(p process) *cobra.Command {
	var f joinFlags
	c := &cobra.Command{
		Use:   "join [ADDRESS[,ADDRESS...]]",
		Short: "Join a fleet as a box, and play jobs until Ctrl-C",
		Long: `join makes this machine a box of the fleet. It plays one job at a time, each in a
process of its own. The box decides what its server profiles are: those of your own
servers.yaml and of --servers, and of the shipped ones those whose program is
installed here. A scenario of the fleet is trusted as little as a file.`,
		Example: `  homellm fleet join nats://box:4222 --key worker.key
  homellm fleet join --key worker.key --labels gpu=3090,room=cellar --servers lab.yaml`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				f.url = args[0]
			}
			return ended(c.Context(), join(c.Context(), p, f))
		},
	}
	f.libraryFlags.add(c)
	c.Flags().StringVar(&f.key, "key", "", "file of a worker's key (required, or --creds)")
	c.Flags().StringVar(&f.creds, "creds", "", "in its place: file of the credentials of a user of NATS")
	c.Flags().StringVar(&f.name, "name", "", "name of this box (default: that of the machine)")
	c.Flags().StringSliceVar(&f.labels, "labels", nil, "name=value: what others should know of this box, such as gpu=3090")
	c.MarkFlagsOneRequired("key", "creds")
	c.MarkFlagsMutuallyExclusive("key", "creds")
	return c
}

func join(ctx context.Context, p process, f joinFlags) error {
	key, err := fleetKey(f.operatorFlags, bus.Worker)
	if err != nil {
		return err
	}
	lib, err := f.load(p)
	if err != nil {
		return err
	}
	labels, err := labelsOf(f.labels)
	if err != nil {
		return err
	}
	if f.name == "" {
		if f.name, err = os.Hostname(); err != nil {
			return exit.Errorf(exit.Usage, "name this box with --name", "%w", err)
		}
		f.name = bus.Name(f.name)
	}
	if !bus.Named(f.name) {
		return exit.Errorf(exit.Usage, "a name has letters, digits, - and _", "--name: no box can be called %q", f.name)
	}
	about := fleet.Box{Name: f.name, Homellm: version(), Labels: labels}
	telemetry := host.OpenTelemetry(ctx, host.Options{})
	about.Host = telemetry.Inspect(ctx)
	telemetry.Close()
	unlock, err := lockBox(p.boxState(about))
	if err != nil {
		return err
	}
	defer unlock()
	conn, err := bus.Dial(ctx, f.url, key, p.say)
	if err != nil {
		return err
	}
	defer conn.Close()
	box := bus.Box{Conn: conn, About: about, Dir: p.boxState(about), Say: p.say, Play: f.player(p, about),
		Offer: func(ctx context.Context) []string { return offered(ctx, lib) }}
	p.say("box %s plays for the fleet; Ctrl-C ends this", about.Name)
	return box.Join(ctx)
}

// lockBox makes sure that no other worker of this user has the folder of the box.
func lockBox(dir string) (func(), error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, exit.Errorf(exit.Environment, "", "%w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err == nil {
		err = filelock.Lock(f)
	}
	if err != nil {
		return nil, exit.Errorf(exit.Environment, "give this one another name with --name",
			"a worker of this box runs already, or its folder cannot be used: %w", err)
	}
	return func() { _ = f.Close() }, nil
}

// offered are the profiles that this box can play on: the simulator, servers that answer, and those whose program is
// installed.
func offered(ctx context.Context, lib *dsl.Library) []string {
	var out []string
	for _, s := range lib.Servers {
		switch {
		case s.Abstract:
			continue
		case s.Attach != "":
			if !listening(ctx, s.Attach) {
				continue
			}
		case engines.Of(s.Engine).Role == engines.Simulator:
		case s.Launch == nil || len(s.Launch.Command) == 0:
			continue
		default:
			if _, err := exec.LookPath(s.Launch.Command[0]); err != nil {
				continue
			}
		}
		out = append(out, s.Name)
	}
	return out
}

// listening says whether something listens at the address of a server.
func listening(ctx context.Context, address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	at := u.Host
	if u.Port() == "" {
		at = net.JoinHostPort(u.Hostname(), map[bool]string{true: "443", false: "80"}[u.Scheme == "https"])
	}
	d := net.Dialer{Timeout: time.Second}
	c, err := d.DialContext(ctx, "tcp", at)
	if err != nil {
		return false
	}
	_ = c.Close() // nothing was sent
	return true
}

// endGrace is how long a job that has to end may take to stop its server.
const endGrace = 40 * time.Second

// player plays jobs in processes of their own, so that nothing of the fleet runs in a process that measures. The
// process ends when this one does, because its input ends.
func (f joinFlags) player(p process, about fleet.Box) bus.Player {
	return func(ctx context.Context, job fleet.Job, dir string, within func(time.Duration)) error {
		words := []string{"fleet", "play-job", dir}
		for _, path := range f.serverFiles {
			words = append(words, "--servers="+path)
		}
		for _, path := range f.modelFiles {
			words = append(words, "--models="+path)
		}
		order, err := json.Marshal(playOrder{job, about})
		if err != nil {
			return err
		}
		c := exec.CommandContext(ctx, p.exe, words...)
		in, err := c.StdinPipe()
		if err != nil {
			return err
		}
		out, err := c.StdoutPipe()
		if err != nil {
			return err
		}
		var said bytes.Buffer
		c.Stderr, c.Cancel, c.WaitDelay = &said, in.Close, endGrace
		if err := c.Start(); err != nil {
			return err
		}
		_, err = in.Write(append(order, '\n'))
		for lines := bufio.NewScanner(out); err == nil && lines.Scan(); {
			if ms, err := strconv.Atoi(lines.Text()); err == nil {
				within(time.Duration(ms) * time.Millisecond)
			}
		}
		if err := c.Wait(); err != nil {
			p.endServersOf(c.Process.Pid)
			return fmt.Errorf("the process of the job ended: %w: %s", err, lastLine(&said))
		}
		return nil
	}
}

// endServersOf ends the servers of a player that was killed and could not end them: they hold the accelerator.
func (p process) endServersOf(player int) {
	left, err := host.Leftovers(target.Records(p.stateDir))
	for _, l := range left {
		if l.Owner != player || l.Owned {
			continue
		}
		p.say("stopping what an ended player left running: %s", l)
		err = errors.Join(err, host.StopLeftover(l, stopGrace))
	}
	if err != nil {
		p.say("%v", err)
	}
}

// lastLine is the last thing that a process said.
func lastLine(r io.Reader) (last string) {
	for lines := bufio.NewScanner(r); lines.Scan(); {
		if text := strings.TrimSpace(lines.Text()); text != "" {
			last = text
		}
	}
	return last
}
