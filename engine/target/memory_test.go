package target_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"homellm/dsl"
	"homellm/dsl/syntax"
	"homellm/engine/host"
	"homellm/engine/target"
)

const gib = 1 << 30

// fitModel has figures that are easy to reckon with: 2 x 16 x 8 x 128 x 2 bytes are 64 KiB a token.
func fitModel(files ...dsl.ModelFile) *dsl.Model {
	return &dsl.Model{
		Name: "m",
		Architecture: &dsl.Architecture{Layers: 16, Heads: 8, KVHeads: 8, HeadDim: 128, Hidden: 1024, Vocab: 1000,
			Parameters: 2e9},
		Sources: []*dsl.ModelSource{{Name: "hf", Quant: "bf16", Files: files}},
		Engines: map[string]dsl.EngineModel{"vllm": {Source: "hf", Ref: "m"}, "llamacpp": {Source: "hf", Ref: "m"},
			"sglang": {Source: "hf", Ref: "m"}},
	}
}

func fitProfile(engineName string, context int, flags ...dsl.Flag) *dsl.Server {
	return &dsl.Server{
		Name: "p", Engine: engineName, ContextTokens: context, Pos: syntax.Pos{File: "servers.yaml", Line: 7},
		Launch: &dsl.Launch{Command: []string{"true"}, Flags: flags},
	}
}

