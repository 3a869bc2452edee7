package server

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"homellm/engine/engines"
)

// State is the state of a server.
type State string

// The states of an address.
const (
	NotRunning State = "not_running" // nothing listens there
	StartingUp State = "starting_up" // an LLM server that says it is not ready yet
	Ready      State = "ready"       // it answers as an LLM server does
	Failing    State = "failing"     // an LLM server that says it is broken
	Locked     State = "locked"      // an API that requires a key, or a different one
	PortBusy   State = "port_busy"   // something else listens there
)

// Found is what a probe found at an address. What the server did not report is absent.
type Found struct {
	URL           string               // scheme, host, port and any prefix; never with /v1
	State         State                //
	Detail        string               // one clause that explains State, such as what occupies the port
	Status        int                  // status that refused the list of models; 0: not refused, or nothing answered
	Engine        string               // a name in [engines.All]; empty if it was not recognised
	Version       string               // as the server spells it
	Simulated     bool                 // homellm's own simulator
	Simulation    string               // what is simulated, such as "RTX 4090, qwen2.5-3b"
	Models        []engines.Model      // in the server's order
	ContextTokens *int                 // served context, if all its models share one
	BlockTokens   *int                 // tokens in one block of the prefix cache
	Slots         *int                 // requests it runs at the same time
	APIs          []engines.Capability // optional APIs that it is known to serve, or not to serve
	Capabilities  []engines.Capability // what can be measured here and from which source, in a fixed order
	Notes         []string             // what a user should know about the numbers
}

// Can reports whether the server offers a capability.
func (f Found) Can(name string) bool {
	return slices.ContainsFunc(f.Capabilities, func(c engines.Capability) bool { return c.Name == name && c.OK })
}

// Model finds a served model by the name a request would use.
func (f Found) Model(name string) (engines.Model, bool) {
	tag := engines.Of(f.Engine).Models.DefaultTag
	for _, m := range f.Models {
		if m.ID == name || tag != "" && m.ID == name+tag {
			return m, true
		}
	}
	return engines.Model{}, false
}

// Name is the server's name if no profile names it: that of its engine.
func (f Found) Name() string {
	if f.Engine == "" {
		return "generic"
	}
	return f.Engine
}

// Label is the name with the version, if known.
func (f Found) Label() string { return strings.TrimSpace(f.Name() + " " + f.Version) }

// Port is the port of its address; 0 if that has none.
func (f Found) Port() int { return PortOf(f.URL) }

// Context is the context a model is served with; false if the server does not say.
func (f Found) Context(model string) (tokens int, ok bool) {
	if m, found := f.Model(model); found && m.ContextTokens != nil {
		return *m.ContextTokens, true
	}
	if f.ContextTokens != nil {
		return *f.ContextTokens, true
	}
	return 0, false
}

// Default is the context of requests for a model that ask for none; false if the server does not say. The loaded
// context may differ.
func (f Found) Default(model string) (tokens int, ok bool) {
	if m, found := f.Model(model); found && m.DefaultTokens != nil {
		return *m.DefaultTokens, true
	}
	return f.Context(model)
}

// CheckModel explains why a request for a model would fail; nil if it would not. A server that ignores the model's
// name (llama.cpp with one model) accepts any.
func (f Found) CheckModel(name string) error {
	if _, ok := f.Model(name); ok || f.State != Ready {
		return nil
	}
	if engines.Of(f.Engine).Models.Any && len(f.Models) <= 1 {
		return nil
	}
	have := make([]string, len(f.Models))
	for i, m := range f.Models {
		have[i] = m.ID
	}
	return &ModelNotFound{Model: name, URL: f.URL, Engine: f.Engine, Have: have}
}

// ModelNotFound says that a server does not have a model, and which it has.
type ModelNotFound struct {
	Model  string
	URL    string
	Engine string
	Have   []string
}

// Error implements error.
func (e *ModelNotFound) Error() string {
	if len(e.Have) == 0 {
		return fmt.Sprintf("%s has no model %q; it lists none at all", e.URL, e.Model)
	}
	return fmt.Sprintf("%s has no model %q; it has %s", e.URL, e.Model, strings.Join(e.Have, ", "))
}

// Hint is what to do about it.
func (e *ModelNotFound) Hint() string {
	if pull := engines.Of(e.Engine).Hints.Pull; pull != "" {
		return fmt.Sprintf("run: %s %s", pull, e.Model)
	}
	if len(e.Have) > 0 {
		return fmt.Sprintf(
			"use --model %s, or give the model that name with the server's own option (such as --served-model-name)",
			e.Have[0],
		)
	}
	return "load a model in the server first"
}

