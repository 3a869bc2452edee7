package sim

import (
	"math"
	"testing"
	"time"
)

// rows builds the roofline of two table rows.
func rows(t *testing.T, gpu, model string) roofline {
	t.Helper()
	g, err := findGPU(gpu)
	if err != nil {
		t.Fatal(err)
	}
	m, q, err := findModel(model)
	if err != nil {
		t.Fatal(err)
	}
	return roofline{g, m, q}
}

// Decode rates that users have published: of vLLM for one request or a few, to which nothing is fitted, and tg1024 of
// llama.cpp, to which the table is fitted on these cards: see llamaFits.
func TestDecodeAgainstPublishedRates(t *testing.T) {
	const (
		llamaBench = "https://github.com/XiongjieDai/GPU-Benchmarks-on-LLM-Inference"
		homelab    = "https://github.com/josemendozaorg/homelab-android19, vLLM 0.11.0"
		workshop   = "https://nith.in/posts/workshop/what-an-llm-server-feels-like-under-load, vLLM 0.11.0"
		bench      = "https://github.com/bereketlemma/llm-inference-bench, vLLM 0.16.0, 512 tokens"
		idle       = "https://stackbytes.beehiiv.com/p/why-your-gpu-is-idle-but-your-requests-are-queued, 18.0 ms a token"
	)
	for _, c := range []struct {
		gpu, model string
		measured   float64 // tokens a second
		within     float64
		source     string
	}{
		{"RTX 4090", "qwen2.5-7b", 55.6, 0.08, idle},
		{"L4", "mistral-7b-v0.3-awq", 60.5, 0.08, bench},
		{"RTX 3060 12GB", "qwen2.5-7b-awq", 59.0, 0.08, workshop},
		{"RTX 5060 Ti 16GB", "qwen2.5-7b-awq", 78.7, 0.08, homelab},
		{"RTX 3090", "llama-3.1-8b-f16", 46.5, 0.03, llamaBench},
		{"RTX 3090", "llama-3.1-8b-q4_k_m", 111.7, 0.03, llamaBench},
		{"RTX 4090", "llama-3.1-8b-f16", 54.3, 0.03, llamaBench},
		{"RTX 4090", "llama-3.1-8b-q4_k_m", 127.7, 0.03, llamaBench},
		{"RTX 4080", "llama-3.1-8b-f16", 40.3, 0.03, llamaBench},
		{"RTX 4080", "llama-3.1-8b-q4_k_m", 106.2, 0.03, llamaBench},
		{"L40S", "llama-3.1-8b-f16", 43.4, 0.03, llamaBench},
		{"L40S", "llama-3.1-8b-q4_k_m", 113.6, 0.03, llamaBench},
		{"A100 80GB PCIe", "llama-3.1-8b-f16", 54.6, 0.03, llamaBench},
		{"A100 80GB PCIe", "llama-3.1-8b-q4_k_m", 138.3, 0.03, llamaBench},
		{"H100 PCIe", "llama-3.1-8b-f16", 67.8, 0.03, llamaBench},
		{"H100 PCIe", "llama-3.1-8b-q4_k_m", 144.5, 0.03, llamaBench},
		{"M2 Ultra", "llama-3.1-8b-f16", 36.2, 0.15, llamaBench},
		{"M2 Ultra", "llama-3.1-8b-q4_k_m", 76.3, 0.15, llamaBench},
		{"M3 Max", "llama-3.1-8b-q4_k_m", 50.7, 0.15, llamaBench},
	} {
		got := 1 / rows(t, c.gpu, c.model).step([]work{{tokens: 1, ctx: 300, decode: true}}).Seconds()
		if e := got/c.measured - 1; math.Abs(e) > c.within {
			t.Errorf("%s, %s: %.1f tokens a second, measured %.1f (%+.0f %%): %s", c.gpu, c.model, got, c.measured, 100*e,
				c.source)
		}
	}
}

// Prefill of 1024 tokens as llama.cpp's pp1024 in F16 measured it, whose share of the compute varies by card.
func TestPrefillAgainstPublishedRates(t *testing.T) {
	for gpu, measured := range map[string]float64{"RTX 3090": 4240, "RTX 4090": 9056, "RTX 4080": 6759} {
		r := rows(t, gpu, "llama-3.1-8b")
		got := 1024 / r.step([]work{{tokens: 1024}}).Seconds()
		if e := got/measured - 1; math.Abs(e) > 0.30 {
			t.Errorf("%s: %.0f tokens a second, measured %.0f (%+.0f %%)", gpu, got, measured, 100*e)
		}
	}
}