func TestMemory_Impossible(t *testing.T) {
	all := []dsl.Flag{{Name: "n_gpu_layers", Value: 99}, {Name: "fit", Value: "off"}}
	with := func(more ...dsl.Flag) []dsl.Flag { return append(append([]dsl.Flag{}, all...), more...) }
	// A context of 131,072 tokens takes 8 GiB of KV cache.
	for name, c := range map[string]struct {
		engine  string
		context int
		flags   []dsl.Flag
		env     string
		cards   []float64
		weights float64
		window  int
		why     string // part of it; empty: it may fit
		hint    string
	}{
		"KV alone is too much": {engine: "vllm", context: 131072, cards: []float64{7.99 * gib},
			why: "the KV cache cannot fit the graphics memory: KV cache 2 x 16 layers x 8 KV heads x 128 x 2 bytes = 64 KiB a " +
				"token; x 131072 tokens = 8.00 GiB; there are 7.99 GiB", hint: "kv_cache_dtype: fp8"},
		"just as much as there is": {engine: "vllm", context: 131072, cards: []float64{8 * gib}},
		"the share counts": {engine: "vllm", context: 131072,
			flags: []dsl.Flag{{Name: "gpu-memory-utilization", Value: 0.5}}, cards: []float64{15.9 * gib},
			why: "there are 15.90 GiB x gpu_memory_utilization 0.5 = 7.95 GiB", hint: "set context_tokens to at most 36"},
		"the share is enough": {engine: "vllm", context: 131072,
			flags: []dsl.Flag{{Name: "gpu_memory_utilization", Value: 0.5}}, cards: []float64{16 * gib}},
		"a share of 1 is a whole": {engine: "vllm", context: 131072,
			flags: []dsl.Flag{{Name: "gpu_memory_utilization", Value: 1}}, cards: []float64{8 * gib}},
		"numbers of one byte": {engine: "vllm", context: 131072,
			flags: []dsl.Flag{{Name: "kv_cache_dtype", Value: "fp8"}}, cards: []float64{4 * gib}},
		"SGLang's share": {engine: "sglang", context: 131072,
			flags: []dsl.Flag{{Name: "mem_fraction_static", Value: 0.8}}, cards: []float64{9 * gib},
			why: "mem_fraction_static 0.8 = 7.20 GiB"},
		"known weights are added": {engine: "vllm", context: 131072, weights: 3 * gib, cards: []float64{10 * gib},
			why: "weights and KV cache cannot fit the graphics memory: weights 3.00 GiB; KV cache"},
		"known weights alone": {engine: "vllm", context: 16, weights: 12 * gib, cards: []float64{10 * gib},
			why:  "the weights cannot fit the graphics memory: weights 12.00 GiB; there are 10.00 GiB",
			hint: "choose a smaller model"},
		"weights that may be away": {engine: "vllm", context: 16, weights: 12 * gib,
			flags: []dsl.Flag{{Name: "cpu_offload_gb", Value: 8}}, cards: []float64{10 * gib}},
		"estimated weights are none": {engine: "vllm", context: 16, cards: []float64{1 * gib}},
		"two cards as one": {engine: "vllm", context: 131072,
			flags: []dsl.Flag{{Name: "tensor_parallel_size", Value: 2}}, cards: []float64{5 * gib, 5 * gib}},
		"two cards, of which one": {engine: "vllm", context: 131072, cards: []float64{5 * gib, 5 * gib},
			why: "there are 5.00 GiB"},
		"layers with a window": {engine: "vllm", context: 131072, window: 4096, cards: []float64{1 * gib}},
		"cards that are hidden": {engine: "vllm", context: 131072, env: "CUDA_VISIBLE_DEVICES",
			cards: []float64{1 * gib}},
		"cards that are not known": {engine: "vllm", context: 131072},
		"llama.cpp on all cards":   {engine: "llamacpp", context: 131072, flags: all, cards: []float64{4 * gib, 4 * gib}},
		"llama.cpp, too much for all": {engine: "llamacpp", context: 131072, flags: all,
			cards: []float64{4 * gib, 3.9 * gib}, why: "there are 7.90 GiB", hint: "cache_type_k: q8_0 and cache_type_v: q8_0"},
		"the context of all slots": {engine: "llamacpp", context: 65536,
			flags: with(dsl.Flag{Name: "ctx_size", Value: 131072}), cards: []float64{7 * gib}, why: "x 131072 tokens"},
		"keys and values apart": {engine: "llamacpp", context: 131072,
			flags: with(dsl.Flag{Name: "cache_type_v", Value: "q8_0"}), cards: []float64{6 * gib},
			why: "x 1.53 bytes = 49 KiB a token; x 131072 tokens = 6.12 GiB"},
		"some layers on the CPU": {engine: "llamacpp", context: 131072,
			flags: []dsl.Flag{{Name: "n_gpu_layers", Value: 15}, {Name: "fit", Value: "off"}}, cards: []float64{1 * gib}},
		"llama.cpp shrinks it": {engine: "llamacpp", context: 131072,
			flags: []dsl.Flag{{Name: "n_gpu_layers", Value: 99}}, cards: []float64{1 * gib}},
		"KV in main memory": {engine: "llamacpp", context: 131072,
			flags: with(dsl.Flag{Name: "no_kv_offload", Value: true}), cards: []float64{1 * gib}},
	} {
		t.Run(name, func(t *testing.T) {
			profile := fitProfile(c.engine, c.context, c.flags...)
			if c.env != "" {
				profile.Launch.Env = []dsl.Flag{{Name: c.env, Value: ""}}
			}
			m := fitModel()
			m.Architecture.SlidingWindow = c.window
			memory, err := target.MemoryOf(profile, m, c.cards, c.weights)
			if err != nil {
				t.Fatal(err)
			}
			why, hint := memory.Impossible()
			if (why == "") != (c.why == "") || !strings.Contains(why, c.why) || !strings.Contains(hint, c.hint) {
				t.Errorf("got %q\nhint %q\nwant %q, %q", why, hint, c.why, c.hint)
			}
			if (why == "") != (hint == "") {
				t.Errorf("why %q, hint %q", why, hint)
			}
		})
	}
}

func TestMemory_Lines(t *testing.T) {
	files := []dsl.ModelFile{{Path: "a.safetensors", Bytes: 3 * gib}, {Path: "b.safetensors", Bytes: 1 * gib},
		{Path: "config.json", Bytes: 5 * gib}}
	memory, err := target.MemoryOf(fitProfile("vllm", 16384, dsl.Flag{Name: "gpu_memory_utilization", Value: 0.5}),
		fitModel(files...), []float64{16 * gib}, 0)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"KV cache: 2 x 16 layers x 8 KV heads x 128 x 2 bytes = 64 KiB a token; x 16384 tokens = 1.00 GiB",
		"memory: 4.00 GiB of weights + 1.00 GiB of KV cache + 2.0 GiB for everything else = 7.00 GiB",
		"card: 16.0 GiB, of which the profile takes 8.0: fits: 7.0 of 8.0 GiB, context up to 32768 tokens",
	}
	if got := memory.Lines(); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for name, m := range map[string]*dsl.Model{"no model": nil, "no figures": {Name: "m"}} {
		if _, err := target.MemoryOf(fitProfile("vllm", 1), m, nil, 0); err == nil {
			t.Errorf("%s: a fit of nothing", name)
		}
	}
}

