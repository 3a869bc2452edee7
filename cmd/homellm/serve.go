package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"homellm/dsl"
	"homellm/dsl/syntax"
	"homellm/engine"
	"homellm/engine/engines"
	"homellm/engine/exit"
	"homellm/engine/host"
	"homellm/engine/target"
	"homellm/engine/text"
)

type serveFlags struct {
	libraryFlags
	model   string
	variant variantsFlag
	port    int
	context count
	version string
	dryRun  bool
	logPath string
}

func newServe(p process) *cobra.Command {
	var f serveFlags
	c := &cobra.Command{
		Use:   "serve PROFILE",
		Short: "Start a server as its profile says, and stop it on Ctrl-C",
		Long: `serve starts the server of a profile, waits until it has answered its first
request, and keeps it running until Ctrl-C. apply uses such a server.

With --dry-run it prints the command line instead: every placeholder filled in,
every flag spelt as the installed version of the program knows it, and how much
memory of the graphics card the model and its context take.`,
		Example: `  homellm serve qwen-optimized
  homellm serve phi3-debug --dry-run --engine-version 0.10.0
  homellm serve llamacpp --model qwen2.5-3b`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeServers,
		RunE: func(c *cobra.Command, args []string) error {
			return serve(c.Context(), p, args[0], f)
		},
	}
	f.add(c)
	fl := c.Flags()
	f.variant.add(c)
	fl.StringVar(&f.model, "model", "", "model to serve, instead of the profile's first")
	fl.IntVar(&f.port, "port", 0, "port to listen on, instead of the profile's")
	fl.Var(&f.context, "context-size", "context in tokens, instead of the profile's")
	fl.StringVar(&f.version, "engine-version", "", "version of the server program, instead of asking it")
	fl.BoolVar(&f.dryRun, "dry-run", false, "print the command line and start nothing")
	fl.StringVar(&f.logPath, "log", "", "file for the server's output (default: in the cache folder)")
	return c
}

func serve(ctx context.Context, p process, name string, f serveFlags) error {
	lib, err := f.load(p)
	if err != nil {
		return err
	}
	profile, m, err := f.served(lib, name)
	if err != nil {
		return err
	}
	name = profile.Instance()
	if f.port < 0 || f.port > 65535 {
		return exit.Errorf(exit.Usage, "ports are 1 to 65535", "--port %d", f.port)
	}
	means := p.means(false)
	machine := host.OpenTelemetry(ctx, host.Options{})
	defer machine.Close()
	launcher := means.Launcher(f.log(target.Logs{State: p.stateDir}))
	launcher.Port, launcher.Version, launcher.Memory, launcher.Shared = f.port, f.version, machine, true
	if f.dryRun {
		launcher.File = nil // a missing file does not prevent showing the command line
		command, err := launcher.Command(ctx, profile, m)
		if err != nil {
			return environment(err)
		}
		return showCommand(p, command, profile, m, target.Cards(machine))
	}
	means.NoteLeftovers()
	running, err := launcher.Start(ctx, profile, m)
	if err != nil {
		for _, line := range target.LogOf(err) {
			p.say("| %s", line)
		}
		return environment(err)
	}
	for _, n := range running.Command.Notes {
		p.say("%s: %s", name, n)
	}
	if running.Unseen() {
		p.say("%s: the process that answers is not visible, as behind a container", name)
	}
	first := ""
	if running.First > 0 {
		first = fmt.Sprintf(" (first request %v)", running.First.Round(time.Millisecond))
	}
	fmt.Fprintf(p.stdout, "%s is ready at %s%s after %v%s; Ctrl-C stops it\nits log is %s\n",
		name, running.Command.URL(), profile.BasePath, running.Load.Round(10*time.Millisecond), first, text.Path(running.Log))
	select {
	case <-ctx.Done():
		p.say("stopping %s", name)
	case <-running.Exited():
	}
	died := running.Died(0)
	if err := running.Stop(); err != nil {
		return exit.Errorf(exit.Environment, "homellm stop "+name, "%w", err)
	}
	if died != nil {
		for _, line := range target.LogOf(died) {
			p.say("| %s", line)
		}
		return environment(died)
	}
	if ctx.Err() == nil {
		p.say("%s was stopped by another homellm", name)
		return nil
	}
	return context.Cause(ctx)
}

