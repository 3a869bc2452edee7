package main

import (
	"context"
	"net"
	"net/http"
	"time"

	"homellm/dsl"
	"homellm/engine/crash"
	"homellm/engine/engines"
	"homellm/engine/exit"
	"homellm/engine/sim"
)

// refuseSimulator fails with --no-sim for a cell that would be played on a simulator.
func (s *servers) refuseSimulator(cell *dsl.Cell) error {
	profile := cell.Server
	embedded := engines.Of(profile.Engine).Role == engines.Simulator && profile.Attach == ""
	switch {
	case !s.noSim:
	case s.found[profile.Name].Simulated:
		return simulatorRefused("the server at %s is a simulator, and --no-sim allows none", profile.Attach)
	case embedded && s.lacking:
		return simulatorRefused("no server was found on this machine, and --no-sim allows no simulator")
	case embedded:
		return simulatorRefused("server %s is the simulator, and --no-sim allows none", profile.Name)
	}
	return nil
}

func simulatorRefused(format string, args ...any) error {
	return exit.Errorf(exit.Environment, "start a server, or name one with --url or --server", format, args...)
}

// simulate starts the embedded simulator on a free loopback port, so that what is measured
// passes through a real socket.
func (s *servers) simulate(ctx context.Context, cell *dsl.Cell) (address, what string, stop func(), err error) {
	config := sim.Config{}
	if m := cell.Model; m != nil {
		// A model that the simulator has no figures for is played with those of its default, under its own name.
		config.ServedNames = []string{m.Name}
		if sim.Knows(m.Name) {
			config.Model = m.Name
		}
	}
	if cell.Server.ContextTokens > 0 {
		config.ContextTokens = cell.Server.ContextTokens
	}
	if err := configure(cell.Server.Launch, &config); err != nil {
		return "", "", nil, err
	}
	s.note("SIMULATED: playing on the embedded simulator (%s), not on a real server", config)
	handler, err := sim.New(config)
	if err != nil {
		return "", "", nil, err
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", "", nil, err
	}
	hs := &http.Server{Handler: guarded(handler), ReadHeaderTimeout: 10 * time.Second}
	served := make(chan struct{})
	crash.Go(func() {
		defer close(served)
		_ = hs.Serve(l) // that it was closed is all it can say
	})
	stop = func() {
		_ = hs.Close() // the listener goes with it; open requests have ended
		handler.Close()
		<-served
	}
	return "http://" + l.Addr().String(), config.String(), stop, nil
}
