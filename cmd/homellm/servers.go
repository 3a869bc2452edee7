package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"homellm/dsl"
	"homellm/dsl/syntax"
	"homellm/engine/exit"
	"homellm/engine/secret"
	"homellm/engine/server"
	"homellm/engine/target"
)

// servers decides which server runs and opens it for each cell.
type servers struct {
	process
	lib     *dsl.Library
	quiet   bool
	noSim   bool        // no cell may be played on a simulator
	pending []serverLog // of servers started for the run
	logs    string      // folder for the output of started servers; empty: the state folder
	opener  target.Opener
	found   map[string]server.Found // by profile

	lacking bool // no server was chosen, and none was found
}

// choose decides which server plays cells for which none was chosen: --url, else --server, else
// the scenario's own choice, else a server found on this machine's usual ports, else the embedded
// simulator.
func (s *servers) choose(ctx context.Context, address string, opt *dsl.Options) error {
	s.opener = target.Opener{Simulate: s.simulate, Key: s.key, Launcher: s.launcher(), Note: s.note,
		Naming: target.Naming{Library: s.lib}}
	s.nameLeftovers()
	switch {
	case address != "":
		return s.attachTo(ctx, address, opt)
	case len(opt.Servers) == 0:
		found, err := server.Scan(ctx)
		if err != nil {
			return err
		}
		opt.DefaultServer, s.lacking = simulator, true
		for _, f := range found {
			if f.State == server.Ready {
				opt.DefaultServer = s.lib.Attach(f.Name(), f.Engine, f.URL)
				s.remember(opt.DefaultServer, f)
				s.lacking = false
				s.note("found %s at %s", f.Label(), f.URL)
				break
			}
		}
	}
	opt.Served = s.served
	return nil
}

// attachTo plays on an address that the user named. A server that has one model is asked for it.
func (s *servers) attachTo(ctx context.Context, address string, opt *dsl.Options) error {
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	found, err := server.Probe(ctx, address, nil)
	if err != nil {
		return exit.Errorf(exit.Usage, "write it like http://127.0.0.1:8000/v1", "--url: %w", err)
	}
	name := s.lib.Attach(found.Name(), found.Engine, found.URL)
	if err := target.CheckReady(found, s.lib.Server(name), opt.Model != ""); err != nil {
		return exit.Errorf(exit.Environment, server.HintOf(err), "%w", err)
	}
	s.remember(name, found)
	opt.Servers = []string{name}
	opt.Served = s.served
	if opt.Model == "" && len(found.Models) == 1 && s.lib.Model(found.Models[0].ID) != nil {
		opt.Model = found.Models[0].ID
	}
	return nil
}

func (s *servers) remember(profile string, f server.Found) {
	if s.found == nil {
		s.found = map[string]server.Found{}
	}
	s.found[profile] = f
}

// served tells the plan what a running server has shown of itself.
func (s *servers) served(profile string) (dsl.Served, bool) {
	f, ok := s.found[profile]
	if !ok {
		return dsl.Served{}, false
	}
	out := dsl.Served{Capabilities: map[string]bool{}}
	if f.ContextTokens != nil {
		out.ContextTokens = *f.ContextTokens
	}
	if f.BlockTokens != nil {
		out.BlockTokens = *f.BlockTokens
	}
	for _, c := range f.Capabilities {
		out.Capabilities[c.Name] = c.OK
	}
	return out, true
}

func (s *servers) note(format string, args ...any) {
	if !s.quiet {
		s.say(format, args...)
	}
}

func (s *servers) open(ctx context.Context, cell *dsl.Cell) (*target.Target, error) {
	t, err := s.opener.Open(ctx, cell)
	if err == nil && s.noSim && t.Facts.Simulated { // a profile attaches to it, and only its answer tells
		t.Close()
		return nil, simulatorRefused(
			"server %s at %s is a simulator, and --no-sim allows none",
			cell.Server.Name,
			t.Facts.URL,
		)
	}
	return t, err
}

// key reads a key from the environment or a file; a profile never holds one. It is masked from here on.
func (s *servers) key(k dsl.Secret) (string, error) {
	key, err := s.readKey(k)
	if err != nil {
		return "", err
	}
	if err := secret.Add(key); err != nil {
		return "", err
	}
	return key, nil
}

func (s *servers) readKey(k dsl.Secret) (string, error) {
	switch {
	case k.Env != "":
		if v := s.getenv(k.Env); v != "" {
			return v, nil
		}
		return "", fmt.Errorf("environment variable %s is not set", k.Env)
	case k.File != "":
		data, err := os.ReadFile(k.File)
		if cause, ok := errors.AsType[*fs.PathError](err); ok {
			return "", fmt.Errorf("the file that api_key names: %w", cause.Err) // its path may hold a user's name
		}
		if err != nil {
			return "", err
		}
		return strings.TrimSpace(string(data)), nil
	}
	return "", nil
}

// asDiagnostics is errors.As for findings about files.
func asDiagnostics(err error, ds *syntax.Diagnostics) bool { return errors.As(err, ds) }
