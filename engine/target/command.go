package target

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"homellm/dsl"
	"homellm/engine/engines"
	"homellm/engine/host"
	"homellm/engine/server"
)

// Launcher starts servers according to their profiles.
type Launcher struct {
	Exe      string // this program, which profiles call homellm
	StateDir string // records of started processes
	// where a server's output goes, and where the log is stored later; empty: it stays there
	Log func(profile string) (path, kept string, err error)
	// path of ${model.file}; nil: as in the models file
	File    func(m *dsl.Model, engine string) (string, error)
	Key     func(dsl.Secret) (string, error)                      // reads a key from the place that the profile names
	Waiting func(profile string, d time.Duration, lastLog string) // called while a server starts; may be nil
	// to see what fits, and that a stopped server has freed its GPU memory; nil: not checked
	Memory  *host.Telemetry
	Note    func(format string, args ...any) // tells the user of possible problems; may be nil
	Port    int                              // overrides the profile's
	Shared  bool                             // runs of other processes may use the server
	Version string                           // version of the server program; nil: the program is asked
}

// Command is how this machine starts a profile.
type Command struct {
	Argv    []string
	Env     []string // NAME=value
	Notes   []string // the flags that were changed for the installed version, and why
	Version string   // of the installed program; empty if unknown
	Host    string
	Port    int
	Model   string // the model's name in requests

	file string // the model's file, if it is on this machine
}

// Address is where the server will listen.
func (c Command) Address() string { return net.JoinHostPort(c.Host, strconv.Itoa(c.Port)) }

// URL is the base of the server's API.
func (c Command) URL() string { return "http://" + c.Address() }

// digest identifies the command line in results. The line itself is not stored, because it may name folders of the
// user.
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

// Command builds the command line of a profile: placeholders are replaced, flags take the names of the installed
// version.
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
		// If the version is unknown, the flags of the newest one are the best guess.
		binary.Version, _ = host.InstalledVersion(ctx, launch.Command)
		binary.Help = host.InstalledHelp(ctx, launch.Command, l.StateDir)
	}
	c.Version = binary.Version
	engine := engines.Of(profile.Engine)
	rendered, notes := engine.Launch.Flags.Render(flags, binary)
	c.Argv, c.Notes = append(launch.Command, rendered...), notes
	c.Env = launch.Environ(nil)
	return c, nil
}

// values are the values of the placeholders in a launch.
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
	case engines.Of(profile.Engine).Models.OnRequest && e.Ref != "": // it accepts its own name only
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
