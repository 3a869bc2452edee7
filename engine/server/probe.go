package server

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// State is how far a server is.
type State string

// The states of an address.
const (
	NotRunning State = "not_running" // nothing listens there
	StartingUp State = "starting_up" // an LLM server that says it is not ready yet
	Ready      State = "ready"       // it answers as it should
	Failing    State = "failing"     // an LLM server that says it is broken
	PortBusy   State = "port_busy"   // something else listens there
)

// Found is what a probe learnt about an address. What the server did not say is absent.
type Found struct {
	URL           string       // scheme, host, port and any prefix; never with /v1
	State         State        //
	Detail        string       // one clause that explains State, such as what keeps the port busy
	Engine        string       // a name in [Engines]; empty if it was not recognised
	Version       string       // as the server spells it
	Simulated     bool         // homellm's own simulator
	Simulation    string       // what is simulated, such as "RTX 4090, qwen2.5-3b"
	Models        []Model      // in the server's order
	ContextTokens *int         // served context, if all its models share one
	BlockTokens   *int         // tokens in one block of the prefix cache
	Slots         *int         // requests it runs at a time
	Capabilities  []Capability // what can be measured here and from which source, in a fixed order
	Notes         []string     // what a user should know before believing the numbers
}

// Model is one model that a server lists.
type Model struct {
	ID            string
	OwnedBy       string
	ContextTokens *int     // context it is served with
	TrainedTokens *int     // context it was trained for
	Loaded        *bool    // in memory now, where the server says so
	GPUShare      *float64 // 0..1 of its bytes in GPU memory, where the server says so
}

// Capability is one thing that homellm can or cannot do with a server.
type Capability struct {
	Name string // usage, cache_report, cache_reset, cache_salt, tokenize, metrics, server_timings, ignore_eos
	OK   bool
	How  string // the source, or why not and what would change that
}

// Can reports whether the server offers a capability.
func (f Found) Can(name string) bool {
	return slices.ContainsFunc(f.Capabilities, func(c Capability) bool { return c.Name == name && c.OK })
}

// Model finds a served model by the name a request would use.
func (f Found) Model(name string) (Model, bool) {
	for _, m := range f.Models {
		if m.ID == name || f.Engine == "ollama" && m.ID == name+":latest" {
			return m, true
		}
	}
	return Model{}, false
}

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

