//go:build e2e && unix

package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"homellm/engine/event"
	"homellm/engine/host"
)

// startVLLM starts a vLLM on the processor with the small model. It is stopped when the test ends.
func startVLLM(t *testing.T, flags ...string) (address string) {
	t.Helper()
	return serveVLLM(t, "HOMELLM_E2E_VLLM_MODEL", append([]string{"--served-model-name", "smol", "--max-model-len", "4096",
		"--dtype", "bfloat16"}, flags...)...)
}

// serveVLLM starts a vLLM on the processor with the model that a variable names.
func serveVLLM(t *testing.T, variable string, flags ...string) (address string) {
	t.Helper()
	const suite = "e2e/engines/vllm.sh"
	program, model := needs(t, "HOMELLM_E2E_VLLM", suite), needs(t, variable, suite)
	listen := freeAddress(t)
	_, port, _ := strings.Cut(listen, ":")
	start(t, host.Spec{
		Name: "vllm", Address: listen, Timeout: 20 * time.Minute,
		Argv: append([]string{program, "serve", model, "--host", "127.0.0.1", "--port", port, "--enforce-eager"}, flags...),
		// One thread: two wait for each other by spinning, and starve the client.
		Env: []string{"HF_HUB_OFFLINE=1", "VLLM_CPU_KVCACHE_SPACE=1", "VLLM_CPU_OMP_THREADS_BIND=nobind", "OMP_NUM_THREADS=1",
			"VLLM_NO_USAGE_STATS=1", "VLLM_SERVER_DEV_MODE=1", "PATH=" + filepath.Dir(program) + ":" + os.Getenv("PATH")},
	}, "/health")
	return "http://" + listen
}

// counted has the engine's own counters tell of a completion.
func counted(t *testing.T, address string) func() func(*account) {
	t.Helper()
	return func() func(*account) {
		before := scrape(t, address)
		return func(a *account) {
			after := before
			deadline := time.Now().Add(5 * time.Second)
			for time.Now().Before(deadline) {
				if after = scrape(t, address); after["vllm:request_success_total"] > before["vllm:request_success_total"] {
					break
				}
				time.Sleep(20 * time.Millisecond)
			}
			grown := func(name string) float64 { return after[name] - before[name] }
			a.prompt = int(grown("vllm:prompt_tokens_total"))
			a.cached, a.told = int(grown("vllm:prompt_tokens_cached_total")), true
			a.output = int(grown("vllm:generation_tokens_total"))
			if n := grown("vllm:inter_token_latency_seconds_count"); n > 0 {
				a.itl = grown("vllm:inter_token_latency_seconds_sum") / n
			}
		}
	}
}

// scrape adds up the counters of a server by name, without any code of homellm's.
func scrape(t *testing.T, address string) map[string]float64 {
	t.Helper()
	response, err := http.Get(address + "/metrics")
	if err != nil {
		t.Error(err)
		return nil
	}
	defer response.Body.Close()
	out := map[string]float64{}
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		i := strings.LastIndexByte(lines.Text(), ' ')
		if i < 0 || strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		name, _, _ := strings.Cut(lines.Text()[:i], "{")
		if v, err := strconv.ParseFloat(lines.Text()[i+1:], 64); err == nil {
			out[name] += v
		}
	}
	return out
}

// plays plays rag-small through a recorder and compares every turn with vLLM's counters.
func plays(t *testing.T, address, name string, play func(program, *testing.T, ...string) []*event.Request) (p program,
	turns []*event.Request) {
	t.Helper()
	r := record(t, address, counted(t, address))
	p = build(t)
	turns = play(p, t, "--url", r.address)
	accounts := r.last(t, len(turns))
	agree(t, turns, accounts)
	r.golden(t, name)
	var off []float64
	for i, q := range turns {
		if n := len(q.Chunks); n > 8 && accounts[i].itl > 0 {
			off = append(off, (q.Chunks[n-1].At-q.Chunks[0].At).Seconds()/float64(n-1)/accounts[i].itl-1)
		}
	}
	slices.Sort(off)
	if len(off) > 0 {
		t.Logf("time between pieces against vLLM's own, of %d turns: median %+.1f %%, from %+.1f %% to %+.1f %%", len(off),
			100*off[len(off)/2], 100*off[0], 100*off[len(off)-1])
	}
	return p, turns
}

// further skips what is played at night.
func further(t *testing.T) {
	t.Helper()
	if os.Getenv("HOMELLM_E2E_FURTHER") == "" {
		t.Skip("HOMELLM_E2E_FURTHER=1 plays this one")
	}
}

// cachedInAll is how many prompt tokens of all turns came from the cache.
func cachedInAll(turns []*event.Request) (n int) {
	for _, q := range turns {
		if q.Cached != nil {
			n += *q.Cached
		}
	}
	return n
}