// Where the figures say which layers keep only a window the cache is counted so, and the whole of it where the server
// is started to keep everything: a prefix cache of llama.cpp needs that.
func TestMemory_LayersWithAWindow(t *testing.T) {
	m := fitModel()
	m.Architecture.SlidingWindow, m.Architecture.FullLayers, m.Architecture.WindowLayers = 1024, 4, 12
	all := []dsl.Flag{{Name: "n_gpu_layers", Value: 99}, {Name: "fit", Value: "off"}}
	whole := append([]dsl.Flag{{Name: "swa_full", Value: true}}, all...)
	for name, c := range map[string]struct {
		profile *dsl.Server
		want    string
		fits    bool
	}{
		"vLLM": {fitProfile("vllm", 131072),
			"2 x 4 layers x 8 KV heads x 128 x 2 bytes = 16 KiB a token; x 131072 tokens = 2.00 GiB, and 0.05 GiB in layers", true},
		"llama.cpp": {fitProfile("llamacpp", 131072, all...),
			"x 131072 tokens = 2.00 GiB, and 0.05 GiB in layers", true},
		"llama.cpp keeps all": {fitProfile("llamacpp", 131072, whole...), "2 x 16 layers x 8 KV heads", false},
	} {
		memory, err := target.MemoryOf(c.profile, m, []float64{4 * gib}, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got := memory.Lines()[0]; !strings.Contains(got, c.want) {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
		if why, _ := memory.Impossible(); (why == "") != c.fits {
			t.Errorf("%s: %q, fits %v", name, why, c.fits)
		}
	}
}

// card is telemetry of a machine with one card of so many MiB, as nvidia-smi tells it. A GPU that
// this machine really has would be read first.
func card(t *testing.T, mib int) *host.Telemetry {
	t.Helper()
	path := filepath.Join(t.TempDir(), "smi")
	row := fmt.Sprintf("0, 1, 0, 10, 30, 210, 405, Card, 550.1, %d, 100, 4, 16", mib)
	if err := os.WriteFile(path, []byte("#!/bin/sh\necho '"+row+"'\ncase $* in *-lms*) exec sleep 60;; esac\n"),
		0o755); err != nil {
		t.Fatal(err)
	}
	watch := host.OpenTelemetry(t.Context(), host.Options{NoNVML: true, NvidiaSMI: path, SysFS: t.TempDir()})
	if watch.Source() != "nvidia-smi" {
		t.Skipf("no fake card here: %v", watch.Notes())
	}
	t.Cleanup(watch.Close)
	return watch
}

// A start that cannot end well is refused before there is a log or a process, at the profile's
// place; one that may not is warned of and tried.
func TestLauncher_RefusesWhatCannotFit(t *testing.T) {
	var notes []string
	started := false
	l := target.Launcher{
		StateDir: t.TempDir(), Memory: card(t, 8000), Version: "0.27.1",
		Note: func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) },
		Key:  func(dsl.Secret) (string, error) { return "", nil },
		Log: func(string) (string, string, error) {
			started = true
			return filepath.Join(t.TempDir(), "log"), "", nil
		},
	}
	_, err := l.Start(t.Context(), fitProfile("vllm", 131072), fitModel())
	var hint interface{ Hint() string }
	if err == nil || started || !strings.HasPrefix(err.Error(), "servers.yaml:7: server p: the KV cache cannot fit") {
		t.Errorf("started: %v, error %v", started, err)
	} else if h, ok := err.(interface{ Hint() string }); !ok ||
		!strings.Contains(h.Hint(), "set context_tokens to at most") {
		t.Errorf("hint %v", hint)
	}
	// 4 GB of weights are an estimate, so that 6 GiB of cache beside them are doubtful alone.
	_, err = l.Start(t.Context(), fitProfile("vllm", 98304), fitModel())
	if !started || err == nil || strings.Contains(err.Error(), "cannot fit") {
		t.Errorf("started: %v, error %v", started, err)
	}
	if text := strings.Join(notes, "\n"); !strings.Contains(text,
		"p may not fit the graphics memory; set context_tokens to at most") ||
		!strings.Contains(text, "x 98304 tokens = 6.00 GiB") {
		t.Errorf("notes %q", text)
	}
}
