//go:build e2e && unix

package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"homellm/engine/event"
	"homellm/engine/host"
)

// llamaRuns is how often the short scenario is played: each run starts with new connections.
const llamaRuns = 100

// llamaServer is a llama-server on a free port, which has no model yet: the flags name one.
func llamaServer(t *testing.T, flags ...string) (spec host.Spec) {
	t.Helper()
	program := needs(t, "HOMELLM_E2E_LLAMA_SERVER", "e2e/engines/llama-server.sh")
	listen := freeAddress(t)
	_, port, _ := strings.Cut(listen, ":")
	return host.Spec{
		Name: "llama-server", Address: listen, Timeout: 5 * time.Minute,
		// One thread that does not spin while it waits leaves a core to the client.
		Argv: append([]string{
			program, "--host", "127.0.0.1", "--port", port, "-c", "4096", "--parallel", "1", "--metrics", "-t", "1", "--poll",
			"0", "--device", "none",
		}, flags...),
		Env: []string{"LD_LIBRARY_PATH=" + filepath.Dir(program)},
	}
}

// startLlamaServer starts a llama-server with the small model, or with the one that the flags name. It is stopped when
// the test ends.
func startLlamaServer(t *testing.T, flags ...string) (address string) {
	t.Helper()
	model := needs(t, "HOMELLM_E2E_LLAMA_MODEL", "e2e/engines/llama-server.sh")
	spec := llamaServer(t, append([]string{"-m", model}, flags...)...)
	start(t, spec, "/health")
	return "http://" + spec.Address
}

// TestLlamaServer_LosesNoTurn plays the short scenario a hundred times. llama-server closes the connection
// after every streamed reply, though it announces to keep it: no run may lose a turn or its cache report,
// and every count is the one that the engine gives of itself.
func TestLlamaServer_LosesNoTurn(t *testing.T) {
	address := startLlamaServer(t, "-t", "2") // nothing is timed here
	p := build(t)
	scenario, err := filepath.Abs("short.yaml")
	if err != nil {
		t.Fatal(err)
	}
	resent, opened := 0, 0
	for run := range llamaRuns {
		out := fmt.Sprintf("run%d", run)
		code, printed := p.run(t, "apply", scenario, "--url", address, "--out", out)
		if code != 0 {
			t.Errorf("run %d: exit code %d\n%s", run, code, printed)
		}
		all := p.events(t, out)
		resent += len(notes(all, "resent"))
		turns := 0
		for _, e := range all {
			r, ok := e.Body.(event.Request)
			if !ok {
				continue
			}
			turns++
			if !r.Wire.Reused {
				opened++
			}
			checkAccount(t, fmt.Sprintf("run %d, %s", run, r.Step), &r, 8)
		}
		if turns != 4 {
			t.Errorf("run %d: %d of 4 turns\n%s", run, turns, printed)
		}
		if t.Failed() && run < llamaRuns-1 {
			t.Fatalf("%d of %d runs were played", run+1, llamaRuns)
		}
	}
	t.Logf("%d of %d turns on new connections, %d requests sent again", opened, 4*llamaRuns, resent)
	if opened == 0 {
		t.Error("every turn found a connection: this server closes none, and the test shows nothing")
	}
}

// checkAccount compares a turn with the engine's own report: prompt tokens are those that it computed plus those that
// it had cached.
func checkAccount(t *testing.T, where string, r *event.Request, most int) {
	t.Helper()
	if r.Err != nil {
		t.Errorf("%s: %s: %s", where, r.Err.Class, r.Err.Message)
		return
	}
	computed, told := r.Timings["server.prompt_tokens"]
	cached, toldCached := r.Timings["server.cached_tokens"]
	switch {
	case !told || !toldCached || r.Usage.Prompt == nil || r.Wire.UsageIn == "timings":
		t.Errorf("%s: timings %v, usage %+v in %s", where, r.Timings, r.Usage, r.Wire.UsageIn)
	case int(computed+cached) != *r.Usage.Prompt:
		t.Errorf("%s: %v computed and %v cached of %d prompt tokens", where, computed, cached, *r.Usage.Prompt)
	case r.Cached == nil || *r.Cached != int(cached):
		t.Errorf("%s: cached tokens %v from %q, the engine says %v: %s", where, r.Cached, r.CacheSource, cached, r.CacheWhy)
	case r.Usage.Completion == nil || *r.Usage.Completion < 1 || *r.Usage.Completion > most:
		t.Errorf("%s: %v tokens of at most %d", where, number(r.Usage.Completion), most)
	}
}

// TestLlamaServer_Doctor proves the cache report every time it is asked to.
func TestLlamaServer_Doctor(t *testing.T) {
	address := startLlamaServer(t)
	p := build(t)
	for run := range 20 {
		code, printed := p.run(t, "doctor", "--url", address)
		// a busy machine or a full disk is not the server's problem
		sound := strings.Contains(printed, "no problems found") && code == 0
		machine := strings.Contains(printed, "close what keeps the processor busy") || strings.Contains(printed, "df -h")
		if !strings.Contains(printed, "cache test    proven") || !sound && !machine {
			t.Fatalf("run %d: exit code %d\n%s", run, code, printed)
		}
	}
}