// TestVLLM: prompt, cached and generated tokens of every turn are those of vLLM's counters, and those of two users at
// the same time are too.
func TestVLLM(t *testing.T) {
	address := startVLLM(t, "--enable-prompt-tokens-details", "--enable-per-request-metrics")
	p, turns := plays(t, address, "vllm", program.turns)
	if cachedInAll(turns) == 0 {
		t.Error("nothing was cached")
	}
	for _, q := range turns {
		if _, told := q.Timings["server.itl_ms"]; !told && q.Usage.Completion != nil && *q.Usage.Completion > 1 {
			t.Errorf("%s: the reply's own times are not read: %v", q.Step, q.Timings)
		}
	}
	for _, e := range p.events(t, "out") {
		if s, ok := e.Body.(event.CellStarted); ok && (s.Server.BlockTokens != 128 || s.Server.SaltMethod != "body") {
			t.Errorf("blocks of %d tokens, the salt in the %s", s.Server.BlockTokens, s.Server.SaltMethod)
		}
	}
	p.saw(t, "vllm", seen{SetUp: "`--enable-prompt-tokens-details --enable-per-request-metrics`",
		Works: []string{"salted by a key of its own"}})
	isHousehold(t, address, func(m map[string]float64) (computed, output float64) {
		return m["vllm:prompt_tokens_total"] - m["vllm:prompt_tokens_cached_total"], m["vllm:generation_tokens_total"]
	})
	isEvening(t, address)
}

// TestVLLM_Counters: without a report in its replies the counters tell.
func TestVLLM_Counters(t *testing.T) {
	further(t)
	p, turns := plays(t, startVLLM(t), "vllm-without-details", program.once)
	for _, q := range turns {
		if q.CacheSource != "counters" {
			t.Errorf("%s: cached tokens from %q", q.Step, q.CacheSource)
		}
	}
	p.saw(t, "vllm", seen{SetUp: "no flags", Nightly: true})
}

// TestVLLM_APIs plays rag-small on OpenAI's responses and on Anthropic's messages API of one vLLM. On messages, vLLM
// includes cached tokens in input_tokens; the measurements still equal the counters' figures.
func TestVLLM_APIs(t *testing.T) {
	further(t)
	address := startVLLM(t, "--enable-prompt-tokens-details")
	for _, api := range []string{"messages", "responses"} {
		t.Run(api, func(t *testing.T) {
			r := record(t, address, counted(t, address))
			p := build(t)
			p.write(t, "servers.yaml", fmt.Sprintf(`schema: homellm.servers/v1
servers:
  ours: {extends: vllm-base, attach: {url: %q}, models: [any], context_tokens: 4096, api: %s}
`, r.address, api))
			turns := p.once(t, "--servers", "servers.yaml", "--server", "ours", "--model", "smol")
			agree(t, turns, r.last(t, len(turns)))
			if cachedInAll(turns) == 0 {
				t.Error("nothing was cached")
			}
			p.saw(t, "vllm", seen{SetUp: "`api: " + api + "`", Nightly: true})
		})
	}
}

// TestVLLM_BlocksAreLearnt: without its counters vLLM does not tell the size of its blocks.
func TestVLLM_BlocksAreLearnt(t *testing.T) {
	further(t)
	p := build(t)
	address := startVLLM(t, "--enable-prompt-tokens-details", "--disable-log-stats")
	turns := p.once(t, "--url", address)
	if cachedInAll(turns) == 0 {
		t.Error("nothing was cached")
	}
	for _, e := range p.events(t, "out") {
		if s, ok := e.Body.(event.CellStarted); ok && s.Server.BlockTokens != 128 {
			t.Errorf("blocks of %d tokens", s.Server.BlockTokens)
		}
	}
	if code, printed := p.run(t, "doctor", "--url", address); !strings.Contains(printed, "cache blocks  128 tokens") {
		t.Errorf("exit code %d\n%s", code, printed)
	}
	p.saw(t, "vllm", seen{SetUp: "`--enable-prompt-tokens-details --disable-log-stats`", Nightly: true,
		Works: []string{"the size of its blocks is learnt"}})
}

// TestVLLM_NoCache: a cache that is switched off is told as that.
func TestVLLM_NoCache(t *testing.T) {
	further(t)
	address := startVLLM(t, "--no-enable-prefix-caching", "--enable-prompt-tokens-details")
	p, turns := plays(t, address, "vllm-without-cache", program.once)
	if n := cachedInAll(turns); n != 0 {
		t.Errorf("%d tokens were cached", n)
	}
	if len(notes(p.events(t, "out"), "cache_off")) != 1 {
		t.Error("the run does not say that the cache is switched off")
	}
	if code, printed := p.run(t, "doctor", "--url", address); !strings.Contains(printed, "caches no prompt") {
		t.Errorf("exit code %d\n%s", code, printed)
	}
	failed := 0
	for _, a := range p.result(t).Assertions {
		if a.Verdict == "fail" && strings.Contains(a.That, "cache.efficiency") {
			failed++
		}
	}
	if failed == 0 {
		t.Error("no gate on the cache failed")
	}
	keep(t, "vllm", seen{SetUp: "`--no-enable-prefix-caching`", Version: p.version(t), Nightly: true, Turns: len(turns),
		Works: []string{"the gates on the cache fail, and the run says that the cache is switched off"}})
}

