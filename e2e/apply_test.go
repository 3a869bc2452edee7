//go:build e2e && unix

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"homellm/engine/engines"
	"homellm/engine/event"
	"homellm/engine/host"
	"homellm/engine/server"
)

// program is homellm as a user has it, with its own home folder.
type program struct{ path, dir string }

var builtIn string // the folder of the program; empty: it was not built

// built is the program, built once for all tests.
var built = sync.OnceValues(func() (path string, err error) {
	if builtIn, err = os.MkdirTemp("", "homellm-e2e"); err != nil {
		return "", err
	}
	path = filepath.Join(builtIn, "homellm")
	if out, err := exec.Command("go", "build", "-o", path, "homellm/cmd/homellm").CombinedOutput(); err != nil {
		return path, fmt.Errorf("building homellm: %w\n%s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if builtIn != "" {
		_ = os.RemoveAll(builtIn) // a temporary folder
	}
	os.Exit(code)
}

func build(t *testing.T) program {
	t.Helper()
	path, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return program{path: path, dir: t.TempDir()}
}

func (p program) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, p.path, args...)
	cmd.Dir = p.dir
	cmd.Env = append(os.Environ(), "HOME="+p.dir, "XDG_CACHE_HOME="+filepath.Join(p.dir, "cache"),
		"XDG_CONFIG_HOME="+filepath.Join(p.dir, "config"))
	return cmd
}

// run runs homellm to its end and returns its exit code and everything it printed.
func (p program) run(t *testing.T, args ...string) (code int, printed string) {
	t.Helper()
	out, err := p.command(t.Context(), args...).CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		code = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	return code, string(out)
}

