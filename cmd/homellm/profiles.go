package main

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"homellm/dsl"
	"homellm/engine/engines"
	"homellm/engine/exit"
	"homellm/engine/host"
	"homellm/engine/report"
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
	f.addressFlags.add(c, "address of one server to ask, instead of the profiles and this machine's ports")
	return c
}

type serversFlags struct {
	libraryFlags
	addressFlags
}

// listAddress says what answers at one address.
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
	return report.Columns(p.stdout, []string{"running at", "what", "models"},
		[][]string{{found.URL, describeFound(found), modelsOf(found)}}, 3)
}

func listServers(ctx context.Context, p process, f serversFlags) error {
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
	ports := engines.Ports()
	for _, l := range left {
		ports = append(ports, server.PortOf("http://"+l.Address))
	}
	for _, profile := range lib.Servers {
		if profile.Abstract {
			continue
		}
		if profile.Port > 0 {
			ports = append(ports, profile.Port)
		}
		if u, err := url.Parse(profile.Attach); err == nil && isLocal(u.Hostname()) {
			ports = append(ports, server.PortOf(profile.Attach))
		}
	}
	found, err := server.Answering(ctx, ports)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, profile := range lib.Servers {
		if !profile.Abstract {
			rows = append(rows, profileRow(profile, found))
		}
	}
	head := []string{"profile", "engine", "how", "address", "models", "now"}
	if err := report.Columns(p.stdout, head, rows, 6); err != nil {
		return err
	}
	return writeRunning(ctx, p, found, left)
}

func isLocal(name string) bool {
	return name == "localhost" || strings.HasPrefix(name, "127.") || name == "::1"
}

func profileRow(profile *dsl.Server, found map[int]server.Found) []string {
	how, address, now := "starts", "any free port", "–"
	port := profile.Port
	if profile.Attach != "" {
		how, address = "attaches", profile.Attach
		port = 0
		if u, err := url.Parse(profile.Attach); err == nil && isLocal(u.Hostname()) {
			port = server.PortOf(profile.Attach)
		}
	} else if port > 0 {
		address = fmt.Sprintf("http://127.0.0.1:%d", port)
	}
	if f, ok := found[port]; ok && port > 0 {
		now = describeFound(f)
		if f.Engine != profile.Engine && f.State == server.Ready && engines.Of(profile.Engine).Role != engines.Generic {
			now = "not this one: " + now
		}
	}
	models := strings.Join(profile.Models, ", ")
	if len(profile.Models) > 3 {
		models = strings.Join(profile.Models[:3], ", ") + fmt.Sprintf(" and %d more", len(profile.Models)-3)
	}
	return []string{profile.Name, profile.Engine, how, address, models, now}
}

func describeFound(f server.Found) string {
	switch {
	case f.State == server.PortBusy:
		return "port in use: " + f.Detail
	case f.State != server.Ready:
		return strings.ReplaceAll(string(f.State), "_", " ") + ": " + f.Detail
	}
	return f.Label()
}

// modelsOf names the models of a server.
func modelsOf(f server.Found) string {
	if len(f.Models) == 0 {
		return "–"
	}
	ids := make([]string, len(f.Models))
	for i, m := range f.Models {
		ids[i] = m.ID
	}
	return strings.Join(ids, ", ")
}

// writeRunning lists the servers that run now, also those that homellm did not start.
func writeRunning(ctx context.Context, p process, found map[int]server.Found, left []host.Leftover) error {
	owner := map[int]host.Leftover{}
	for _, l := range left {
		owner[server.PortOf("http://"+l.Address)] = l
	}
	var ports []int
	for port := range found {
		ports = append(ports, port)
	}
	for port := range owner {
		if _, ok := found[port]; !ok {
			ports = append(ports, port)
		}
	}
	if len(ports) == 0 {
		_, err := fmt.Fprintln(p.stdout, "\nno server answers on this machine's usual ports")
		return err
	}
	var rows [][]string
	for _, port := range slices.Sorted(slices.Values(ports)) {
		f, answers := found[port]
		what, model := "does not answer", "–"
		if answers {
			what, model = describeFound(f), modelsOf(f)
		}
		by := "somebody else"
		if l, ok := owner[port]; ok {
			by = "homellm, profile " + l.Name
			if !l.Owned {
				by += "; left over: homellm stop " + l.Name
			}
		} else if pid, command, ok := host.Listener(ctx, port); ok {
			by = fmt.Sprintf("process %d (%s)", pid, command)
		}
		rows = append(rows, []string{fmt.Sprintf("http://127.0.0.1:%d", port), what, model, by})
	}
	fmt.Fprintln(p.stdout)
	return report.Columns(p.stdout, []string{"running at", "what", "models", "started by"}, rows, 4)
}
