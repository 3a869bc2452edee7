package target

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"homellm/dsl"
	"homellm/engine/engines"
	"homellm/engine/event"
	"homellm/engine/server"
)

// Opener gives cells their servers: it attaches to running ones, starts those that a profile describes, and starts
// the simulator.
type Opener struct {
	Simulate func(context.Context, *dsl.Cell) (address, what string, stop func(), err error)
	Key      func(dsl.Secret) (string, error) // reads a key from the place that the profile names
	Launcher *Launcher                        // nil: starts nothing
	Naming   Naming                           // of models
	Note     func(format string, args ...any) // tells the user what is happening; may be nil

	pool pool
}

// Open makes the cell's server ready: it answers, serves the model, and has the context.
func (o *Opener) Open(ctx context.Context, cell *dsl.Cell) (*Target, error) {
	profile := cell.Server
	address, what, stop := profile.Attach, "", func() {}
	if address == "" && engines.Of(profile.Engine).Role != engines.Simulator {
		return o.launched(ctx, cell)
	}
	if address == "" {
		var err error
		if address, what, stop, err = o.Simulate(ctx, cell); err != nil {
			return nil, fmt.Errorf("starting the simulator: %w", err)
		}
	}
	t, err := o.attach(ctx, cell, address)
	if err != nil {
		stop()
		if pos := profile.Pos; pos.File != "" && profile.Attach != "" && ctx.Err() == nil {
			err = fmt.Errorf("%s:%d: %w", pos.File, pos.Line, err)
		}
		return nil, err
	}
	if what != "" {
		t.Facts.Simulated, t.Facts.Simulation, t.Embedded, t.Facts.Embedded = true, what, true, true
		t.Facts.Flags = simulatorFlags(profile.Launch)
	}
	side := t.Close
	t.Close = func() {
		if side != nil {
			side()
		}
		stop()
	}
	return t, nil
}

// simulatorFlags describe the settings of the embedded simulator, like the command line of a started server; empty:
// its defaults.
func simulatorFlags(l *dsl.Launch) string {
	var c Command
	if l != nil {
		for _, f := range l.Flags {
			if f.Name != "port" && f.Name != "listen" {
				c.Argv = append(c.Argv, fmt.Sprint(f.Name, "=", f.Value))
			}
		}
	}
	if len(c.Argv) == 0 {
		return ""
	}
	return c.digest()
}

// attach asks a running server what it is and checks that it can play the cell.
func (o *Opener) attach(ctx context.Context, cell *dsl.Cell, address string) (*Target, error) {
	profile := cell.Server
	key, err := o.Key(profile.APIKey)
	if err != nil {
		return nil, fmt.Errorf("reading the key of server %s: %w", profile.Name, err)
	}
	hc := server.NewHTTPClient(key)
	found, err := server.Probe(ctx, address, hc)
	hc.CloseIdleConnections() // a matrix opens many cells
	if err != nil {
		return nil, err
	}
	if err := CheckReady(found, profile, cell.Model != nil); err != nil {
		return nil, err
	}
	model, err := o.Naming.served(cell, found)
	if err != nil {
		return nil, err
	}
	facts := event.Server{
		Profile: profile.Instance(), Engine: found.Engine, Version: found.Version, URL: WithoutUser(found.URL), Model: model,
		Quant: quantOf(cell, model), Simulated: found.Simulated, Simulation: found.Simulation,
	}
	if facts.Engine == "" {
		facts.Engine = profile.Engine
	}
	n, told := found.Default(model)
	if told {
		facts.ContextTokens = &n
	} else if profile.ContextTokens > 0 {
		n = profile.ContextTokens
		facts.ContextTokens = &n
	}
	asked := requestContext(cell, found, model)
	if asked > 0 {
		facts.ContextTokens = &asked
	}
	if err := checkContext(cell, facts); err != nil {
		return nil, err
	}
	t := &Target{
		Facts:  facts,
		Body:   withContext(profile.Body, asked),
		Client: ClientConfig(profile, found.URL, key, model),
		found:  found, naming: o.Naming, told: told || asked > 0,
	}
	if found.BlockTokens != nil {
		t.Block = *found.BlockTokens
	} else {
		t.Block = profile.Capabilities.BlockTokens
	}
	t.BlockTold = found.BlockTokens != nil || t.Block == 1
	t.Facts.BlockTokens = t.Block
	t.Context = asked
	if t.Context == 0 && engines.Of(facts.Engine).Models.OnRequest && facts.ContextTokens != nil {
		t.Context = *facts.ContextTokens
	}
	t.RTT, t.Facts.Address, _ = roundTrip(ctx, found.URL)
	o.findProcesses(ctx, found.URL)
	if err := sideChannels(t, profile, found, model, key); err != nil {
		return nil, err
	}
	if err := o.services(t, cell, found.URL, model, key); err != nil {
		return nil, err
	}
	if t.Side != nil && t.Side.Restores() {
		t.keep = func(ctx context.Context) { o.remember(ctx, found.URL+"\x00"+model, t.Side) }
	}
	return t, nil
}

// sideChannels adds what the server offers besides completions.
func sideChannels(t *Target, profile *dsl.Server, found server.Found, model, key string) error {
	config := server.Config{
		BaseURL: found.URL, Engine: t.Facts.Engine, Model: model, Client: server.NewHTTPClient(key),
		Tokenize: profile.Capabilities.Tokenize, Metrics: profile.Capabilities.Metrics,
	}
	if choosesContext(t.Facts.Engine, profile.API) {
		config.ContextTokens = t.Context // the same options as in requests: others would load the model again
	}
	if _, known := engines.Lookup(config.Engine); !known {
		return nil
	}
	if r := profile.Capabilities.CacheReset; r != nil {
		config.ResetMethod, config.ResetPath = r.Method, r.Path
	}
	side, err := server.NewSide(config)
	if err != nil {
		return err
	}
	t.Side = side
	if found.Can("tokenize") {
		t.Tokenize = side.Tokenize
	}
	if side.CanReset() {
		t.Reset = side.ResetCache
	}
	t.Close = config.Client.CloseIdleConnections
	return nil
}

// CheckReady turns the state of an address into an error that says what to do, or nil. Named says that the run names
// its model, so it does not need a list of models.
func CheckReady(f server.Found, profile *dsl.Server, named bool) error {
	about := ""
	if profile.Pos.File != "" { // the user wrote it
		about = "server " + profile.Name + ": "
	}
	fail := func(hint, format string) error {
		return server.WithHint(fmt.Errorf(about+format+": %s", f.URL, f.Detail), hint)
	}
	switch f.State {
	case server.Ready:
		return nil
	case server.Locked:
		if named && f.Status == http.StatusForbidden && profile.APIKey != (dsl.Secret{}) {
			return nil // the key may be valid for completions alone: the first one decides
		}
		return fail(KeyHint(profile), "%s")
	case server.NotRunning:
		return fail(startHint(profile), "no server runs at %s")
	case server.StartingUp:
		return fail("wait until it has loaded its model, then run this again", "%s is still starting")
	case server.PortBusy:
		if engines.Of(profile.Engine).Role == engines.Generic && f.Status != 0 && named {
			return nil // an unrecognised server may still serve completions: the first request decides
		}
		return fail("is the address right? If it is, name the model with --model", "something else answers at %s")
	}
	return fail("look at the server's own log", "%s is not ready")
}

// WithoutUser removes credentials from an address, which goes into results.
func WithoutUser(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.User == nil {
		return address
	}
	u.User = nil
	return u.String()
}
