package target

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"homellm/dsl"
	"homellm/engine/client"
	"homellm/engine/engines"
	"homellm/engine/event"
	"homellm/engine/host"
	"homellm/engine/server"
)

// Launcher starts servers as their profiles say.
type Launcher struct {
	Exe      string                                              // this program, which a profile calls homellm
	StateDir string                                              // records of started processes
	Log      func(profile string) (path, kept string, err error) // where a server's output goes, and where that file is kept later; empty: there
	// where ${model.file} lies; nil: as the models file writes it
	File    func(m *dsl.Model, engine string) (string, error)
	Key     func(dsl.Secret) (string, error)                      // reads a key from where the profile says
	Waiting func(profile string, d time.Duration, lastLog string) // told while a server starts; may be nil
	// to see what fits, and that a stopped server gave its GPU memory back; nil: not looked at
	Memory  *host.Telemetry
	Note    func(format string, args ...any) // tells the user what may go wrong; may be nil
	Port    int                              // instead of the profile's
	Version string                           // of the server program, instead of asking it
}

// Command is how a profile is started on this machine.
type Command struct {
	Argv    []string
	Env     []string // NAME=value
	Notes   []string // which flags were changed for the installed version, and why
	Version string   // of the installed program; empty if it did not tell
	Host    string
	Port    int
	Model   string // as requests name it

	file string // the model's, where one lies here
}

// Address is where the server will listen.
func (c Command) Address() string { return net.JoinHostPort(c.Host, strconv.Itoa(c.Port)) }

// URL is the base of the server's API.
func (c Command) URL() string { return "http://" + c.Address() }

