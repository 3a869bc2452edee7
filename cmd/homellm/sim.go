package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"homellm/engine/crash"
	"homellm/engine/exit"
	"homellm/engine/sim"
)

func newSim(p process) *cobra.Command {
	var config sim.Config
	var listen string
	var port int
	gpus := make([]string, len(sim.GPUs))
	for i, g := range sim.GPUs {
		gpus[i] = g.Name
	}
	models := make([]string, len(sim.Models))
	for i, m := range sim.Models {
		models[i] = m.Name
	}
	c := &cobra.Command{
		Use:   "sim",
		Short: "Run the simulated server",
		Long: `sim runs a vLLM-compatible server that computes nothing: it answers from the
documents in the prompt, keeps a block-hashed prefix cache, and takes as long as a
roofline model of the named GPU and model says: an estimate, fitted to published
rates only for llama.cpp's formats (f16, q4_k_m, q8_0) on some of the cards. It
listens on this machine only unless told otherwise.

GPUs: ` + strings.Join(gpus, ", ") + `
Models: ` + strings.Join(models, ", "),
		Example: `  homellm sim --gpu "RTX 3060 12GB" --model qwen2.5-7b-awq`,
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if port != 0 {
				listen = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
			}
			return serveSim(c.Context(), p, listen, config)
		},
	}
	f := c.Flags()
	f.StringVar(&listen, "listen", "127.0.0.1:8000", "address to listen on; port 0 takes a free one")
	f.IntVar(&port, "port", 0, "port on 127.0.0.1, instead of --listen")
	simulation(c, &config)
	c.MarkFlagsMutuallyExclusive("listen", "port")
	return c
}

func serveSim(ctx context.Context, p process, listen string, config sim.Config) error {
	handler, err := sim.New(config)
	if err != nil {
		return exit.Errorf(exit.Usage, "homellm sim --help lists the GPUs and models", "%w", err)
	}
	defer handler.Close()
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", listen)
	if err != nil {
		return exit.Errorf(exit.Environment, "choose another address with --listen", "%w", err)
	}
	server := handler.HTTP()
	fmt.Fprintf(p.stderr, "SIMULATED %s at http://%s/v1; Ctrl-C stops it\n", config, l.Addr())
	done := make(chan error, 1)
	crash.Go(func() { done <- server.Serve(l) })
	select {
	case err := <-done:
		return exit.Errorf(exit.Environment, "", "serving: %w", err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		_ = server.Close() // requests that take longer than the grace period are cut off
	}
	if err := <-done; !errors.Is(err, http.ErrServerClosed) {
		return exit.Errorf(exit.Environment, "", "serving: %w", err)
	}
	return nil
}