// Probe finds out what answers at an address. It only reads: none of its requests changes the server's state, uses a
// slot, or runs a model. It asks in the rounds of [engines.Rounds] until an answer is conclusive; the most specific
// answer decides, because servers imitate each other's APIs. What is not answered within a second is asked once more
// with a longer limit, because a busy server answers late.
//
// An address without an answer is a result, not an error: see [Found.State]. The error is for an address that cannot
// be parsed, or a context that ended.
//
// The name localhost has two addresses. If no server answers at the first, the other is asked too.
func Probe(ctx context.Context, address string, client *http.Client) (Found, error) {
	base, err := baseURL(address)
	if err != nil {
		return Found{}, err
	}
	if client == nil {
		client = NewHTTPClient("")
		defer client.CloseIdleConnections()
	}
	found, err := probe(ctx, base, client)
	if err != nil || found.State != NotRunning && found.State != PortBusy {
		return found, err
	}
	for _, literal := range literals(base) {
		if other, err := probe(ctx, literal, client); err != nil || other.State != NotRunning && other.State != PortBusy {
			return other, err
		}
	}
	return found, nil
}

// probe finds out what answers at an address without a path.
func probe(ctx context.Context, base string, client *http.Client) (Found, error) {
	at := endpoint{base, client}
	seen := at.askRounds(ctx)
	if err := ctx.Err(); err != nil {
		return Found{}, fmt.Errorf("probing %s: %w", base, context.Cause(ctx))
	}
	engine, facts, known := engines.Recognise(seen)
	if !known {
		f := Found{URL: base, Status: refusedWith(seen)}
		f.State, f.Detail = at.stranger(ctx, seen)
		return f, nil
	}
	f := Found{URL: base, Engine: engine.Name, Simulated: engine.Role == engines.Simulator, Status: refusedWith(seen)}
	switch {
	case facts.Starting != "":
		f.State, f.Detail = StartingUp, facts.Starting
	case facts.Broken != "":
		f.State, f.Detail = Failing, facts.Broken
	case facts.Locked != "":
		f.State, f.Detail = at.locked(facts.Locked, seen[facts.Locked])
	case refusedWith(seen) >= http.StatusInternalServerError:
		f.State, f.Detail, _ = at.refusal(seen["/v1/models"])
	default:
		f.State = Ready
		if engine.API.Details != nil {
			engine.API.Details(ctx, at, &facts)
		}
	}
	facts.Believe()
	f.URL += facts.Prefix
	f.Version, f.Simulation, f.Models, f.Notes = facts.Version, facts.Simulation, facts.Models, facts.Notes
	f.BlockTokens, f.Slots = facts.BlockTokens, facts.Slots
	f.ContextTokens = commonContext(f.Models)
	f.APIs = engines.LastOfEach(slices.Concat(engine.Serving(f.Version), facts.APIs))
	f.Capabilities = engines.LastOfEach(slices.Concat(engine.Capabilities, facts.Capabilities))
	return f, nil
}

// askRounds asks an unknown address until one engine is left or nothing answers.
func (e endpoint) askRounds(ctx context.Context) engines.Responses {
	seen := engines.Responses{}
	for _, round := range engines.Rounds {
		e.askNew(ctx, seen, round)
		if engine, ok := engines.Suspect(seen); ok {
			e.askNew(ctx, seen, engine.API.Paths)
			if recognised, _, ok := engines.Recognise(seen); ok && recognised.Role != engines.Generic {
				break
			}
		}
		if !answered(seen) {
			break
		}
	}
	return seen
}

// askNew asks for the paths without a response yet, and again for those that did not answer in time.
func (e endpoint) askNew(ctx context.Context, seen engines.Responses, paths []string) {
	unseen := func(path string) bool { _, ok := seen[path]; return !ok }
	fresh := slices.DeleteFunc(slices.Clone(paths), func(path string) bool { return !unseen(path) })
	maps.Copy(seen, e.Ask(ctx, engines.ProbeLimit, fresh...))
	slow := slices.DeleteFunc(fresh, func(path string) bool {
		return !errors.Is(seen[path].Err, context.DeadlineExceeded)
	})
	if ctx.Err() == nil {
		maps.Copy(seen, e.Ask(ctx, engines.Patience, slow...))
	}
}

// answered reports whether one of the paths got an answer, whatever it was.
func answered(seen engines.Responses) bool {
	for _, r := range seen {
		if r.Err == nil {
			return true
		}
	}
	return false
}

// cause is the innermost text of a network error, without the URL, which the caller shows.
func cause(err error) string {
	if wrapped, ok := err.(*url.Error); ok { //nolint:errorlint // only the outermost layer is to go
		err = wrapped.Err
	}
	return err.Error()
}

// commonContext is the context that all models share; nil if they differ or do not report it.
func commonContext(models []engines.Model) *int {
	var common *int
	for _, m := range models {
		switch {
		case m.ContextTokens == nil:
			return nil
		case common == nil:
			common = m.ContextTokens
		case *common != *m.ContextTokens:
			return nil
		}
	}
	return common
}
