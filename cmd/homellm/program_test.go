//go:build unix

package main

import (
	"bytes"
	"errors"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"homellm/engine/event"
	"homellm/engine/sim"
)

// program is homellm as a process, in its own folder.
type program struct {
	t   *testing.T
	exe string
	dir string
	env []string
}

func newProgram(t *testing.T, files map[string]string) program {
	t.Helper()
	p := program{t: t, exe: "homellm", dir: t.TempDir()}
	for name, text := range files {
		path := filepath.Join(p.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p.env = append(os.Environ(), "HOME="+p.dir, "XDG_CONFIG_HOME="+p.dir+"/config", "XDG_CACHE_HOME="+p.dir+"/cache")
	return p
}

func (p program) command(args ...string) (c *exec.Cmd, stdout, stderr *bytes.Buffer) {
	p.t.Helper()
	c = exec.CommandContext(p.t.Context(), p.exe, args...)
	stdout, stderr = &bytes.Buffer{}, &bytes.Buffer{}
	c.Dir, c.Env, c.Stdout, c.Stderr = p.dir, p.env, stdout, stderr
	return c, stdout, stderr
}

// run runs homellm to its end.
func (p program) run(args ...string) (code int, stdout, stderr string) {
	p.t.Helper()
	c, out, errs := p.command(args...)
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		p.t.Fatal(err)
	}
	return c.ProcessState.ExitCode(), out.String(), errs.String()
}

// startSimulator serves a simulator on a loopback port and returns it with its address.
func startSimulator(t *testing.T, config sim.Config) (*sim.Server, string) {
	t.Helper()
	if config.Speed == 0 {
		config.Speed = 40
	}
	server, err := sim.New(config)
	if err != nil {
		t.Fatal(err)
	}
	hs := httptest.NewServer(server)
	t.Cleanup(func() {
		hs.CloseClientConnections()
		hs.Close()
		server.Close()
	})
	return server, hs.URL + "/v1"
}

// canary recognises the prompts of a preflight: a number that was never sent before, then words.
var canary = regexp.MustCompile(`^[0-9a-f]{16} [a-z ]{200,}$`)

// scenarioRequests counts the requests of the plan that a server has seen from entry number
// from on, leaving out preflights.
func scenarioRequests(s *sim.Server, from int) (n int) {
	for _, e := range s.Ledger()[from:] {
		if canary.MatchString(e.Messages[len(e.Messages)-1].Content) {
			continue
		}
		n++
	}
	return n
}

func keptRequests(t *testing.T, journal string) (n int, cellsDone int) {
	t.Helper()
	f, err := os.Open(journal)
	if errors.Is(err, os.ErrNotExist) {
		return 0, 0
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for e, err := range event.Read(f) {
		if errors.Is(err, event.ErrTorn) {
			break
		}
		if err != nil {
			t.Fatalf("%s: %v", journal, err)
		}
		if _, ok := e.Body.(event.Request); ok {
			n++
		}
		if _, ok := e.Body.(event.CellDone); ok {
			cellsDone++
		}
	}
	return n, cellsDone
}
