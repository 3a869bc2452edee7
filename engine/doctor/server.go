package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"homellm/dsl"
	"homellm/engine/engines"
	"homellm/engine/host"
	"homellm/engine/observe"
	"homellm/engine/server"
)

// server prints what one server is and what can be measured of it.
func (d *Doctor) server(ctx context.Context, f server.Found) {
	title := f.Name()
	if e, ok := engines.Lookup(f.Engine); ok {
		title = e.Title
	}
	d.Report.Section("%s at %s", strings.TrimSpace(title+" "+f.Version), f.URL)
	facts := ServerFacts{Document: f.Document()}
	defer func() { d.Report.Server(facts) }()
	if f.Simulated {
		d.Report.Line("SIMULATED", "%s: none of its numbers is a real server's", f.Simulation)
	}
	state := strings.ReplaceAll(string(f.State), "_", " ")
	facts.Unknown["test"] = "a server is tested when it is ready: this one is " + state
	if f.Detail != "" {
		state += ": " + f.Detail
	}
	d.Report.Line("state", "%s", state)
	switch f.State {
	case server.StartingUp:
		d.Report.Problem("homellm doctor --url "+f.URL+"   (in a moment)", "%s is still starting", f.URL)
		return
	case server.Failing:
		d.Report.Problem("look at its log, then start it again", "%s says that it is broken: %s", f.URL, f.Detail)
		return
	case server.Locked:
		d.Report.Problem(d.withKey(f.URL), "%s: %s", f.URL, f.Detail)
		return
	case server.PortBusy:
		if pid, command, ok := host.Listener(ctx, f.Port()); ok {
			d.Report.Line("process", "%d (%s)", pid, command)
		}
		return
	}
	name, loaded := d.models(f)
	var seen tested
	if loaded {
		seen = d.test(ctx, f, name)
	}
	facts.APIs, facts.Capabilities = d.apis(f, seen), d.capabilities(f, seen)
	for _, n := range f.Notes {
		d.Report.Line("note", "%s", n)
	}
	switch {
	case name == "":
		facts.Unknown["test"] = "there is no model to test"
	case !loaded:
		why := "not sent: it may load a model, or cost money; name one with --model " + name + " to have it tested"
		facts.Unknown["test"] = why
		d.Report.Line("test", "%s", why)
	default:
		facts.Test = testFacts(name, seen)
		delete(facts.Unknown, "test")
		d.results(f, name, seen)
	}
}

// capabilities lists what can be measured of a server: according to its replies, as a run decides it, or to its
// engine's entry if the replies do not tell.
func (d *Doctor) capabilities(f server.Found, seen tested) []server.Ability {
	out := []server.Ability{}
	list, open := f.Capabilities, observe.SelfTested
	if seen.proof != nil {
		list = seen.proof.Refine(list)
		open = seen.proof.Undecided()
	}
	for _, c := range list {
		mark := "no "
		one := server.Ability{Name: c.Name, OK: &c.OK, How: c.How, Unknown: map[string]string{}}
		switch {
		case slices.Contains(open, c.Name):
			mark, c.How = "?  ", "decided by the self-test before a run"
			one.OK, one.How, one.Unknown["ok"] = nil, c.How, c.How
		case c.OK:
			mark = "yes"
		}
		out = append(out, one)
		d.Report.Line(strings.ReplaceAll(c.Name, "_", " "), "%s  %s", mark, c.How)
	}
	profile := d.Library.Server(d.Library.Attach("doctor", f.Engine, f.URL))
	if keys := profile.Unkept(dsl.EveryKey()); len(keys) > 0 {
		d.Report.Line("request keys", "not supported: %s; a run does not send them, and metrics that depend on them are "+
			"unsupported", strings.Join(keys, ", "))
	}
	return out
}

// models lists the served models and chooses the one to test.
func (d *Doctor) models(f server.Found) (name string, loaded bool) {
	if len(f.Models) == 0 {
		d.Report.Line("model", "none")
		next := "load a model in the server"
		if h := engines.Of(f.Engine).Hints; h.Pull != "" {
			next = h.Pull + " " + h.SmallModel
		}
		d.Report.Problem(next, "%s lists no model", f.URL)
		return "", false
	}
	for _, m := range f.Models {
		about := ""
		n, ok := f.Default(m.ID)
		switch {
		case ok:
			about = fmt.Sprintf(", context %d tokens", n)
		case m.TrainedTokens != nil:
			about = fmt.Sprintf(", context not known before it is loaded (trained for %d)", *m.TrainedTokens)
		default:
			about = ", context not known"
		}
		if m.Loaded != nil && !*m.Loaded {
			about += ", not loaded"
		}
		if m.GPUShare != nil {
			about += fmt.Sprintf(", %.0f %% in GPU memory", 100**m.GPUShare)
		}
		if known := d.Library.Recognise(m.ID); known != nil && known.Name != m.ID {
			about += ", known as " + known.Name
		}
		d.Report.Line("model", "%s%s", m.ID, about)
	}
	if d.Model != "" {
		if err := f.CheckModel(d.Model); err != nil {
			next := "homellm doctor --model " + f.Models[0].ID
			if missing, ok := errors.AsType[*server.ModelNotFound](err); ok {
				next = missing.Hint()
			}
			d.Report.Problem(next, "%v", err)
			return "", false
		}
		return d.Model, true
	}
	for _, m := range f.Models {
		if inMemory(f, m) {
			return m.ID, true
		}
	}
	return f.Models[0].ID, false
}

// inMemory reports whether a request for a model is answered by a loaded model, on this server. If an unknown server
// lists several models, a request may load one.
func inMemory(f server.Found, m engines.Model) bool {
	if m.Loaded != nil {
		return *m.Loaded
	}
	engine := engines.Of(f.Engine)
	return !engine.Models.OnDemand && (engine.Role != engines.Generic || len(f.Models) == 1)
}

// withKey returns the command that examines a server with its key.
func (d *Doctor) withKey(address string) string {
	command := "homellm doctor --url " + address + " --api-key-env NAME   (or --api-key-file PATH)"
	if d.Key != "" {
		return "the key that you named is not that of this server; with the right one: " + command
	}
	return command
}