// digest identifies the command line in results, which never hold the line itself: it may name
// folders of the user.
func (c Command) digest() string {
	h := sha256.New()
	for _, a := range c.Argv {
		fmt.Fprintf(h, "%s\x00", a)
	}
	for _, e := range c.Env {
		name, _, _ := strings.Cut(e, "=")
		fmt.Fprintf(h, "%s\x00", name)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Command works out the command line of a profile: placeholders replaced, flags spelt as the
// installed version knows them.
func (l *Launcher) Command(ctx context.Context, profile *dsl.Server, m *dsl.Model) (Command, error) {
	if profile.Launch == nil {
		return Command{}, server.WithHint(
			profile.Errorf("it says where a server is (%s), not how one is started", profile.Attach), startHint(profile))
	}
	c := Command{Host: "127.0.0.1", Port: l.Port}
	if c.Port == 0 {
		c.Port = profile.Port
	}
	if c.Port == 0 {
		port, err := host.FreePort(ctx, c.Host)
		if err != nil {
			return Command{}, err
		}
		c.Port = port
	}
	values, err := l.values(profile, m, c.Port)
	if err != nil {
		return Command{}, err
	}
	c.Model, c.file = values["model.served_name"], values["model.file"]
	launch := profile.Launch.Expand(values)
	var flags []engines.Flag
	for _, f := range launch.Flags {
		if name := strings.ReplaceAll(f.Name, "_", "-"); name == "host" {
			if h, ok := f.Value.(string); ok {
				c.Host = h
			}
		}
		flags = append(flags, engines.Flag{Name: f.Name, Value: f.Value})
	}
	binary := engines.Binary{Version: l.Version}
	if binary.Version == "" {
		// Without an answer the flags of the newest version are the best guess.
		binary.Version, _ = host.InstalledVersion(ctx, launch.Command)
		binary.Help = host.InstalledHelp(ctx, launch.Command)
	}
	c.Version = binary.Version
	engine := engines.Of(profile.Engine)
	rendered, notes := engine.Launch.Flags.Render(flags, binary)
	c.Argv, c.Notes = append(launch.Command, rendered...), notes
	c.Env = launch.Environ(nil)
	return c, nil
}

// values are what the placeholders of a launch stand for.
func (l *Launcher) values(profile *dsl.Server, m *dsl.Model, port int) (map[string]string, error) {
	v := map[string]string{"port": strconv.Itoa(port)}
	if profile.ContextTokens > 0 {
		v["context_tokens"] = strconv.Itoa(profile.ContextTokens)
	}
	if m == nil {
		if name := profile.Launch.Needs("model."); name != "" {
			return nil, server.WithHint(profile.LaunchErrorf("its command line needs a model (${%s})", name),
				"name one with --model; homellm list models shows them")
		}
		return v, nil
	}
	e := m.Engines[profile.Engine]
	v["model.name"], v["model.ref"] = m.Name, e.Ref
	v["model.served_name"] = m.Name
	switch {
	case e.ServedName != "":
		v["model.served_name"] = e.ServedName
	case engines.Of(profile.Engine).Models.OnRequest && e.Ref != "": // its own name is the only one it takes
		v["model.served_name"] = e.Ref
	}
	for _, s := range m.Sources {
		if s.Name == e.Source {
			v["model.revision"] = s.Revision
		}
	}
	if profile.Launch.Needs("model.ref") != "" && e.Ref == "" {
		return nil, server.WithHint(
			profile.LaunchErrorf("the models file does not say what %s calls model %s", profile.Engine, m.Name),
			fmt.Sprintf("add engines.%s.ref to the model, or choose another with --model", profile.Engine))
	}
	if profile.Launch.Needs("model.file") == "" {
		return v, nil
	}
	if e.File == "" {
		return nil, server.WithHint(
			profile.LaunchErrorf("the models file names no file of model %s for %s", m.Name, profile.Engine),
			fmt.Sprintf("add engines.%s.file to the model, or choose another with --model", profile.Engine))
	}
	v["model.file"] = e.File
	if l.File != nil {
		path, err := l.File(m, profile.Engine)
		if err != nil {
			return nil, server.WithHint(profile.LaunchErrorf("model %s: %w", m.Name, err), server.HintOf(err))
		}
		v["model.file"] = path
	}
	return v, nil
}

// Running is a server that homellm started.
type Running struct {
	Command Command
	Profile *dsl.Server
	Load    time.Duration // from the start of the process until its first token
	First   time.Duration // that the first request took; 0: the profile wants none
	Log     string

	proc   *host.Proc
	memory float64 // MiB in use before the start
	known  bool
	wait   *host.Telemetry
}

// Start starts a profile's server and returns when it has answered its first request.
func (l *Launcher) Start(ctx context.Context, profile *dsl.Server, m *dsl.Model) (*Running, error) {
	c, err := l.Command(ctx, profile, m)
	if err != nil {
		return nil, err
	}
	if err := l.fits(profile, m, c); err != nil {
		return nil, err
	}
	log, kept, err := l.Log(profile.Name)
	if err != nil {
		return nil, err
	}
	key, err := l.Key(profile.APIKey)
	if err != nil {
		return nil, profile.Errorf("reading its key: %w", err)
	}
	r := &Running{Command: c, Profile: profile, Log: log, wait: l.Memory}
	if l.Memory != nil {
		r.memory, r.known = l.Memory.MemoryUsed()
	}
	argv := append([]string{}, c.Argv...)
	if argv[0] == "homellm" && l.Exe != "" {
		argv[0] = l.Exe
	}
	hc := server.NewHTTPClient(key)
	defer hc.CloseIdleConnections()
	began := time.Now()
	spec := host.Spec{
		Name: profile.Name, Argv: argv, Env: c.Env, Log: log, Kept: kept, Address: c.Address(), StateDir: l.StateDir,
		Timeout: profile.Startup.Timeout, Interval: profile.Startup.Interval,
		Signal: profile.Stop.Signal, Grace: profile.Stop.Grace,
		Ready: func(ctx context.Context) error {
			if err := answers(ctx, c, profile, hc); err != nil {
				return err
			}
			asked := time.Now()
			if slices.Contains(profile.Health.Then, "completion") {
				if err := firstToken(ctx, c, profile, key); err != nil {
					return err
				}
				r.First = time.Since(asked)
			}
			r.Load = time.Since(began)
			return nil
		},
	}
	if l.Waiting != nil {
		spec.Waiting = func(d time.Duration, line string) { l.Waiting(profile.Name, d, line) }
	}
	if r.proc, err = host.Start(ctx, spec); err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, l.explain(ctx, profile, c, err)
	}
	return r, nil
}

// answers says what is still missing before requests make sense.
func answers(ctx context.Context, c Command, profile *dsl.Server, hc *http.Client) error {
	found, err := server.Probe(ctx, c.URL(), hc)
	if err != nil {
		return err
	}
	switch found.State {
	case server.Ready:
	case server.PortBusy:
		if engines.Of(profile.Engine).Role != engines.Generic {
			return fmt.Errorf("what answers at %s is not %s: %s", c.URL(), profile.Engine, found.Detail)
		}
	case server.NotRunning:
		return errors.New("nothing listens on its port yet")
	default:
		return fmt.Errorf("it says that it is not ready: %s", found.Detail)
	}
	if path := profile.Health.Path; path != "" {
		if err := healthy(ctx, hc, c.URL()+path, profile.Health.Status); err != nil {
			return err
		}
	}
	if c.Model == "" || found.State != server.Ready || !slices.Contains(profile.Health.Then, "models") {
		return nil
	}
	if err := found.CheckModel(c.Model); err != nil {
		if len(found.Models) == 0 {
			return err // it may list one later
		}
		return fmt.Errorf("%w: it serves the wrong model: %w", host.ErrHopeless, err)
	}
	return nil
}

// healthy asks the path that a profile names.
func healthy(ctx context.Context, hc *http.Client, url string, status int) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return fmt.Errorf("%w: %w", host.ErrHopeless, err)
	}
	resp, err := hc.Do(req)
	if err != nil {
		return fmt.Errorf("its health path does not answer: %w", err)
	}
	_ = resp.Body.Close() // nothing of it is read
	if status == 0 {
		status = http.StatusOK
	}
	if resp.StatusCode != status {
		return fmt.Errorf("its health path answers %d, and the profile waits for %d", resp.StatusCode, status)
	}
	return nil
}

