//go:build e2e && unix

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"homellm/engine/event"
)

// TestLlamaServer is rag-small on llama-server as it is: every turn is what it says of it.
func TestLlamaServer(t *testing.T) {
	r := record(t, startLlamaServer(t), nil)
	p := build(t)
	turns := p.turns(t, "--url", r.address)
	agree(t, turns, r.last(t, len(turns)))
	for _, q := range turns {
		checkAccount(t, q.Step, q, 96)
	}
	p.saw(t, "llamacpp", seen{SetUp: "one slot"})
	r.golden(t, "llamacpp")
}

// modelsFolder is a folder with the small model, as a router wants it.
func modelsFolder(t *testing.T) string {
	t.Helper()
	model := needs(t, "HOMELLM_E2E_LLAMA_MODEL", "e2e/engines/llama-server.sh")
	dir := t.TempDir()
	if err := os.Symlink(model, filepath.Join(dir, "smol.gguf")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestLlamaServer_Router: a router loads a model when it is asked for, and its replies are the model's.
func TestLlamaServer_Router(t *testing.T) {
	spec := llamaServer(t, "--models-dir", modelsFolder(t))
	start(t, spec, "/health")
	r := record(t, "http://"+spec.Address, nil)
	p := build(t)
	turns := p.turns(t, "--url", r.address, "--model", "smol")
	agree(t, turns, r.last(t, len(turns)))
	for _, q := range turns {
		checkAccount(t, q.Step, q, 96)
	}
	p.saw(t, "llamacpp-router", seen{SetUp: "one model, loaded on demand"})
	r.golden(t, "llamacpp-router")
}

// TestLlamaServer_SetUps plays rag-small on further set-ups.
func TestLlamaServer_SetUps(t *testing.T) {
	further(t)
	for name, flags := range map[string][]string{
		"two slots": {"-c", "8192", "--parallel", "2"},
		"a draft model": {"-md", os.Getenv("HOMELLM_E2E_LLAMA_MODEL"), "--spec-type", "draft-simple",
			"--spec-draft-n-max", "8"},
		"n-gram drafts": {"--spec-type", "ngram-simple", "--spec-draft-n-max", "8"},
	} {
		t.Run(name, func(t *testing.T) {
			r := record(t, startLlamaServer(t, flags...), nil)
			p := build(t)
			turns := p.once(t, "--url", r.address)
			agree(t, turns, r.last(t, len(turns)))
			drafted := 0.0
			for _, q := range turns {
				checkAccount(t, q.Step, q, 96)
				drafted += q.Timings["spec.draft_tokens"]
			}
			s := seen{SetUp: name, Nightly: true}
			if strings.Contains(name, "draft") {
				s.Works = []string{"drafts are counted"}
			}
			if (drafted > 0) != (len(s.Works) > 0) {
				t.Errorf("%v tokens were drafted", drafted)
			}
			p.saw(t, "llamacpp", s)
			r.golden(t, "llamacpp-"+strings.ReplaceAll(name, " ", "-"))
		})
	}
}

// TestLlamaServer_APIs plays rag-small on OpenAI's responses and on Anthropic's messages API: every turn agrees with
// llama-server's own report.
func TestLlamaServer_APIs(t *testing.T) {
	further(t)
	for _, api := range []string{"messages", "responses"} {
		t.Run(api, func(t *testing.T) {
			r := record(t, startLlamaServer(t), nil)
			p := build(t)
			p.write(t, "servers.yaml", fmt.Sprintf(`schema: homellm.servers/v1
servers:
  ours: {extends: llamacpp, attach: {url: %q}, context_tokens: 4096, api: %s}
`, r.address, api))
			turns := p.once(t, "--servers", "servers.yaml", "--server", "ours")
			agree(t, turns, r.last(t, len(turns)))
			for _, q := range turns {
				if api == "responses" { // llama-server sends its timings on this API, but not with messages
					checkAccount(t, q.Step, q, 96)
				}
			}
			if cachedInAll(turns) == 0 {
				t.Error("nothing was cached")
			}
			p.saw(t, "llamacpp", seen{SetUp: "`api: " + api + "`", Nightly: true})
		})
	}
}

// resets has every repeat begin with an empty cache, and replies be as long as they may.
const resets = `schema: homellm.scenario/v1
name: reset
defaults: {request: {temperature: 0, seed: 1, max_tokens: 24, ignore_eos: true}}
run: {warmup: 0, repeats: 2, isolation: {cache: reset, scope: repeat}}
conversations:
  - id: main
    steps:
      - {id: first, ask: %q, assert: [turn.cache.cached_tokens == 0, turn.output_tokens == 24]}
      - {id: again, ask: And again?, assert: [turn.cache.cached_tokens >= 128, turn.output_tokens == 24]}
`

// resets plays the scenario on a server whose cache can be emptied.
func (p program) resets(t *testing.T, address string) {
	t.Helper()
	long := strings.Repeat("the river runs below the old stone bridge. ", 40)
	name := p.write(t, "reset.yaml", fmt.Sprintf(resets, long))
	code, printed := p.run(t, "apply", name, "--url", address, "--out", "out")
	t.Log(printed)
	if code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestLlamaServer_Reset: slots that can be erased are, between repeats.
func TestLlamaServer_Reset(t *testing.T) {
	further(t)
	r := record(t, startLlamaServer(t, "--slot-save-path", t.TempDir()), nil)
	build(t).resets(t, r.address)
	p := build(t)
	turns := p.once(t, "--url", r.address)
	agree(t, turns, r.last(t, len(turns)))
	p.saw(t, "llamacpp", seen{SetUp: "`--slot-save-path`", Nightly: true, Works: []string{"cache_reset", "ignore_eos"}})
}

// TestLlamaServer_Key: without its key a server is named as one that wants a key, and with it every turn is measured.
func TestLlamaServer_Key(t *testing.T) {
	further(t)
	t.Setenv("HOMELLM_TEST_KEY", "sk-0123456789abcdef")
	r := record(t, startLlamaServer(t, "--api-key", "sk-0123456789abcdef"), nil)
	p := build(t)
	code, printed := p.run(t, "apply", "rag-small", "--url", r.address, "--out", "none")
	if code != 5 || !strings.Contains(printed, "--api-key-env") || !strings.Contains(printed, "401") {
		t.Errorf("without a key: exit code %d\n%s", code, printed)
	}
	turns := p.once(t, "--url", r.address, "--api-key-env", "HOMELLM_TEST_KEY")
	agree(t, turns, r.last(t, len(turns)))
	p.saw(t, "llamacpp", seen{SetUp: "`--api-key`", Nightly: true, Works: []string{"a missing key is named"}})
}

// llamaProfile writes a profile that starts llama-server, with further lines, and its model.
func llamaProfile(t *testing.T, p program, lines string) {
	t.Helper()
	spec := llamaServer(t)
	p.write(t, "models.yaml", fmt.Sprintf(`schema: homellm.models/v1
models:
  smol:
    context: {trained: 8192}
    sources: {disk: {path: %q, format: gguf, quant: q4_1}}
    engines: {llamacpp: {source: disk}}
`, needs(t, "HOMELLM_E2E_LLAMA_MODEL", "e2e/engines/llama-server.sh")))
	p.write(t, "servers.yaml", fmt.Sprintf(`schema: homellm.servers/v1
servers:
  ours:
    extends: llamacpp
    models: [smol]
    context_tokens: 4096
    launch:
      command: [%q]
      env: {LD_LIBRARY_PATH: %q}
      flags: {n_gpu_layers: 0, threads: 1, poll: 0, device: none}
%s`, spec.Argv[0], filepath.Dir(spec.Argv[0]), lines))
}

const oneQuestion = `schema: homellm.scenario/v1
name: asking
defaults: {timeout: 900s, request: {temperature: 0, seed: 1, max_tokens: 16, ignore_eos: true}}
run: {warmup: 1, repeats: 1, isolation: {cache: salt}}
conversations:
  - id: main
    steps:
      - {id: q, ask: What is a river made of, assert: [turn.ok]}
`

// TestLlamaServer_Tune: a search finds that two cores are faster than one.
func TestLlamaServer_Tune(t *testing.T) {
	further(t)
	p := build(t)
	llamaProfile(t, p, `    variants:
      threads:
        one: {flags: {threads: 1}}
        two: {flags: {threads: 2}}
`)
	p.write(t, "asking.yaml", oneQuestion)
	code, printed := p.run(t, "tune", "asking.yaml", "--servers", "servers.yaml", "--models", "models.yaml", "--server",
		"ours", "--model", "smol", "--for", "steps.q.e2e_ms.p50", "--budget", "5m", "--out", "out")
	t.Logf("exit code %d\n%s", code, printed)
	for _, want := range []string{"WINNER  threads=two is the best", "ours-tuned:\n    extends: ours\n", "threads: 2\n"} {
		if code != 0 || !strings.Contains(printed, want) {
			t.Errorf("exit code %d, and %q is not printed", code, want)
		}
	}
}

// TestLlamaServer_Profile: a profile starts llama-server, and ends it.
func TestLlamaServer_Profile(t *testing.T) {
	further(t)
	p := build(t)
	llamaProfile(t, p, "")
	p.byProfile(t)
	keep(t, "llamacpp", seen{SetUp: "started by a profile", Version: p.version(t), Nightly: true,
		Works: []string{"apply starts and ends it", "serve keeps it, apply uses it, stop ends it"}})
}

// generating waits until a slot has written some tokens of a reply.
func generating(t *testing.T, address string, tokens int) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		response, err := http.Get(address + "/slots")
		if err != nil {
			t.Fatal(err)
		}
		var slots []struct {
			Processing bool `json:"is_processing"`
			Next       []struct {
				Decoded int `json:"n_decoded"`
			} `json:"next_token"`
		}
		err = json.NewDecoder(response.Body).Decode(&slots)
		response.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range slots {
			if s.Processing && len(s.Next) > 0 && s.Next[0].Decoded >= tokens {
				return
			}
		}
	}
	t.Fatal("no reply was begun")
}

// TestLlamaServer_Killed: a server that dies in a reply ends the run with a named error, and the turn is kept as one
// that failed.
func TestLlamaServer_Killed(t *testing.T) {
	further(t)
	model := needs(t, "HOMELLM_E2E_LLAMA_MODEL", "e2e/engines/llama-server.sh")
	spec := llamaServer(t, "-m", model)
	proc := start(t, spec, "/health")
	address := "http://" + spec.Address
	p := build(t)
	name := p.write(t, "long.yaml", `schema: homellm.scenario/v1
name: long
defaults: {timeout: 300s, request: {temperature: 0, max_tokens: 1500, ignore_eos: true}}
run: {warmup: 0, repeats: 1}
conversations:
  - id: main
    steps: [{id: long, ask: Tell a long story about a river., assert: [turn.ok]}, {id: next, ask: Go on.}]
`)
	type end struct {
		code    int
		printed string
	}
	ended := make(chan end, 1)
	go func() {
		code, printed := p.run(t, "apply", name, "--url", address, "--out", "out")
		ended <- end{code, printed}
	}()
	generating(t, address, 100) // more than a self-test asks for
	if err := syscall.Kill(-proc.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	e := <-ended
	t.Log(e.printed)
	if e.code != 5 && e.code != 6 {
		t.Errorf("exit code %d", e.code)
	}
	failed := 0
	for _, ev := range p.events(t, "out") {
		if r, ok := ev.Body.(event.Request); ok && r.Err != nil && r.Step == "long" {
			failed++
			if r.Err.Class == "" || len(r.Chunks) < 50 || r.Text == "" || !strings.Contains(e.printed, r.Err.Class) {
				t.Errorf("%d pieces and %d characters before %q: %s", len(r.Chunks), len(r.Text), r.Err.Class, r.Err.Message)
			}
		}
	}
	if failed != 1 {
		t.Errorf("%d turns are kept as failed", failed)
	}
	keep(t, "llamacpp", seen{SetUp: "killed in a reply", Version: p.version(t), Nightly: true,
		Works: []string{"the error is named and the turn is kept as failed"}})
}

// TestLlamaServer_Window: what a model with a sliding window finds in its cache after a removal is equal to
// llama-server's account, less than could be found, and noted; with --swa-full all is found.
func TestLlamaServer_Window(t *testing.T) {
	further(t)
	model := needs(t, "HOMELLM_E2E_GEMMA", "e2e/engines/llama-server.sh")
	for _, full := range []bool{false, true} {
		name, flags := "a sliding window", []string{"-m", model}
		if full {
			name, flags = "a sliding window, `--swa-full`", append(flags, "--swa-full")
		}
		t.Run(name, func(t *testing.T) {
			r := record(t, startLlamaServer(t, flags...), nil)
			p := build(t)
			turns := p.once(t, "--url", r.address)
			agree(t, turns, r.last(t, len(turns)))
			short := 0
			for _, q := range turns {
				checkAccount(t, q.Step, q, 96)
				if q.Step == "after_removal" && q.Cached != nil && q.Reusable != nil {
					short = *q.Reusable - *q.Cached
				}
			}
			told := notes(p.events(t, "out"), "sliding_window")
			t.Logf("%d tokens fewer than could be found; %q", short, told)
			s := seen{SetUp: name, Nightly: true, Version: p.version(t), Turns: len(turns), Cached: turns[0].CacheSource}
			if full {
				if short > 0 || len(told) > 0 {
					t.Errorf("%d tokens were computed again; %q", short, told)
				}
				s.Works = []string{"all that stood before a removed document is found"}
			} else {
				if short <= 0 || len(told) != 1 {
					t.Errorf("%d tokens were computed again; %q", short, told)
				}
				s.Works = []string{"a cache that keeps less is noted"}
			}
			keep(t, "llamacpp", s)
		})
	}
}

// TestLlamaServer_Long is rag-long on Gemma with all of its cache. It is not taught to answer: what it says is not
// judged.
func TestLlamaServer_Long(t *testing.T) {
	further(t)
	model := needs(t, "HOMELLM_E2E_GEMMA", "e2e/engines/llama-server.sh")
	r := record(t, startLlamaServer(t, "-m", model, "-c", "16384", "-t", "2", "--swa-full"), nil)
	p := build(t)
	turns := p.play(t, p.patient(t, "rag-long", "  warmup: 1\n", "  warmup: 0\n"), "--url", r.address)
	agree(t, turns, r.last(t, len(turns)))
	for _, q := range turns {
		checkAccount(t, q.Step, q, 64)
	}
	for _, a := range p.result(t).Assertions {
		switch {
		case a.Verdict == "pass", strings.Contains(a.That, "text"):
		case a.Verdict == "unknown" && a.Why != "" && !strings.Contains(a.That, "cache."):
		case a.Verdict == "fail" && (strings.Contains(a.That, "_ms") || strings.Contains(a.That, "_tps")):
		default:
			t.Errorf("%s: %s: %s %s", a.Name, a.That, a.Verdict, a.Why)
		}
	}
	keep(t, "llamacpp", seen{SetUp: "rag-long with `--swa-full`, 16,384 tokens", Nightly: true, Version: p.version(t),
		Turns: len(turns), Cached: turns[0].CacheSource})
}