func (p program) write(t *testing.T, name, text string) string {
	t.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// events reads the journal of a results folder.
func (p program) events(t *testing.T, out string) []event.Event {
	t.Helper()
	f, err := os.Open(filepath.Join(p.dir, out, "journal.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []event.Event
	for e, err := range event.Read(f) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}

// requests are the turns of a run.
func (p program) requests(t *testing.T, out string) (turns []*event.Request) {
	t.Helper()
	for _, e := range p.events(t, out) {
		if b, ok := e.Body.(event.Request); ok {
			turns = append(turns, &b)
		}
	}
	return turns
}

func notes(all []event.Event, code string) (texts []string) {
	for _, e := range all {
		if n, ok := e.Body.(event.Note); ok && n.Code == code {
			texts = append(texts, n.Text)
		}
	}
	return texts
}

// rag puts a document before a long history, asks about it twice, takes it out and goes on. What follows the document
// must be computed again whenever it comes or goes. It is played five times: one stall of the machine decides nothing.
const rag = `schema: homellm.scenario/v1
name: rag
defaults:
  request: {temperature: 0, seed: 1, max_tokens: 4}
run: {warmup: 0, repeats: 5, isolation: {cache: salt}}
documents:
  - id: manual
    text: "%s"
conversations:
  - id: main
    system: the server is the index of the page.
    history: recorded
    steps:
      - {id: opening, ask: "%s", reply: the answer is in the index., assert: [turn.ok]}
      - {id: bring, inject: {docs: [manual], into: system}}
      - {id: asked, query: which page is in the index?, reply: the page is in the block., assert: [turn.ok]}
      - {id: again, query: which block is in the page?, reply: the block is in the page., assert: [turn.ok]}
      - {id: take, remove: {docs: [manual]}}
      - {id: after, continue: which model is this?, reply: this is the model., assert: [turn.ok]}
assert:
  - {name: warm-prefix-is-fast, that: steps.again.ttft_ms.p50 < steps.asked.ttft_ms.p50 * 0.7}
  - {name: removal-costs, that: steps.after.ttft_ms.p50 > steps.again.ttft_ms.p50 * 1.3}
  - {name: nothing-failed, that: run.requests_failed == 0}
`

func ragScenario() string {
	return fmt.Sprintf(rag, strings.TrimSpace(strings.Repeat("the index of the page is in the block. ", 16)),
		strings.TrimSpace(strings.Repeat("the model of the server is in the memory. ", 16)))
}

// attached is a servers file with an Ollama at an address, on both of its wires.
func attached(address string) string {
	return fmt.Sprintf(`schema: homellm.servers/v1
servers:
  native: {extends: ollama, context_tokens: 4096, http: {ttft_timeout: 900s}, attach: {url: %q}}
  openai: {extends: ollama-openai, http: {ttft_timeout: 900s}, attach: {url: %q}}
`, address, address)
}

func TestApply_Ollama(t *testing.T) {
	p := build(t)
	_, address := startOllama(t)
	p.write(t, "servers.yaml", attached(address))
	p.write(t, "rag.yaml", ragScenario())

	for _, wire := range []string{"native", "openai"} {
		t.Run(wire, func(t *testing.T) {
			code, printed := p.run(t, "apply", "rag.yaml", "--server", wire, "--servers", "servers.yaml", "--model", tinyModel,
				"--out", wire)
			t.Log(printed)
			if code != 0 {
				t.Fatalf("exit code %d", code)
			}
			timed := 0
			for _, e := range p.events(t, wire) {
				r, ok := e.Body.(event.Request)
				if !ok {
					continue
				}
				if r.Cached != nil || r.CacheSource != "none" || r.CacheWhy == "" {
					t.Errorf("%s: cached tokens are %v from %s: %s", r.Step, r.Cached, r.CacheSource, r.CacheWhy)
				}
				if r.Usage.Prompt == nil || *r.Usage.Prompt < 100 {
					t.Errorf("%s: the prompt has %v tokens", r.Step, r.Usage.Prompt)
				}
				if _, ok := r.Timings["server.prefill_ms"]; ok {
					timed++
				}
			}
			if want := map[string]int{"native": 4 * 5}[wire]; timed != want {
				t.Errorf("the server told its own times of %d turns, want %d", timed, want)
			}
			s := p.shown(t, "ollama", wire, seen{SetUp: "its " + wire + " API, a model of random weights"})
			s.Cached, s.Turns = "", 0 // another scenario, too short to tell from times what was cached
			keep(t, "ollama", s)
		})
	}

	t.Run("what a run loaded is put back", func(t *testing.T) {
		if loaded := running(t, address); len(loaded) != 0 {
			t.Errorf("%d models are loaded, and none was before", len(loaded))
		}
	})

	t.Run("model missing", func(t *testing.T) {
		code, printed := p.run(t, "apply", "rag.yaml", "--server", "native", "--servers", "servers.yaml", "--model", "nosuch",
			"--out", "missing")
		if code != 5 || !strings.Contains(printed, `has no model "nosuch"`) || !strings.Contains(printed, tinyModel) {
			t.Errorf("exit code %d: %s", code, printed)
		}
	})

	t.Run("doctor", func(t *testing.T) {
		code, printed := p.run(t, "doctor", "--url", address, "--model", tinyModel)
		t.Log(printed)
		for _, want := range []string{"Ollama", "state         ready", "model         tiny:latest",
			"request       first token after", "cached tokens are unknown", "this client"} {
			if !strings.Contains(printed, want) {
				t.Errorf("doctor does not say %q", want)
			}
		}
		if code != 0 {
			t.Errorf("exit code %d", code)
		}
	})
}

func running(t *testing.T, address string) []engines.LoadedModel {
	t.Helper()
	side, err := server.NewSide(server.Config{BaseURL: address, Engine: "ollama", Model: tinyModel})
	if err != nil {
		t.Fatal(err)
	}
	list, err := side.Loaded(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// growing says more in every turn, until it does not fit a small context any more.
const growing = `schema: homellm.scenario/v1
name: growing
defaults:
  request: {temperature: 0, seed: 1, max_tokens: 2}
run: {warmup: 0, repeats: 1, isolation: {cache: none}}
conversations:
  - id: main
    history: recorded
    steps:
`

// An Ollama whose model has a small context drops the beginning of a conversation and says
// nothing. homellm does, before it sends anything.
func TestApply_OllamaTruncates(t *testing.T) {
	p := build(t)
	_, address := startOllama(t)
	request, err := json.Marshal(map[string]any{"model": "small", "from": tinyModel,
		"parameters": map[string]any{"num_ctx": 160}, "stream": false})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := send(t.Context(), address+"/api/create", "application/json", request); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString(growing)
	for i := range 8 {
		fmt.Fprintf(&b, "      - {id: turn%d, ask: %q, reply: the answer is in the index of the page and in the block., "+
			"assert: [turn.ok]}\n", i+1, strings.Repeat("which page is in the index? ", 2))
	}
	p.write(t, "growing.yaml", b.String())
	p.write(t, "servers.yaml", attached(address))
	code, printed := p.run(t, "apply", "growing.yaml", "--server", "openai", "--servers", "servers.yaml", "--model",
		"small", "--out", "small")
	if code != 5 || !strings.Contains(printed, "needs a context of") || !strings.Contains(printed, "serves\n") &&
		!strings.Contains(printed, "serves 160") {
		t.Errorf("exit code %d, and the small context is not named\n%s", code, printed)
	}
	// The native API lets every request ask for the context it needs.
	code, printed = p.run(t, "apply", "growing.yaml", "--server", "native", "--servers", "servers.yaml", "--model",
		"small", "--out", "asked")
	if cut := notes(p.events(t, "asked"), "context_truncated"); code != 0 || len(cut) != 0 {
		t.Errorf("with a context that is asked for: exit code %d, cut %q\n%s", code, cut, printed)
	}
}

// A server that is killed in the middle of a turn leaves what was measured, and says so.
func TestApply_OllamaKilled(t *testing.T) {
	p := build(t)
	ollama, address := startOllama(t)
	p.write(t, "servers.yaml", attached(address))
	p.write(t, "long.yaml", strings.Replace(strings.Replace(ragScenario(), "repeats: 5", "repeats: 40", 1),
		"max_tokens: 4", "max_tokens: 20", 1))
	cmd := p.command(t.Context(), "apply", "long.yaml", "--server", "native", "--servers", "servers.yaml", "--model",
		tinyModel, "--out", "killed")
	var printed bytes.Buffer
	cmd.Stdout, cmd.Stderr = &printed, &printed
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	journal := filepath.Join(p.dir, "killed", "journal.jsonl")
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		data, _ := os.ReadFile(journal)
		if bytes.Count(data, []byte(`"kind":"request"`)) >= 3 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("nothing was measured: %s", &printed)
		}
	}
	if err := syscall.Kill(-ollama.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	err := cmd.Wait()
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok || exit.ExitCode() != 5 && exit.ExitCode() != 6 {
		t.Errorf("it ended with %v", err)
	}
	var kept, failed int
	for _, e := range p.events(t, "killed") {
		if r, ok := e.Body.(event.Request); ok {
			kept++
			if r.Err != nil {
				failed++
			}
		}
	}
	if kept < 3 || failed == 0 {
		t.Errorf("%d requests are kept, %d of them failed\n%s", kept, failed, &printed)
	}
}

// homellm starts its own Ollama from a profile, and leaves nothing of it behind.
func TestApply_OllamaLaunched(t *testing.T) {
	p := build(t)
	spec, address := ollamaSpec(t)
	first, err := host.Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	err = createTiny(t.Context(), address, t.TempDir())
	if stopErr := first.Stop(); err != nil || stopErr != nil {
		t.Fatal(err, stopErr)
	}
	var env strings.Builder
	for _, e := range spec.Env {
		name, value, _ := strings.Cut(e, "=")
		if name == "OLLAMA_HOST" {
			value = "127.0.0.1:${port}"
		}
		fmt.Fprintf(&env, "        %s: %q\n", name, value)
	}
	p.write(t, "rag.yaml", ragScenario())
	p.write(t, "models.yaml", "schema: homellm.models/v1\nmodels:\n  tiny-test:\n    context: {trained: 16384}\n    "+
		"engines:\n      ollama: {ref: "+tinyModel+"}\n")
	p.write(t, "servers.yaml", fmt.Sprintf(`schema: homellm.servers/v1
servers:
  own:
    engine: ollama
    models: [tiny-test]
    api: ollama
    base_path: /v1
    port: auto
    context_tokens: 4096
    health: {http: /api/version, status: 200, then: [models, completion]}
    startup: {timeout: 60s, interval: 50ms}
    stop: {grace: 10s}
    capabilities: {cache_report: {source: none}}
    launch:
      command: [%q, serve]
      env:
%s`, spec.Argv[0], env.String()))
	code, printed := p.run(t, "apply", "rag.yaml", "--server", "own", "--servers", "servers.yaml", "--models",
		"models.yaml", "--out", "own")
	t.Log(printed)
	if code != 0 {
		t.Fatalf("exit code %d", code)
	}
	var load, first1 float64
	for _, e := range p.events(t, "own") {
		if f, ok := e.Body.(event.Facts); ok && f.Values["load_ms"] > 0 {
			load, first1 = f.Values["load_ms"], f.Values["first_request_ms"]
		}
	}
	if load <= 0 || first1 <= 0 || first1 >= load {
		t.Errorf("the start took %v ms, the first request %v ms of it", load, first1)
	}
	if log, err := os.ReadFile(filepath.Join(p.dir, "own", "server-own.log")); err != nil ||
		!bytes.Contains(log, []byte("Listening on")) {
		t.Errorf("its log: %v, %d bytes", err, len(log))
	}
	if left, err := host.Leftovers(filepath.Join(p.dir, "cache", "homellm", "servers")); err != nil || len(left) != 0 {
		t.Errorf("left over: %v, %v", left, err)
	}
	if out, err := exec.CommandContext(t.Context(), "pgrep", "-f", p.dir).Output(); err == nil {
		t.Errorf("these processes are left: %s", out)
	}
}
