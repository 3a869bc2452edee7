package target

import (
	"context"

	"homellm/dsl"
	"homellm/engine/engines"
	"homellm/engine/exit"
	"homellm/engine/server"
	"homellm/engine/wire"
)

// Simulator is the profile for a run without any other server.
var Simulator = engines.WithRole(engines.Simulator).Name

// Means are the means to find, start and reach servers.
type Means struct {
	Exe      string // this program, which profiles call homellm
	StateDir string // state folder of this user; empty: none
	Getenv   func(string) string
	File     func(m *dsl.Model, engine string) (string, error) // path of a model's file
	Simulate func(context.Context, *dsl.Cell) (address, what string, stop func(), err error)
	Note     func(format string, args ...any) // tells the user what is happening
}

// Launcher starts servers for this user. Their output goes to logs.
func (m Means) Launcher(log func(profile string) (path, kept string, err error)) *Launcher {
	return &Launcher{
		Exe: m.Exe, StateDir: Records(m.StateDir), Key: m.Key, File: m.File, Waiting: tellStart(m.Note), Note: m.Note,
		Log: log,
	}
}

// Choice decides which server plays, and opens it for each cell.
type Choice struct {
	Means   Means
	Library *dsl.Library
	NoSim   bool // no cell may be played on a simulator
	// the cells are played on other machines: no server is looked for on this one, and what names none has none
	Elsewhere bool
	Key       dsl.Secret // where the key of the server at the user's address is
	Opener    Opener
	Logs      Logs // of the servers that are started

	found   map[string]server.Found // detected servers, by profile
	lacking bool                    // no server was chosen, and none was found
}

// Choose decides which server plays the cells that name none: the address, else the profiles of opt, else the
// scenario's choice, else a server found on one of this machine's usual ports, else the embedded simulator.
func (c *Choice) Choose(ctx context.Context, address string, opt *dsl.Options) error {
	c.Logs.State = c.Means.StateDir
	c.Opener = Opener{Simulate: c.Means.Simulate, Key: c.Means.Key, Launcher: c.Means.Launcher(c.Logs.file),
		Note: c.Means.Note, Naming: Naming{Library: c.Library}}
	c.Means.NoteLeftovers()
	switch {
	case address != "":
		return c.attachTo(ctx, address, opt)
	case len(opt.Servers) == 0 && !c.Elsewhere:
		found, err := server.Scan(ctx)
		if err != nil {
			return err
		}
		opt.DefaultServer, c.lacking = Simulator, true
		for _, f := range found {
			if f.State == server.Locked {
				c.Means.Note("%s at %s: %s; to play on it: --url %s --api-key-env NAME", f.Name(), f.URL, f.Detail, f.URL)
			}
			if f.State == server.Ready {
				opt.DefaultServer = c.Library.Attach(f.Name(), f.Engine, f.URL)
				c.remember(opt.DefaultServer, f)
				c.lacking = false
				c.Means.Note("found %s at %s", f.Label(), f.URL)
				break
			}
		}
	}
	opt.Served = c.served
	return nil
}

// attachTo plays on an address that the user named. If the server has one model, that is the model.
func (c *Choice) attachTo(ctx context.Context, address string, opt *dsl.Options) error {
	key, err := c.Means.Key(c.Key)
	if err != nil {
		return exit.Errorf(exit.Usage, "say where the key is: --api-key-env NAME, or --api-key-file PATH", "%w", err)
	}
	hc := server.NewHTTPClient(key)
	defer hc.CloseIdleConnections()
	found, err := server.Probe(ctx, address, hc)
	if err != nil {
		return exit.Errorf(exit.Usage, "write it like http://127.0.0.1:8000/v1", "--url: %w", err)
	}
	name := c.Library.Attach(found.Name(), found.Engine, found.URL)
	c.Library.Server(name).APIKey = c.Key
	if err := CheckReady(found, c.Library.Server(name), opt.Model != ""); err != nil {
		return exit.Errorf(exit.Environment, server.HintOf(err), "%w", err)
	}
	c.remember(name, found)
	opt.Servers = []string{name}
	opt.Served = c.served
	if opt.Model == "" && len(found.Models) == 1 && c.Library.Model(found.Models[0].ID) != nil { // an adopted name too
		opt.Model = found.Models[0].ID
	}
	return nil
}

func (c *Choice) remember(profile string, f server.Found) {
	if c.found == nil {
		c.found = map[string]server.Found{}
	}
	c.found[profile] = f
	for _, m := range f.Models {
		c.Library.Adopt(m.ID)
	}
}

// served adds to the plan what a running server reports of itself.
func (c *Choice) served(profile string) (dsl.Served, bool) {
	f, ok := c.found[profile]
	if !ok {
		return dsl.Served{}, false
	}
	out := dsl.Served{Capabilities: map[string]bool{}, APIs: map[wire.API]string{}}
	if f.ContextTokens != nil {
		out.ContextTokens = *f.ContextTokens
	}
	if f.BlockTokens != nil {
		out.BlockTokens = *f.BlockTokens
	}
	for _, c := range f.Capabilities {
		out.Capabilities[c.Name] = c.OK
	}
	for _, c := range f.APIs {
		out.APIs[wire.API(c.Name)] = ""
		if !c.OK {
			out.APIs[wire.API(c.Name)] = c.How
		}
	}
	return out, true
}

// Open makes the server of a cell ready.
func (c *Choice) Open(ctx context.Context, cell *dsl.Cell) (*Target, error) {
	t, err := c.Opener.Open(ctx, cell)
	if err == nil && c.NoSim && t.Facts.Simulated { // a profile attaches to it, and only its answer shows what it is
		t.Close()
		return nil, simulatorRefused("server %s at %s is a simulator, and --no-sim allows none", cell.Server.Name,
			t.Facts.URL)
	}
	return t, err
}

// Allows returns an error if simulators are not allowed and a cell would be played on one.
func (c *Choice) Allows(cell *dsl.Cell) error {
	profile := cell.Server
	embedded := engines.Of(profile.Engine).Role == engines.Simulator && profile.Attach == ""
	switch {
	case !c.NoSim:
	case c.found[profile.Name].Simulated:
		return simulatorRefused("the server at %s is a simulator, and --no-sim allows none", profile.Attach)
	case embedded && c.lacking:
		return simulatorRefused("no server was found on this machine, and --no-sim allows no simulator")
	case embedded:
		return simulatorRefused("server %s is the simulator, and --no-sim allows none", profile.Name)
	}
	return nil
}

func simulatorRefused(format string, args ...any) error {
	return exit.Errorf(exit.Environment, "start a server, or name one with --url or --server", format, args...)
}
