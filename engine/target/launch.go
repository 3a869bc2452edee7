package target

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"homellm/dsl"
	"homellm/engine/client"
	"homellm/engine/engines"
	"homellm/engine/host"
	"homellm/engine/server"
)

// Start starts a profile's server and returns after its first answer.
func (l *Launcher) Start(ctx context.Context, profile *dsl.Server, m *dsl.Model) (*Running, error) {
	c, err := l.Command(ctx, profile, m)
	if err != nil {
		return nil, err
	}
	if err := l.fits(profile, m, c); err != nil {
		return nil, err
	}
	log, kept, err := l.Log(profile.Instance())
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
		Name: profile.Instance(), Argv: argv, Env: c.Env, Log: log, Kept: kept, Address: c.Address(), StateDir: l.StateDir,
		Shared:  l.Shared,
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
		spec.Waiting = func(d time.Duration, line string) { l.Waiting(profile.Instance(), d, line) }
	}
	if r.proc, err = host.Start(ctx, spec); err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, l.explain(ctx, profile, c, err)
	}
	return r, nil
}

// answers says what is still missing before the server can take requests.
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
	case server.Locked:
		return fmt.Errorf("%w: %s; %s", host.ErrHopeless, found.Detail, KeyHint(profile))
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
			return err // it may list a model later
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
	_ = resp.Body.Close() // the body is ignored
	if status == 0 {
		status = http.StatusOK
	}
	if resp.StatusCode != status {
		return fmt.Errorf("its health path answers %d, and the profile waits for %d", resp.StatusCode, status)
	}
	return nil
}

// firstToken sends the first request, so that its cost (compiling kernels, filling caches) is not part of a measured
// turn.
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
	case e.Err == nil, e.Err.Class == "empty": // a single token may be the end of the sequence
		return nil
	case e.Err.Class == "model_not_found", e.Err.Class == "unauthorized", e.Err.Class == "bad_request":
		return fmt.Errorf("%w: it refuses the first request: %s", host.ErrHopeless, e.Err.Message)
	}
	return fmt.Errorf("the first request failed: %s", e.Err.Message)
}

// explain adds to a failed start where its profile is, who has the port, and the last lines of the server's log.
func (l *Launcher) explain(ctx context.Context, profile *dsl.Server, c Command, err error) error {
	if _, taken := errors.AsType[*host.PortError](err); taken {
		who, hint := l.occupant(ctx, c)
		return server.WithHint(profile.LaunchErrorf("%w%s", err, who), hint)
	}
	out := profile.LaunchErrorf("%w", err)
	hint := server.HintOf(err)
	if errors.Is(err, host.ErrHopeless) {
		hint = "compare the profile's command line with what the server says: homellm serve " + serveAgain(profile) +
			" --dry-run"
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

// occupant says what uses the port that a server should get, and what to do about it. Such a server is never used in
// its place, because it is not what the profile describes.
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

// serveAgain is the profile with its variants, as arguments of homellm serve.
func serveAgain(profile *dsl.Server) string {
	words := []string{profile.Name}
	for _, l := range profile.Chosen {
		words = append(words, "--variant", l.Name+"="+l.Value)
	}
	return strings.Join(words, " ")
}

// fileSize is the size of a model's file; 0 if it cannot be read.
func fileSize(path string) float64 {
	if path == "" {
		return 0
	}
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return 0
	}
	return float64(info.Size())
}

// fits refuses a start that cannot succeed, and warns of one that may not.
func (l *Launcher) fits(profile *dsl.Server, m *dsl.Model, c Command) error {
	memory, err := MemoryOf(profile, m, Cards(l.Memory), fileSize(c.file))
	if err != nil || !memory.known {
		return nil //nolint:nilerr // what is not known does not forbid a start
	}
	if why, hint := memory.Impossible(); why != "" {
		return server.WithHint(profile.Errorf("%s", why), hint)
	}
	if !memory.fit.OK && l.Note != nil {
		l.Note("%s may not fit the graphics memory; %s", profile.Instance(), memory.remedy())
		for _, line := range memory.Lines() {
			l.Note("| %s", line)
		}
	}
	return nil
}
