// Package doctor finds out what can be measured here: which servers answer, what they can report, and what of the
// machine makes numbers worse than they need be. The input is an address or this machine's usual ports, and a report
// to write to; the output is lines of that report and problems, each with the command that fixes it. The advice for
// an engine comes from its entry in engine/engines.
package doctor

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"

	"homellm/dsl"
	"homellm/engine/engines"
	"homellm/engine/host"
	"homellm/engine/server"
)

// Doctor examines servers and the machine.
type Doctor struct {
	Report   Report
	Library  *dsl.Library
	Key      string // key of the named server; empty: none
	Model    string // model for the test requests; empty: a loaded one
	Records  string // folder with the records of started servers
	ModelDir string // folder of models; empty: none
	Waiting  func(what string) (done func())
}

// Report receives the results of an examination.
type Report interface {
	Section(format string, args ...any)
	Line(label, format string, args ...any)
	Problem(next, format string, args ...any) // next is the command that fixes it
	Server(f ServerFacts)                     // what the section says of a server, as data
	Machine(f MachineFacts)                   // what the section says of the machine, as data
}

// BadAddress is an address that cannot be examined.
type BadAddress struct{ err error }

// Error implements error.
func (e *BadAddress) Error() string { return e.err.Error() }

// Unwrap returns the reason.
func (e *BadAddress) Unwrap() error { return e.err }

// ErrNothing says that no server was found, at the named address or at all.
var ErrNothing = errors.New("no server was found")

// Examine examines the server at an address, or all servers at this machine's usual ports, and then the machine.
func (d *Doctor) Examine(ctx context.Context, address string) error {
	found, err := d.find(ctx, address)
	nothing := errors.Is(err, ErrNothing)
	if err != nil && !nothing {
		return err
	}
	for _, one := range found {
		d.server(ctx, one)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	d.machine(ctx)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if nothing {
		return ErrNothing
	}
	return nil
}

// find probes the address that was named, or this machine's usual ports.
func (d *Doctor) find(ctx context.Context, address string) ([]server.Found, error) {
	if address == "" {
		return d.scan(ctx)
	}
	const usual = "homellm doctor   (looks at this machine's usual ports)"
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	if u, err := url.Parse(address); err != nil || u.Hostname() == "" {
		return nil, &BadAddress{errors.New("this is not an address")}
	}
	hc := server.NewHTTPClient(d.Key)
	defer hc.CloseIdleConnections()
	one, err := server.Probe(ctx, address, hc)
	switch {
	case err != nil:
		return nil, &BadAddress{err}
	case one.State == server.PortBusy:
		d.server(ctx, one)
		d.Report.Problem(usual, "what answers at %s is not an LLM server that homellm knows: %s", one.URL, one.Detail)
		return nil, ErrNothing
	case one.State == server.NotRunning:
		d.Report.Section("no server runs at %s", one.URL)
		d.Report.Problem(usual, "no server runs at %s (%s): is the server started, and is the address right?", one.URL,
			one.Detail)
		return nil, ErrNothing
	}
	return []server.Found{one}, nil
}

// scan probes this machine's usual ports and those of the servers that homellm started.
func (d *Doctor) scan(ctx context.Context) ([]server.Found, error) {
	ports := engines.Ports()
	left, err := host.Leftovers(d.Records)
	if err != nil {
		return nil, err
	}
	for _, l := range left {
		ports = append(ports, server.PortOf("http://"+l.Address))
		if !l.Owned {
			d.Report.Problem("homellm stop "+l.Name, "an earlier homellm left a server running: %s", l)
		}
	}
	byPort, err := server.Answering(ctx, ports)
	if err != nil {
		return nil, err
	}
	var found []server.Found
	for _, port := range ports {
		if f, ok := byPort[port]; ok {
			found = append(found, f)
			delete(byPort, port)
		}
	}
	if !slices.ContainsFunc(found, func(f server.Found) bool { return f.State != server.PortBusy }) {
		for _, f := range found {
			d.server(ctx, f)
		}
		d.Report.Section("no server answers on this machine's usual ports")
		d.Report.Problem("homellm apply quickstart   (plays on the built-in simulator)\n      "+
			"homellm servers            (profiles that homellm can start: homellm serve PROFILE)",
			"there is no server to measure")
		return nil, ErrNothing
	}
	return found, nil
}
