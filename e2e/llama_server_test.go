//go:build e2e && unix

package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"homellm/engine/event"
	"homellm/engine/host"
	"homellm/engine/server"
)

// llamaRuns is how often the short scenario is played: each run starts with connections of its own.
const llamaRuns = 100

// startLlamaServer starts a llama-server on a free port. It is stopped when the test ends.
func startLlamaServer(t *testing.T, flags ...string) (address string) {
	t.Helper()
	program, model := os.Getenv("HOMELLM_E2E_LLAMA_SERVER"), os.Getenv("HOMELLM_E2E_LLAMA_MODEL")
	if program == "" || model == "" {
		t.Skip("e2e/engines/llama-server.sh runs this one")
	}
	port, err := host.FreePort(t.Context(), "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	listen := fmt.Sprintf("127.0.0.1:%d", port)
	address = "http://" + listen
	p, err := host.Start(t.Context(), host.Spec{
		Name: "llama-server",
		// One thread that does not spin while it waits leaves a core to the client.
		Argv: append([]string{
			program, "-m", model, "--port", fmt.Sprint(port), "-c", "4096", "--parallel", "1", "--metrics",
			"-t", "1", "--poll", "0", "--device", "none",
		}, flags...),
		Env: []string{"LD_LIBRARY_PATH=" + filepath.Dir(program)},
		Log: filepath.Join(t.ArtifactDir(), "llama-server.log"), Address: listen,
		StateDir: filepath.Join(t.TempDir(), "state"),
		Timeout:  time.Minute, Interval: 50 * time.Millisecond, Grace: 10 * time.Second,
		Ready: func(ctx context.Context) error {
			found, err := server.Probe(ctx, address, nil)
			if err != nil {
				return err
			}
			if found.State != server.Ready || found.Engine != "llamacpp" {
				return fmt.Errorf("%s: %s", found.State, found.Detail)
			}
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
	return address
}

// TestLlamaServer_LosesNoTurn plays the short scenario a hundred times. llama-server closes the connection
// after every streamed reply, though it announces to keep it: no run may lose a turn or its cache report,
// and every count is the one that the engine gives of itself.
func TestLlamaServer_LosesNoTurn(t *testing.T) {
	address := startLlamaServer(t)
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

// checkAccount holds a turn to what the engine says of itself: prompt tokens are those that it computed
// and those that it had in its cache.
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
		// that the machine is busy is a problem of the machine
		if sound := strings.Contains(printed, "no problems found") && code == 0; !strings.Contains(printed,
			"cache test    proven") || !sound && !strings.Contains(printed, "close what keeps the processor busy") {
			t.Fatalf("run %d: exit code %d\n%s", run, code, printed)
		}
	}
}

// TestLlamaServer_SetUps plays rag-small on further set-ups.
func TestLlamaServer_SetUps(t *testing.T) {
	further(t)
	for name, flags := range map[string][]string{
		"two slots":                {"-c", "8192", "--parallel", "2"},
		"slots that can be erased": {"--slot-save-path", t.TempDir()},
		"drafts": {"-md", os.Getenv("HOMELLM_E2E_LLAMA_MODEL"), "--spec-type", "draft-simple",
			"--spec-draft-n-max", "8"},
	} {
		t.Run(name, func(t *testing.T) {
			r := record(t, startLlamaServer(t, flags...), nil)
			turns := build(t).turns(t, "--url", r.address)
			agree(t, turns, r.last(t, len(turns)))
			drafted := 0.0
			for _, q := range turns {
				checkAccount(t, q.Step, q, 96)
				drafted += q.Timings["spec.draft_tokens"]
			}
			if (drafted > 0) != (name == "drafts") {
				t.Errorf("%v tokens were drafted", drafted)
			}
		})
	}
}