// served is the profile and the model to serve, with the requested context.
func (f serveFlags) served(lib *dsl.Library, name string) (*dsl.Server, *dsl.Model, error) {
	profile, m, err := profileAndModel(lib, name, f.model)
	if err != nil {
		return nil, nil, err
	}
	chosen, err := f.variant.chosen()
	if err != nil {
		return nil, nil, err
	}
	profile, wrong, help := profile.With(chosen)
	if wrong != "" {
		return nil, nil, exit.Errorf(exit.Usage, help, "--variant: %s", wrong)
	}
	if f.context == 0 {
		return profile, m, nil
	}
	if profile, err = profile.WithContext(int(f.context)); err != nil {
		return nil, nil, exit.Errorf(exit.Usage, "write context_tokens: and ${context_tokens} in the profile",
			"--context-size: %w", err)
	}
	return profile, m, nil
}

// log names the file for the server's output: the requested one, or the profile's.
func (f serveFlags) log(logs target.Logs) func(profile string) (path, kept string, err error) {
	return func(profile string) (path, kept string, err error) {
		if f.logPath != "" {
			return f.logPath, "", nil
		}
		path, err = logs.Lasting(profile)
		return path, "", err
	}
}

// environment gives an error of a server the exit code of the environment and keeps its hint.
func environment(err error) error {
	if _, interrupted := errors.AsType[engine.Interrupted](err); interrupted {
		return err
	}
	var h interface{ Hint() string }
	hint := ""
	if errors.As(err, &h) {
		hint = h.Hint()
	}
	return exit.Errorf(exit.Environment, hint, "%w", err)
}

// profileAndModel finds a profile that can run and the model it would run.
func profileAndModel(lib *dsl.Library, name, modelName string) (*dsl.Server, *dsl.Model, error) {
	profile := lib.Server(name)
	if profile == nil || profile.Abstract {
		var names []string
		for _, s := range lib.Servers {
			if !s.Abstract {
				names = append(names, s.Name)
			}
		}
		hint := syntax.Suggest(name, names)
		if hint == "" {
			hint = "homellm servers lists the profiles"
		}
		if profile != nil {
			return nil, nil, exit.Errorf(exit.Usage, hint, "profile %q is abstract: it is only there to be extended", name)
		}
		return nil, nil, exit.Errorf(exit.Usage, hint, "no profile %q", name)
	}
	if modelName != "" {
		if m := lib.Model(modelName); m != nil {
			return profile, m, nil
		}
		if engines.Of(profile.Engine).Models.OnRequest && profile.Launch != nil && profile.Launch.Needs("model.") == "" {
			return profile, &dsl.Model{Name: modelName}, nil // the server has its own models, which no file needs to know
		}
		var names []string
		for _, m := range lib.Models {
			names = append(names, m.Name)
		}
		hint := lib.SuggestModel(modelName)
		if hint == "" {
			hint = "known: " + strings.Join(names, ", ")
		}
		return nil, nil, exit.Errorf(exit.Usage, hint, "model %q is in no models file", modelName)
	}
	for _, n := range profile.Models {
		if m := lib.Model(n); m != nil {
			return profile, m, nil
		}
	}
	return profile, nil, nil
}

// showCommand prints a command line in shell syntax, with notes on it as comments.
func showCommand(p process, c target.Command, profile *dsl.Server, m *dsl.Model, cards []float64) error {
	var b strings.Builder
	version := c.Version
	if version == "" {
		version = "the newest version (the installed one is not known)"
	}
	fmt.Fprintf(&b, "# %s on %s, for %s\n", profile.Instance(), c.Address(), version)
	for _, e := range c.Env {
		name, value, _ := strings.Cut(e, "=")
		fmt.Fprintf(&b, "%s=%s \\\n", name, text.Quote(value))
	}
	for i, a := range c.Argv {
		switch {
		case i == 0:
			b.WriteString(text.Quote(a))
		case strings.HasPrefix(a, "-") && len(a) > 1:
			b.WriteString(" \\\n  " + text.Quote(a))
		default:
			b.WriteString(" " + text.Quote(a))
		}
	}
	b.WriteString("\n")
	for _, n := range c.Notes {
		fmt.Fprintf(&b, "# %s\n", n)
	}
	if memory, err := target.MemoryOf(profile, m, cards, 0); err == nil {
		for _, line := range memory.Lines() {
			fmt.Fprintf(&b, "# %s\n", line)
		}
		if why, hint := memory.Impossible(); why != "" {
			fmt.Fprintf(&b, "# card: serve would refuse this: %s\n# card: %s\n", why, hint)
		}
	}
	_, err := io.WriteString(p.stdout, b.String())
	return err
}