// TestVLLM_Drafts: with drafts a piece has several tokens, whose gaps are not compared with anything.
func TestVLLM_Drafts(t *testing.T) {
	further(t)
	p, turns := plays(t, startVLLM(t, "--enable-prompt-tokens-details", "--speculative-config",
		`{"method":"ngram","num_speculative_tokens":4,"prompt_lookup_max":4}`), "vllm-drafts", program.once)
	drafted := 0.0
	for _, q := range turns {
		drafted += q.Timings["spec.draft_tokens"]
		if q.Timings["spec.accepted_tokens"] > q.Timings["spec.draft_tokens"] {
			t.Errorf("%s: %v", q.Step, q.Timings)
		}
		if _, told := q.Timings["server.itl_ms"]; told {
			t.Errorf("%s: a time between tokens that counts pieces: %v", q.Step, q.Timings)
		}
	}
	if drafted == 0 {
		t.Error("nothing was drafted")
	}
	p.saw(t, "vllm", seen{SetUp: "n-gram drafts", Nightly: true, Works: []string{"drafts are counted"}})
}

// TestVLLM_StreamInterval: four tokens a piece are as many as the counters say.
func TestVLLM_StreamInterval(t *testing.T) {
	further(t)
	address := startVLLM(t, "--enable-prompt-tokens-details", "--stream-interval", "4")
	p, turns := plays(t, address, "vllm-stream-interval", program.once)
	for _, q := range turns {
		if n := q.Usage.Completion; n != nil && *n > 12 && len(q.Chunks) > *n/2 {
			t.Errorf("%s: %d pieces of %d tokens", q.Step, len(q.Chunks), *n)
		}
	}
	p.saw(t, "vllm", seen{SetUp: "`--stream-interval 4`", Nightly: true})
}

// TestVLLM_Reset: the development mode's reset empties the cache between repeats.
func TestVLLM_Reset(t *testing.T) {
	further(t)
	address := startVLLM(t, "--enable-prompt-tokens-details")
	p := build(t)
	p.resets(t, address)
	keep(t, "vllm", seen{SetUp: "`VLLM_SERVER_DEV_MODE=1`", Version: p.version(t), Nightly: true,
		Works: []string{"cache_reset", "ignore_eos"}})
}

// vllmProfile writes a profile that starts vLLM, and its model.
func vllmProfile(t *testing.T, p program) {
	t.Helper()
	const suite = "e2e/engines/vllm.sh"
	program, model := needs(t, "HOMELLM_E2E_VLLM", suite), needs(t, "HOMELLM_E2E_VLLM_MODEL", suite)
	p.write(t, "models.yaml", fmt.Sprintf(`schema: homellm.models/v1
models:
  smol:
    context: {trained: 8192}
    sources: {disk: {path: %q}}
    engines: {vllm: {source: disk, served_name: smol}}
`, model))
	p.write(t, "servers.yaml", fmt.Sprintf(`schema: homellm.servers/v1
servers:
  ours:
    extends: vllm-base
    models: [smol]
    context_tokens: 4096
    startup: {timeout: 900s}
    launch:
      command: [%q, serve, "${model.ref}"]
      env:
        HF_HUB_OFFLINE: "1"
        VLLM_CPU_KVCACHE_SPACE: "1"
        VLLM_CPU_OMP_THREADS_BIND: nobind
        OMP_NUM_THREADS: "1"
        PATH: %q
      flags: {dtype: bfloat16, enforce_eager: true}
`, program, filepath.Dir(program)+":"+os.Getenv("PATH")))
}

// TestVLLM_Profile: a profile starts vLLM, and ends all of it.
func TestVLLM_Profile(t *testing.T) {
	further(t)
	p := build(t)
	vllmProfile(t, p)
	p.byProfile(t)
	keep(t, "vllm", seen{SetUp: "started by a profile", Version: p.version(t), Nightly: true,
		Works: []string{"apply starts and ends it", "serve keeps it, apply uses it, stop ends it"}})
}

// TestVLLM_CoreKilled: vLLM ends with code 0 when its engine dies, and serve names it, shows the log and exits 5.
func TestVLLM_CoreKilled(t *testing.T) {
	further(t)
	p := build(t)
	vllmProfile(t, p)
	serve, said := p.serve(t)
	killed := false
	for _, pid := range host.Tree(serve.Process.Pid) {
		name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		if err == nil && strings.HasPrefix(string(name), "VLLM::EngineCor") {
			killed = syscall.Kill(pid, syscall.SIGKILL) == nil
		}
	}
	if !killed {
		t.Error("there is no engine core to kill")
		_ = serve.Process.Signal(os.Interrupt) // the wait says how it ended
	}
	err := serve.Wait()
	exited, ok := errors.AsType[*exec.ExitError](err)
	if !ok || exited.ExitCode() != 5 || !strings.Contains(said.String(), "ours exited with code") ||
		!strings.Contains(said.String(), "homellm: | ") {
		t.Errorf("%v\n%s", err, said)
	}
	t.Logf("%s", said)
}
