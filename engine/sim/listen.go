package sim

import (
	"context"
	"net"
	"net/http"
	"time"

	"homellm/engine/crash"
)

// HTTP serves the simulator on listeners.
func (s *Server) HTTP() *http.Server {
	return &http.Server{Handler: crash.Handler(s), ReadHeaderTimeout: 10 * time.Second}
}

// Embed starts a simulator on a free loopback port, so that what is measured passes through a real socket.
func Embed(ctx context.Context, config Config) (address string, stop func(), err error) {
	s, err := New(config)
	if err != nil {
		return "", nil, err
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	hs := s.HTTP()
	served := make(chan struct{})
	crash.Go(func() {
		defer close(served)
		_ = hs.Serve(l) // Serve only reports that it was closed
	})
	stop = func() {
		_ = hs.Close() // the listener goes with it; open requests have ended
		s.Close()
		<-served
	}
	return "http://" + l.Addr().String(), stop, nil
}
