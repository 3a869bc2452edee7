package listing

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"homellm/dsl"
	"homellm/engine/engines"
	"homellm/engine/host"
	"homellm/engine/report"
	"homellm/engine/server"
)

// Machine lists server profiles and what answers.
type Machine struct {
	Schema   string    `json:"schema"`
	Profiles []Profile `json:"profiles"`
	Running  []Running `json:"running"`

	address bool // only one address was asked
}

// Profile is a profile that can run, and what answers at its address now.
type Profile struct {
	Name    string   `json:"name"`
	Engine  string   `json:"engine"`
	How     string   `json:"how"` // starts or attaches
	Address *string  `json:"address"`
	Models  []string `json:"models"`
	// what --variant can choose, in the order of the file
	Variants []ProfileVariants `json:"variants,omitempty"`
	Now      *server.Document  `json:"now,omitempty"`
	Other    bool              `json:"another_engine,omitempty"` // what answers is not what the profile means
	Unknown  unknown           `json:"unknown"`

	found server.Found
}

// ProfileVariants are the alternatives of one setting of a profile.
type ProfileVariants struct {
	Name   string   `json:"name"`
	Values []string `json:"values"`
}

// Running is an address at which something runs.
type Running struct {
	URL     string           `json:"url"`
	Answers bool             `json:"answers"`
	Server  *server.Document `json:"server,omitempty"`
	Homellm *Ours            `json:"homellm,omitempty"` // it was started by homellm
	Process *Process         `json:"process"`
	Unknown unknown          `json:"unknown"`

	found server.Found
}

// Ours is a server that homellm started.
type Ours struct {
	Profile  string `json:"profile"`
	LeftOver bool   `json:"left_over"` // the homellm that started it is gone
}

// Process is what listens at an address.
type Process struct {
	PID     int    `json:"pid"`
	Command string `json:"command"`
}

// OfAddress is what answers at one address.
func OfAddress(found server.Found) Machine {
	d := found.Document()
	return Machine{Schema: schemaOf("servers-list"), Profiles: []Profile{}, address: true,
		Running: []Running{{URL: found.URL, Answers: found.State != server.NotRunning, Server: &d, found: found,
			Unknown: unknown{"process": "only the address was asked, not this machine"}}}}
}

// OfMachine asks this machine's usual ports, those of the profiles and those of servers that homellm started.
func OfMachine(ctx context.Context, lib *dsl.Library, left []host.Leftover) (Machine, error) {
	ports := engines.Ports()
	for _, l := range left {
		ports = append(ports, server.PortOf("http://"+l.Address))
	}
	for _, profile := range lib.Servers {
		if port := portOf(profile); port > 0 && !profile.Abstract {
			ports = append(ports, port)
		}
	}
	found, err := server.Answering(ctx, ports)
	if err != nil {
		return Machine{}, err
	}
	d := Machine{Schema: schemaOf("servers-list"), Profiles: []Profile{}, Running: []Running{}}
	for _, profile := range lib.Servers {
		if !profile.Abstract {
			d.Profiles = append(d.Profiles, ofProfile(profile, found))
		}
	}
	d.running(ctx, found, left)
	return d, nil
}

func isLocal(name string) bool {
	return name == "localhost" || strings.HasPrefix(name, "127.") || name == "::1"
}

// portOf is the port of this machine at which a profile's server is; 0: none that is known.
func portOf(profile *dsl.Server) int {
	if profile.Attach == "" {
		return profile.Port
	}
	if u, err := url.Parse(profile.Attach); err == nil && isLocal(u.Hostname()) {
		return server.PortOf(profile.Attach)
	}
	return 0
}

func ofProfile(profile *dsl.Server, found map[int]server.Found) Profile {
	out := Profile{Name: profile.Name, Engine: profile.Engine, How: "starts",
		Models: append([]string{}, profile.Models...), Unknown: unknown{}}
	for _, v := range profile.Variants {
		one := ProfileVariants{Name: v.Name}
		for _, value := range v.Values {
			one.Values = append(one.Values, value.Name)
		}
		out.Variants = append(out.Variants, one)
	}
	switch port := portOf(profile); {
	case profile.Attach != "":
		out.How, out.Address = "attaches", &profile.Attach
	case port > 0:
		out.Address = new(fmt.Sprintf("http://127.0.0.1:%d", port))
	default:
		out.Unknown["address"] = "any free port"
	}
	if f, ok := found[portOf(profile)]; ok {
		d := f.Document()
		out.Now, out.found = &d, f
		out.Other = f.Engine != profile.Engine && f.State == server.Ready &&
			engines.Of(profile.Engine).Role != engines.Generic
	}
	return out
}

