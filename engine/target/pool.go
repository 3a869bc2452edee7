package target

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"sync"
	"time"

	"homellm/dsl"
	"homellm/engine/host"
	"homellm/engine/server"
)

// pool holds the one server that homellm has started. It serves all cells of its profile and model, and is stopped
// before another one starts, because each needs the machine's memory for itself.
type pool struct {
	mu      sync.Mutex
	running *Running
	key     string
	foreign func() []int       // processes of a local server that homellm did not start
	changed map[string]changed // by address and model
}

// launched opens a cell on a server that homellm starts, or has started for an earlier cell.
func (o *Opener) launched(ctx context.Context, cell *dsl.Cell) (*Target, error) {
	profile := cell.Server
	if o.Launcher == nil || profile.Launch == nil {
		return nil, server.WithHint(fmt.Errorf("server %s is not running here", profile.Name),
			"start it and name its address with --url")
	}
	if address, ok := o.findServed(profile); ok {
		o.note("using %s at %s, which homellm serve started", profile.Instance(), address)
		return o.attach(ctx, cell, "http://"+address)
	}
	r, err := o.start(ctx, cell, o.Launcher)
	if err != nil {
		return nil, err
	}
	t, err := o.attach(ctx, cell, r.Command.URL())
	if err != nil {
		return nil, profile.Errorf("%w", err)
	}
	t.Facts.Flags = r.Command.digest()
	t.Started = r
	t.Died = o.died
	t.Restart = func(ctx context.Context) (string, error) {
		if err := o.stopRunning(); err != nil {
			return "", err
		}
		again := *o.Launcher
		again.Port = t.Started.Command.Port // where its side channels are asked
		r, err := o.start(ctx, cell, &again)
		if err != nil {
			return "", err
		}
		t.Started = r
		return r.Command.URL() + profile.BasePath, nil
	}
	return t, nil
}

// findServed finds a server of this profile that homellm serve started. One that another run started is that run's: it
// ends with it, and each would measure the other's load.
func (o *Opener) findServed(profile *dsl.Server) (address string, ok bool) {
	left, err := host.Leftovers(o.Launcher.StateDir)
	if err != nil {
		return "", false // the start reports the problem
	}
	for _, l := range left {
		if l.Name == profile.Instance() && l.Owned && l.Shared {
			return l.Address, true
		}
	}
	return "", false
}

// start returns the running server of the cell's profile and model, or starts it.
func (o *Opener) start(ctx context.Context, cell *dsl.Cell, with *Launcher) (*Running, error) {
	key := cell.Server.Instance() + "\x00"
	if cell.Model != nil {
		key += cell.Model.Name
	}
	o.pool.mu.Lock()
	r := o.pool.running
	same := o.pool.key == key
	o.pool.mu.Unlock()
	if r != nil && same && r.Died(0) == nil {
		return r, nil
	}
	if err := o.stopRunning(); err != nil {
		return nil, err
	}
	o.note("starting %s", cell.Server.Instance())
	r, err := with.Start(ctx, cell.Server, cell.Model)
	if err != nil {
		o.noteLog(err)
		return nil, err
	}
	o.note("%s is ready at %s after %v", cell.Server.Instance(), r.Command.URL(), r.Load.Round(10*time.Millisecond))
	for _, n := range r.Command.Notes {
		o.note("%s: %s", cell.Server.Instance(), n)
	}
	o.pool.mu.Lock()
	o.pool.running, o.pool.key = r, key
	o.pool.mu.Unlock()
	return r, nil
}

// died says how the started server ended.
func (o *Opener) died(patience time.Duration) error {
	o.pool.mu.Lock()
	r := o.pool.running
	o.pool.mu.Unlock()
	if r == nil {
		return nil
	}
	err := r.Died(patience)
	o.noteLog(err)
	return err
}

// noteLog shows the end of a server's log.
func (o *Opener) noteLog(err error) {
	for _, line := range LogOf(err) {
		o.note("| %s", line)
	}
}

func (o *Opener) stopRunning() error {
	o.pool.mu.Lock()
	r := o.pool.running
	o.pool.running, o.pool.key = nil, ""
	o.pool.mu.Unlock()
	if r == nil {
		return nil
	}
	return r.Stop()
}

// Close stops the started server, if any, and restores what the run has changed on others.
func (o *Opener) Close() error { return errors.Join(o.putBack(), o.stopRunning()) }

// PIDs lists the processes of the server in use, if known: those of the started one, or of a local one that homellm
// did not start.
func (o *Opener) PIDs() []int {
	o.pool.mu.Lock()
	r, foreign := o.pool.running, o.pool.foreign
	o.pool.mu.Unlock()
	switch {
	case r != nil:
		return r.PIDs()
	case foreign != nil:
		return foreign()
	}
	return nil
}

// findProcesses finds the processes behind an address of this machine.
func (o *Opener) findProcesses(ctx context.Context, address string) {
	var foreign func() []int
	if u, err := url.Parse(address); err == nil {
		if port, err := strconv.Atoi(u.Port()); err == nil && loopback(u.Hostname()) {
			if pid, _, ok := host.Listener(ctx, port); ok {
				foreign = func() []int { return host.Tree(pid) }
			}
		}
	}
	o.pool.mu.Lock()
	o.pool.foreign = foreign
	o.pool.mu.Unlock()
}

func (o *Opener) note(format string, args ...any) {
	if o.Note != nil {
		o.Note(format, args...)
	}
}
