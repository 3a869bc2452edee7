package main

import (
	"context"

	"github.com/spf13/cobra"

	"homellm/engine/exit"
	"homellm/engine/host"
	"homellm/engine/listing"
	"homellm/engine/server"
	"homellm/engine/target"
)

func newServers(p process) *cobra.Command {
	var f serversFlags
	c := &cobra.Command{
		Use:   "servers",
		Short: "List server profiles and the servers that run on this machine",
		Long: `servers lists the profiles that can run, and what answers at their addresses and
at the usual ports of this machine now. It asks addresses of this machine only and
changes nothing. With --url it asks that one address, wherever it is.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return listServers(c.Context(), p, f)
		},
	}
	f.libraryFlags.add(c)
	f.shown.add(c, listing.Servers)
	f.addressFlags.add(c, "address of one server to ask, instead of the profiles and this machine's ports")
	return c
}

type serversFlags struct {
	libraryFlags
	addressFlags
	shown lookFlags
}

func listServers(ctx context.Context, p process, f serversFlags) error {
	if err := f.shown.check(); err != nil {
		return err
	}
	lib, err := f.load(p)
	if err != nil {
		return err
	}
	if _, err := f.secret(); err != nil {
		return err
	}
	if f.url != "" {
		return listAddress(ctx, p, f)
	}
	left, err := host.Leftovers(target.Records(p.stateDir))
	if err != nil {
		return exit.Errorf(exit.Environment, "", "%w", err)
	}
	d, err := listing.OfMachine(ctx, lib, left)
	if err != nil {
		return err
	}
	return f.shown.write(p.stdout, d)
}

// listAddress prints what answers at one address.
func listAddress(ctx context.Context, p process, f serversFlags) error {
	key, err := f.key(p)
	if err != nil {
		return err
	}
	hc := server.NewHTTPClient(key)
	defer hc.CloseIdleConnections()
	found, err := server.Probe(ctx, f.url, hc)
	if err != nil {
		return exit.Errorf(exit.Usage, "write it like http://127.0.0.1:8000/v1", "--url: %w", err)
	}
	return f.shown.write(p.stdout, listing.OfAddress(found))
}