// One chunk and one batch, worked out by hand from the formulas: Qwen2.5-7B on an RTX 4090.
func TestStepFormula(t *testing.T) {
	const (
		body, head = 7.616e9 - 2*152064*3584, 152064 * 3584
		rate       = 0.80 * 165e12
		bandwidth  = 0.90 * 1008e9
	)
	r := rows(t, "RTX 4090", "qwen2.5-7b")
	for name, c := range map[string]struct {
		parts   []work
		seconds float64
	}{
		"long chunk": {[]work{{tokens: 1000, ctx: 2000}},
			(2*body*1000 + 4*28*28*128*1000*(2000+500) + 2*head) / (rate * 1000 / 1128)},
		"short chunk": {[]work{{tokens: 1, ctx: 2000}}, (2*(body+head) + 2000*57344) / bandwidth},
		"batch":       {[]work{{1, 100, true}, {1, 200, true}}, (2*(body+head) + 300*57344) / bandwidth},
		"mixed": {[]work{{1, 100, true}, {500, 0, false}},
			2*(body+head)/rate + (2*body*500+4*28*28*128*500*250+2*head)/(rate*500/628)},
	} {
		want := time.Duration(math.Round(c.seconds*1e9)) + 2*time.Millisecond
		if got := r.step(c.parts); got < want-1 || got > want+1 { // the last bit of a float
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

// The conversion of activations costs a share of every step but its constant part.
func TestQuantSlowsDown(t *testing.T) {
	r := rows(t, "RTX 4090", "qwen2.5-7b-fp8")
	slow := r.step([]work{{tokens: 1, ctx: 10, decode: true}}) - graphStep
	r.quant.Slowdown = 1
	if ratio := float64(slow) / float64(r.step([]work{{tokens: 1, ctx: 10,
		decode: true}})-graphStep); math.Abs(ratio-1.15) > 1e-6 {
		t.Errorf("fp8 takes %v times as long, want 1.15", ratio)
	}
}

// The size of the KV cache that vLLM 0.11.0 printed with 85 % of the memory, as published in
// https://github.com/josemendozaorg/homelab-android19.
func TestKVSizeAgainstAPublishedSize(t *testing.T) {
	const printed = 121072
	r := rows(t, "RTX 5060 Ti 16GB", "qwen2.5-7b-awq")
	r.gpu.MemoryGiB *= 0.85 / memoryShare
	blocks, err := r.kvBlocks()
	if err != nil {
		t.Fatal(err)
	}
	if e := float64(blocks*blockTokens)/printed - 1; math.Abs(e) > 0.05 {
		t.Errorf("%d tokens, printed %d (%+.0f %%)", blocks*blockTokens, printed, 100*e)
	}
	if _, err := rows(t, "RTX 3060 12GB", "llama-3.1-70b").kvBlocks(); err == nil {
		t.Error("a 70B model fits on 12 GiB")
	}
}

// The shapes of the table give the parameter counts that they are published with, and the published
// bytes a token of cache.
func TestModelTable(t *testing.T) {
	kv := map[string]int{"phi-3.5-mini": 393216, "qwen2.5-3b": 36864, "qwen2.5-7b": 57344, "llama-3.1-8b": 131072,
		"gemma-2-9b": 344064, "smollm2-135m": 23040}
	body := map[string]float64{"phi-3.5-mini": 3.623, "qwen2.5-3b": 2.775, "qwen2.5-7b": 6.526, "llama-3.1-70b": 68.499,
		"qwen3-30b-a3b": 29.908, "gemma-2-2b": 2.024}
	for _, m := range Models {
		if want, ok := kv[m.Name]; ok && m.KVBytes() != want {
			t.Errorf("%s: %d bytes a token, want %d", m.Name, m.KVBytes(), want)
		}
		if want, ok := body[m.Name]; ok && math.Abs(m.body()/1e9-want) > 0.002 {
			t.Errorf("%s: %.3f B in the blocks, want %.3f", m.Name, m.body()/1e9, want)
		}
		if m.body() <= 0 || m.Heads%m.KVHeads != 0 {
			t.Errorf("%s: the row makes no sense", m.Name)
		}
	}
	moe := rows(t, "H100 SXM", "qwen3-30b-a3b")
	if one, many := moe.readBytes(1), moe.readBytes(2048); math.Abs(one-6.6e9) > 1e7 || math.Abs(many-60.44e9) > 1e8 {
		t.Errorf("a mixture of experts reads %.1f GB for one token and %.1f GB for many, want 6.6 and 60.4", one/1e9,
			many/1e9)
	}
}

func TestLookupsForgiveSpelling(t *testing.T) {
	if r := rows(t, "rtx4090", "Qwen/Qwen2.5-7B-Instruct-AWQ"); r.gpu.Name != "RTX 4090" || r.model.Name != "qwen2.5-7b" ||
		r.quant.Name != "awq" {
		t.Errorf("found %s, %s, %s", r.gpu.Name, r.model.Name, r.quant.Name)
	}
	if _, err := findGPU("RTX 9999"); err == nil {
		t.Error("found a GPU that does not exist")
	}
	if _, _, err := findModel("qwen9-1b"); err == nil {
		t.Error("found a model that does not exist")
	}
	for name, cfg := range map[string]Config{
		"gpu": {GPU: "x"}, "model": {Model: "x"}, "era": {Wire: Wire{Version: "x"}},
		"reasoning": {Wire: Wire{Reasoning: "x"}},
		"speed":     {Speed: -1}, "fault": {Faults: []Fault{{Kind: "x"}}}, "context": {ContextTokens: 64, KVTokens: 32},
		"too large": {GPU: "RTX 4070", Model: "qwen2.5-32b"},
	} {
		if s, err := New(cfg); err == nil {
			s.Close()
			t.Errorf("%s: New took it", name)
		}
	}
}