// running lists the servers that run now, also those that homellm did not start.
func (d *Machine) running(ctx context.Context, found map[int]server.Found, left []host.Leftover) {
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
	for _, port := range slices.Sorted(slices.Values(ports)) {
		out := Running{URL: "http://127.0.0.1:" + strconv.Itoa(port), Unknown: unknown{}}
		if f, ok := found[port]; ok {
			document := f.Document()
			out.Answers, out.Server, out.found = true, &document, f
		}
		if l, ok := owner[port]; ok {
			out.Homellm = &Ours{Profile: l.Name, LeftOver: !l.Owned}
		}
		if pid, command, ok := host.Listener(ctx, port); ok {
			out.Process = &Process{PID: pid, Command: command}
		} else {
			out.Unknown["process"] = "the operating system does not say which process listens there"
		}
		d.Running = append(d.Running, out)
	}
}

// WriteText implements [Document].
func (d Machine) WriteText(w io.Writer) error {
	if d.address {
		one := d.Running[0]
		return report.Columns(w, []string{"running at", "what", "models", "apis"},
			[][]string{{one.URL, describe(one.found), modelsOf(one.found), apisOf(one.found)}}, 4)
	}
	var rows [][]string
	for _, p := range d.Profiles {
		rows = append(rows, p.row())
	}
	if err := report.Columns(w, []string{"profile", "engine", "how", "address", "models", "now"}, rows, 6); err != nil {
		return err
	}
	if err := d.writeVariants(w); err != nil {
		return err
	}
	if len(d.Running) == 0 {
		_, err := fmt.Fprintln(w, "\nno server answers on this machine's usual ports")
		return err
	}
	rows = nil
	for _, r := range d.Running {
		rows = append(rows, r.row())
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	return report.Columns(w, []string{"running at", "what", "models", "apis", "started by"}, rows, 5)
}

// writeVariants lists what --variant can choose.
func (d Machine) writeVariants(w io.Writer) error {
	var rows [][]string
	for _, p := range d.Profiles {
		for _, v := range p.Variants {
			rows = append(rows, []string{p.Name, v.Name, strings.Join(v.Values, ", ")})
		}
	}
	if len(rows) == 0 {
		return nil
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	return report.Columns(w, []string{"profile", "variants", "of which one is chosen"}, rows, 3)
}

func (p Profile) row() []string {
	address, now := p.Unknown["address"], "–"
	if p.Address != nil {
		address = *p.Address
	}
	if p.Now != nil {
		now = describe(p.found)
		if p.Other {
			now = "not this one: " + now
		}
	}
	models := strings.Join(p.Models, ", ")
	if len(p.Models) > 3 {
		models = strings.Join(p.Models[:3], ", ") + fmt.Sprintf(" and %d more", len(p.Models)-3)
	}
	return []string{p.Name, p.Engine, p.How, address, models, now}
}

func (r Running) row() []string {
	what, models, apis, by := "does not answer", "–", "–", "someone else"
	if r.Answers {
		what, models, apis = describe(r.found), modelsOf(r.found), apisOf(r.found)
	}
	switch {
	case r.Homellm != nil:
		by = "homellm, profile " + r.Homellm.Profile
		if r.Homellm.LeftOver {
			by += "; left over: homellm stop " + r.Homellm.Profile
		}
	case r.Process != nil:
		by = fmt.Sprintf("process %d (%s)", r.Process.PID, r.Process.Command)
	}
	return []string{r.URL, what, models, apis, by}
}

// describe says what was found at an address.
func describe(f server.Found) string {
	switch {
	case f.State == server.PortBusy:
		return "port in use: " + f.Detail
	case f.State != server.Ready:
		return strings.ReplaceAll(string(f.State), "_", " ") + ": " + f.Detail
	}
	return f.Label()
}

// apisOf names the APIs that a server is known to serve.
func apisOf(f server.Found) string {
	if f.State != server.Ready {
		return "–"
	}
	names := []string{"chat"}
	for _, c := range f.APIs {
		if c.OK {
			names = append(names, c.Name)
		}
	}
	return strings.Join(names, ", ")
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