// firstToken sends the first request, whose cost (kernels compiled, caches filled) no measured
// turn shall pay.
func firstToken(ctx context.Context, c Command, profile *dsl.Server, key string) error {
	one, err := client.New(ClientConfig(profile, c.URL(), key, c.Model))
	if err != nil {
		return fmt.Errorf("%w: %w", host.ErrHopeless, err)
	}
	defer one.CloseIdle()
	zero := 0.0
	e := one.Do(ctx, time.Now(), time.Time{}, client.Prompt{
		Messages: []client.Message{{Role: "user", Content: "Hello"}}, Text: "Hello",
		MaxTokens: 1, Temperature: &zero, Extra: profile.Body,
	})
	switch {
	case e.Err == nil, e.Err.Class == "empty": // one token may be the one that ends the reply
		return nil
	case e.Err.Class == "model_not_found", e.Err.Class == "unauthorized", e.Err.Class == "bad_request":
		return fmt.Errorf("%w: it refuses the first request: %s", host.ErrHopeless, e.Err.Message)
	}
	return fmt.Errorf("the first request failed: %s", e.Err.Message)
}

// explain adds to a failed start where its profile stands, who has the port, and what the
// server wrote last.
func (l *Launcher) explain(ctx context.Context, profile *dsl.Server, c Command, err error) error {
	if _, taken := errors.AsType[*host.PortError](err); taken {
		who, hint := l.occupant(ctx, c)
		return server.WithHint(profile.LaunchErrorf("%w%s", err, who), hint)
	}
	out := profile.LaunchErrorf("%w", err)
	hint := server.HintOf(err)
	if errors.Is(err, host.ErrHopeless) {
		hint = "compare the profile's command line with what the server says: homellm serve " + profile.Name + " --dry-run"
	}
	var exited *host.ExitError
	var slow *host.NotReadyError
	switch {
	case errors.As(err, &exited):
		out = withLog(out, exited.Tail)
	case errors.As(err, &slow):
		out = withLog(out, slow.Tail)
	}
	return server.WithHint(out, hint)
}

// occupant says what holds the port that a server should get, and what to do about it. It is
// never used in the server's place: what runs there is not what the profile says.
func (l *Launcher) occupant(ctx context.Context, c Command) (who, hint string) {
	if left, err := host.Leftovers(l.StateDir); err == nil {
		for _, o := range left {
			if o.Address == c.Address() {
				return "; it is " + o.String() + ", which homellm started", "homellm stop " + o.Name
			}
		}
	}
	if found, err := server.Probe(ctx, c.URL(), nil); err == nil && found.Engine != "" {
		if e, ok := engines.Lookup(found.Engine); ok {
			who = strings.TrimRight("; "+e.Title+" "+found.Version, " ") + " answers there"
		}
	}
	if pid, command, ok := host.Listener(ctx, c.Port); ok {
		who += fmt.Sprintf("; it is process %d (%s)", pid, command)
	}
	return who, "stop what listens there, use it as it is with --url " + c.URL() + ", or give the profile another port"
}

// Died says how the server ended by itself; nil while it runs. A process may outlive its sockets
// by a moment, for which it waits.
func (r *Running) Died(patience time.Duration) error {
	select {
	case <-r.proc.Exited():
	case <-time.After(patience):
		return nil
	}
	err := r.proc.Err()
	if err == nil {
		return nil
	}
	out := r.Profile.LaunchErrorf("%w", err)
	if exited, ok := errors.AsType[*host.ExitError](err); ok {
		return server.WithHint(withLog(out, exited.Tail), exited.Hint())
	}
	return out
}

// Exited is closed when the server has ended, for whatever reason.
func (r *Running) Exited() <-chan struct{} { return r.proc.Exited() }

// PIDs lists the server's processes.
func (r *Running) PIDs() []int { return r.proc.PIDs() }

// memorySettle is how long a stopped server may take to give GPU memory back.
const memorySettle = 30 * time.Second

// Stop ends the server and all its processes, and waits until the GPU memory it held is free.
func (r *Running) Stop() error {
	if err := r.proc.Stop(); err != nil {
		return err
	}
	if r.wait != nil && r.known {
		return r.wait.AwaitMemory(context.Background(), r.memory, memorySettle)
	}
	return nil
}

// Facts are what starting the server cost.
func (r *Running) Facts() event.Facts {
	values := map[string]float64{"load_ms": event.Milliseconds(r.Load)}
	if r.First > 0 {
		values["first_request_ms"] = event.Milliseconds(r.First)
	}
	return event.Facts{Source: "client", Values: values}
}
