package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"homellm/engine/crash"
	"homellm/engine/exit"
	"homellm/engine/results"
	"homellm/engine/ui"
)

func newUI(p process) *cobra.Command {
	dir, listen := results.Default, "127.0.0.1:0"
	c := &cobra.Command{
		Use:   "ui",
		Short: "Look at the runs in a browser of this machine",
		Long: `ui serves pages on this machine until Ctrl-C: the runs with filters, one of them, two
side by side, a scenario over all its runs with the places where a figure changed
its level, and a run while it is being played. It prints the address to open,
which holds a token: without it nothing is shown. It changes no run, loads nothing
from elsewhere, and listens on a loopback address only.`,
		Example: `  homellm ui
  homellm ui --dir lab/results --listen 127.0.0.1:8700`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return serveUI(c.Context(), p, dir, listen) },
	}
	c.Flags().StringVar(&dir, "dir", dir, "the folder that holds the results folders")
	c.Flags().StringVar(&listen, "listen", listen, "loopback address to listen on; port 0: any that is free")
	return c
}

func serveUI(ctx context.Context, p process, dir, listen string) error {
	host, _, err := net.SplitHostPort(listen)
	if ip := net.ParseIP(host); err != nil || host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return exit.Errorf(exit.Usage, "write an address such as 127.0.0.1:0 or [::1]:8700",
			"--listen %s: the pages are for this machine alone", listen)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", listen)
	if err != nil {
		return exit.Errorf(exit.Environment, "choose another port with --listen", "%w", err)
	}
	defer l.Close()
	var random [16]byte
	if _, err := rand.Read(random[:]); err != nil {
		return fmt.Errorf("making a token: %w", err)
	}
	token, at := hex.EncodeToString(random[:]), l.Addr().String()
	_, port, err := net.SplitHostPort(at)
	if err != nil {
		return fmt.Errorf("reading the address %s: %w", at, err)
	}
	s, err := ui.New(ctx, p.runs(dir), token, []string{at, net.JoinHostPort("localhost", port)})
	if err != nil {
		return err
	}
	defer s.Close()
	fmt.Fprintf(p.stdout, "http://%s/%s/\n", at, token)
	p.say("open this address in a browser of this machine; Ctrl-C ends")
	server := &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	stopped := context.AfterFunc(ctx, crash.Guarded(func() { server.Close() }))
	defer stopped()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return exit.Errorf(exit.Environment, "", "serving the pages: %w", err)
	}
	return nil
}