// CheckModel explains why a request for a model would fail here; nil if it would not. A server
// that ignores the name of the model (llama.cpp with one model) accepts any.
func (f Found) CheckModel(name string) error {
	if _, ok := f.Model(name); ok || f.State != Ready {
		return nil
	}
	if engine, ok := Lookup(f.Engine); ok && engine.AnyModel && len(f.Models) <= 1 {
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
	if e.Engine == "ollama" {
		return fmt.Sprintf("run: ollama pull %s", e.Model)
	}
	if len(e.Have) > 0 {
		return fmt.Sprintf("use --model %s, or give the model that name with the server's own option (such as --served-model-name)", e.Have[0])
	}
	return "load a model in the server first"
}

// probeLimit bounds each request to an address of which nothing is known, and patience each one
// to a server that has answered something: a server at work may take seconds for a list.
const (
	probeLimit = time.Second
	patience   = 5 * time.Second
)

// identifying are the paths that tell the engines apart. All are read-only and cheap.
var identifying = []string{
	"/", "/health", "/version", "/v1/models", "/props", "/api/version",
	"/get_model_info", "/api/v0/models", "/v1/model", "/api/extra/version",
}

// Probe finds out what answers at an address. It asks only; nothing it requests changes the
// server's state or takes a slot. The paths that tell engines apart are asked for at the same
// time, each for at most a second, and the most specific answer decides, because several
// servers imitate the APIs of others. Where some answer, those that were too slow are asked again
// with more patience: what a busy server could not say in time is not what it does not have.
//
// An address at which nothing answers is a finding, not an error: see [Found.State]. The error
// is about an address that cannot be read, or a context that ended.
func Probe(ctx context.Context, address string, client *http.Client) (Found, error) {
	base, err := baseURL(address)
	if err != nil {
		return Found{}, err
	}
	if client == nil {
		client = NewHTTPClient("")
		defer client.CloseIdleConnections()
	}
	seen := ask(ctx, client, base, probeLimit, identifying...)
	if slow := seen.late(); len(slow) > 0 && len(slow) < len(identifying) {
		maps.Copy(seen, ask(ctx, client, base, patience, slow...))
	}
	if err := ctx.Err(); err != nil {
		return Found{}, fmt.Errorf("probing %s: %w", base, context.Cause(ctx))
	}
	f := Found{URL: base}
	for i := range Engines {
		if Engines[i].identify(seen, &f) {
			f.Engine = Engines[i].Name
			if f.State == "" {
				f.State = Ready
			}
			if f.State == Ready && Engines[i].details != nil {
				Engines[i].details(ctx, client, &f)
			}
			f.ContextTokens = commonContext(f.Models)
			f.Capabilities = slices.Concat(Engines[i].Capabilities, f.Capabilities)
			f.Capabilities = lastOfEach(f.Capabilities)
			return f, nil
		}
	}
	f.State, f.Detail = stranger(seen)
	return f, nil
}

// answers are the replies of one server by path.
type answers map[string]reply

// late are the paths that did not answer in time, in the order of [identifying].
func (a answers) late() (paths []string) {
	for _, path := range identifying {
		if errors.Is(a[path].err, context.DeadlineExceeded) {
			paths = append(paths, path)
		}
	}
	return paths
}

// ask requests several paths at the same time.
func ask(ctx context.Context, client *http.Client, base string, limit time.Duration, paths ...string) answers {
	replies := make([]reply, len(paths))
	var group sync.WaitGroup
	for i, path := range paths {
		group.Go(func() { replies[i] = call(ctx, client, http.MethodGet, base+path, nil, limit) })
	}
	group.Wait()
	seen := make(answers, len(paths))
	for i, path := range paths {
		seen[path] = replies[i]
	}
	return seen
}

// stranger names what is at an address that no engine recognised.
func stranger(seen answers) (State, string) {
	var last error
	timedOut := 0
	for _, path := range identifying {
		r := seen[path]
		if r.err == nil {
			return PortBusy, "it is taken by " + describe(r)
		}
		switch {
		case refused(r.err):
			return NotRunning, "nothing listens there"
		case dialing(r.err):
			return NotRunning, "no connection could be made: " + cause(r.err)
		case strings.Contains(r.err.Error(), "no answer within"):
			timedOut++
		}
		last = r.err
	}
	if timedOut == len(identifying) {
		return PortBusy, fmt.Sprintf("something accepts connections there and did not answer HTTP within %v", probeLimit)
	}
	return PortBusy, "it is taken by something that does not speak HTTP as expected: " + cause(last)
}

// cause is the innermost text of a network error, without the URL that the caller shows anyway.
func cause(err error) string {
	if wrapped, ok := err.(*url.Error); ok { //nolint:errorlint // only the outermost layer is to go
		err = wrapped.Err
	}
	return err.Error()
}

// describe names a web server by what it says about itself.
func describe(r reply) string {
	what := "a web server"
	if name := r.header.Get("Server"); name != "" {
		what += fmt.Sprintf(" that calls itself %q", shorten(name, 60))
	}
	switch {
	case r.html():
		what += " and shows " + r.message()
	case r.status/100 == 3:
		what += " and redirects to " + shorten(r.header.Get("Location"), 80)
	}
	return what + "; it is no LLM server that homellm knows"
}

// commonContext is the context that all models share; nil if they differ or do not say.
func commonContext(models []Model) *int {
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

// lastOfEach keeps the place of the first and the value of the last capability of each name, so
// that what was seen replaces what the engine's table says.
func lastOfEach(all []Capability) []Capability {
	var out []Capability
	for _, c := range all {
		if i := slices.IndexFunc(out, func(o Capability) bool { return o.Name == c.Name }); i >= 0 {
			out[i] = c
			continue
		}
		out = append(out, c)
	}
	return out
}

// UsualPorts are the ports at which people's servers listen, in the order of preference: vLLM,
// and the profiles shipped for it; llama.cpp, old and new; Ollama, SGLang, LM Studio, TabbyAPI,
// KoboldCpp.
var UsualPorts = []int{8000, 8001, 8002, 8080, 9931, 11434, 30000, 1234, 5000, 5001}

// knock bounds one attempt to connect to a port of this machine.
const knock = 250 * time.Millisecond

// Scan probes ports of this machine, [UsualPorts] if none are named, all at the same time. It
// returns one finding per port, in the order of ports. Where nothing listens it takes as long as
// a refused connection; it never leaves the loopback interface.
func Scan(ctx context.Context, ports ...int) ([]Found, error) {
	if len(ports) == 0 {
		ports = UsualPorts
	}
	found := make([]Found, len(ports))
	errs := make([]error, len(ports))
	client := NewHTTPClient("")
	defer client.CloseIdleConnections()
	var group sync.WaitGroup
	for i, port := range ports {
		group.Go(func() {
			host, ok := listening(ctx, port)
			if !ok {
				found[i] = Found{URL: "http://127.0.0.1:" + strconv.Itoa(port), State: NotRunning, Detail: "nothing listens there"}
				return
			}
			found[i], errs[i] = Probe(ctx, "http://"+net.JoinHostPort(host, strconv.Itoa(port)), client)
		})
	}
	group.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("scanning this machine's ports: %w", context.Cause(ctx))
	}
	return found, nil
}

// listening finds the loopback address on which a port accepts connections. Some servers bind
// to "localhost" and end up on IPv6 alone.
func listening(ctx context.Context, port int) (host string, ok bool) {
	for _, host := range []string{"127.0.0.1", "::1"} {
		dialer := net.Dialer{Timeout: knock}
		conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		if err == nil {
			_ = conn.Close() // nothing was written to it
			return host, true
		}
	}
	return "", false
}
