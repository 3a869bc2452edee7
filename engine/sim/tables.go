package sim

import (
	"fmt"
	"strings"
	"time"
	"unicode"
)

// GPU is one row of the table of accelerators. Figures are those of the vendor's data sheet unless Note says otherwise.
// The efficiencies and the step overhead are estimates: their predictions for vLLM are within 7 % of the four published
// rates that were found. The estimates for llama.cpp and for Apple's machines are fitted to published rates.
type GPU struct {
	Name            string
	MemoryGiB       float64       // memory for weights and cache, GiB
	BandwidthGBs    float64       // memory bandwidth, 1e9 bytes a second
	TFLOPS          float64       // dense fp16 with fp32 accumulation, 1e12 operations a second
	BandwidthShare  float64       // share of the bandwidth that decoding reaches
	ComputeShare    float64       // share of the operations that a long prefill reaches
	StepOverhead    time.Duration // constant part of every engine step
	UnifiedWithHost bool          // the memory is the machine's own
	Note            string
}

const (
	graphStep = 2 * time.Millisecond    // vLLM with CUDA graphs
	metalStep = 6600 * time.Microsecond // fitted to M2 Ultra
)

// GPUs is the table of accelerators that the simulator can simulate.
var GPUs = []GPU{
	{Name: "RTX 3060 12GB", MemoryGiB: 12, BandwidthGBs: 360, TFLOPS: 25.5,
		BandwidthShare: 0.90, ComputeShare: 0.80, StepOverhead: graphStep},
	{Name: "RTX 3090", MemoryGiB: 24, BandwidthGBs: 936, TFLOPS: 71,
		BandwidthShare: 0.90, ComputeShare: 0.80, StepOverhead: graphStep},
	{Name: "RTX 4060 Ti 16GB", MemoryGiB: 16, BandwidthGBs: 288, TFLOPS: 44,
		BandwidthShare: 0.90, ComputeShare: 0.80, StepOverhead: graphStep},
	{Name: "RTX 4070", MemoryGiB: 12, BandwidthGBs: 504, TFLOPS: 58,
		BandwidthShare: 0.90, ComputeShare: 0.80, StepOverhead: graphStep},
	{Name: "RTX 4070 Ti", MemoryGiB: 12, BandwidthGBs: 504, TFLOPS: 80,
		BandwidthShare: 0.90, ComputeShare: 0.80, StepOverhead: graphStep},
	{Name: "RTX 4080", MemoryGiB: 16, BandwidthGBs: 717, TFLOPS: 97.5,
		BandwidthShare: 0.90, ComputeShare: 0.80, StepOverhead: graphStep},
	{Name: "RTX 4090", MemoryGiB: 24, BandwidthGBs: 1008, TFLOPS: 165,
		BandwidthShare: 0.90, ComputeShare: 0.80, StepOverhead: graphStep},
	{Name: "RTX 5060 Ti 16GB", MemoryGiB: 16, BandwidthGBs: 448, TFLOPS: 47,
		BandwidthShare: 0.90, ComputeShare: 0.80, StepOverhead: graphStep},
	{Name: "RTX 5070", MemoryGiB: 12, BandwidthGBs: 672, TFLOPS: 62,
		BandwidthShare: 0.90, ComputeShare: 0.80, StepOverhead: graphStep},
	{Name: "RTX 5080", MemoryGiB: 16, BandwidthGBs: 960, TFLOPS: 113,
		BandwidthShare: 0.90, ComputeShare: 0.80, StepOverhead: graphStep},
	{Name: "RTX 5090", MemoryGiB: 32, BandwidthGBs: 1792, TFLOPS: 209.5,
		BandwidthShare: 0.90, ComputeShare: 0.80, StepOverhead: graphStep},
	{Name: "L4", MemoryGiB: 24, BandwidthGBs: 300, TFLOPS: 121,
		BandwidthShare: 0.85, ComputeShare: 0.70, StepOverhead: graphStep},
	{Name: "L40S", MemoryGiB: 48, BandwidthGBs: 864, TFLOPS: 362,
		BandwidthShare: 0.85, ComputeShare: 0.70, StepOverhead: graphStep},
	{Name: "RTX 6000 Ada", MemoryGiB: 48, BandwidthGBs: 960, TFLOPS: 364,
		BandwidthShare: 0.85, ComputeShare: 0.70, StepOverhead: graphStep},
	{Name: "RTX PRO 6000 Blackwell", MemoryGiB: 96, BandwidthGBs: 1792, TFLOPS: 252,
		BandwidthShare: 0.85, ComputeShare: 0.70, StepOverhead: graphStep},
	{Name: "A100 80GB PCIe", MemoryGiB: 80, BandwidthGBs: 1935, TFLOPS: 312,
		BandwidthShare: 0.78, ComputeShare: 0.70, StepOverhead: graphStep},
	{Name: "A100 80GB SXM", MemoryGiB: 80, BandwidthGBs: 2039, TFLOPS: 312,
		BandwidthShare: 0.78, ComputeShare: 0.70, StepOverhead: graphStep},
	{Name: "H100 PCIe", MemoryGiB: 80, BandwidthGBs: 2000, TFLOPS: 756,
		BandwidthShare: 0.78, ComputeShare: 0.70, StepOverhead: graphStep},
	{Name: "H100 SXM", MemoryGiB: 80, BandwidthGBs: 3350, TFLOPS: 989,
		BandwidthShare: 0.78, ComputeShare: 0.70, StepOverhead: graphStep},
	{Name: "H200 SXM", MemoryGiB: 141, BandwidthGBs: 4800, TFLOPS: 989,
		BandwidthShare: 0.78, ComputeShare: 0.70, StepOverhead: graphStep},
	{Name: "M1 Max", MemoryGiB: 64, BandwidthGBs: 400, TFLOPS: 10.4,
		BandwidthShare: 0.90, ComputeShare: 0.57, StepOverhead: metalStep,
		UnifiedWithHost: true, Note: "fp32 rate"},
	{Name: "M2 Ultra", MemoryGiB: 192, BandwidthGBs: 800, TFLOPS: 27.2,
		BandwidthShare: 0.90, ComputeShare: 0.63, StepOverhead: metalStep,
		UnifiedWithHost: true, Note: "fp32 rate"},
	{Name: "M3 Max", MemoryGiB: 128, BandwidthGBs: 400, TFLOPS: 14.2,
		BandwidthShare: 0.90, ComputeShare: 0.75, StepOverhead: metalStep,
		UnifiedWithHost: true, Note: "fp32 rate, 40 cores"},
	{Name: "M4 Pro", MemoryGiB: 64, BandwidthGBs: 273, TFLOPS: 17,
		BandwidthShare: 0.90, ComputeShare: 0.65, StepOverhead: metalStep,
		UnifiedWithHost: true, Note: "compute estimated"},
	{Name: "M4 Max", MemoryGiB: 128, BandwidthGBs: 546, TFLOPS: 34,
		BandwidthShare: 0.90, ComputeShare: 0.65, StepOverhead: metalStep,
		UnifiedWithHost: true, Note: "compute estimated"},
	{Name: "Strix Halo", MemoryGiB: 128, BandwidthGBs: 256, TFLOPS: 59.4,
		BandwidthShare: 0.83, ComputeShare: 0.62, StepOverhead: graphStep,
		UnifiedWithHost: true, Note: "shares from measured 213 GB/s and 36.9 TFLOPS"},
	{Name: "DGX Spark", MemoryGiB: 128, BandwidthGBs: 273, TFLOPS: 62.5,
		BandwidthShare: 0.85, ComputeShare: 0.70, StepOverhead: graphStep,
		UnifiedWithHost: true, Note: "compute estimated"},
	{Name: "CPU DDR5-5600", MemoryGiB: 64, BandwidthGBs: 89.6, TFLOPS: 2,
		BandwidthShare: 0.80, ComputeShare: 0.60, StepOverhead: graphStep,
		UnifiedWithHost: true, Note: "two channels; compute assumed"},
	{Name: "CPU DDR4-3200", MemoryGiB: 64, BandwidthGBs: 51.2, TFLOPS: 1,
		BandwidthShare: 0.80, ComputeShare: 0.60, StepOverhead: graphStep,
		UnifiedWithHost: true, Note: "two channels; compute assumed"},
}

// llamaFit is how llama.cpp decodes on a card.
type llamaFit struct {
	share float64       // of the bandwidth
	step  time.Duration // constant part of every step
}

// llamaFits are fitted to tg1024 of Llama 3 8B in F16 and in Q4_K_M, two figures for two constants, as published in
// https://github.com/XiongjieDai/GPU-Benchmarks-on-LLM-Inference (a batch of one, one card). The constants of [GPUs]
// are those of vLLM, and on Apple's machines of llama.cpp already.
var llamaFits = map[string]llamaFit{
	"RTX 3090":       {0.89, 3450 * time.Microsecond}, // 46.5 and 111.7 tokens a second
	"RTX 4080":       {0.95, 2680 * time.Microsecond}, // 40.3 and 106.2
	"RTX 4090":       {0.98, 3200 * time.Microsecond}, // 54.3 and 127.7
	"L40S":           {0.85, 2570 * time.Microsecond}, // 43.4 and 113.6
	"A100 80GB PCIe": {0.49, 2380 * time.Microsecond}, // 54.6 and 138.3
	"H100 PCIe":      {0.67, 3500 * time.Microsecond}, // 67.8 and 144.5
}

// llamaStep is the constant part of a step of llama.cpp on a card of which nothing was published: the middle of the
// fits.
const llamaStep = 2900 * time.Microsecond

// decoding is which share of a card's bandwidth an engine reaches with weights of a format, and the constant part of
// its steps.
func (g GPU) decoding(q Quant) (share float64, step time.Duration) {
	fit, known := llamaFits[g.Name]
	switch {
	case q.GGUF && known:
		return fit.share, fit.step
	case q.GGUF && g.StepOverhead == graphStep && !g.UnifiedWithHost:
		return g.BandwidthShare, llamaStep
	}
	return g.BandwidthShare, g.StepOverhead
}

// Model is one row of the table of models: the shape that decides how much is read and computed.
type Model struct {
	Name       string  // short name, as in Config.Model
	Repository string  // where its weights are published; the name under which it is served
	ParamsB    float64 // all parameters, 1e9
	Layers     int
	Heads      int
	KVHeads    int
	HeadDim    int
	Hidden     int
	Vocabulary int
	Tied       bool    // the output head is the input embedding
	ActiveB    float64 // mixture of experts: parameters that one token reads, 1e9; 0 if all
	Experts    int     // mixture of experts: routed experts of a layer
	TopK       int     // mixture of experts: how many one token uses
}

// Models is the table of models that the simulator can simulate, with 16-bit weights. A name may carry a suffix of
// [quants].
var Models = []Model{
	{Name: "phi-3.5-mini", Repository: "microsoft/Phi-3.5-mini-instruct", ParamsB: 3.82,
		Layers: 32, Heads: 32, KVHeads: 32, HeadDim: 96, Hidden: 3072, Vocabulary: 32064},
	{Name: "qwen2.5-0.5b", Repository: "Qwen/Qwen2.5-0.5B-Instruct", ParamsB: 0.494,
		Layers: 24, Heads: 14, KVHeads: 2, HeadDim: 64, Hidden: 896, Vocabulary: 151936, Tied: true},
	{Name: "qwen2.5-1.5b", Repository: "Qwen/Qwen2.5-1.5B-Instruct", ParamsB: 1.544,
		Layers: 28, Heads: 12, KVHeads: 2, HeadDim: 128, Hidden: 1536, Vocabulary: 151936, Tied: true},
	{Name: "qwen2.5-3b", Repository: "Qwen/Qwen2.5-3B-Instruct", ParamsB: 3.086,
		Layers: 36, Heads: 16, KVHeads: 2, HeadDim: 128, Hidden: 2048, Vocabulary: 151936, Tied: true},
	{Name: "qwen2.5-7b", Repository: "Qwen/Qwen2.5-7B-Instruct", ParamsB: 7.616,
		Layers: 28, Heads: 28, KVHeads: 4, HeadDim: 128, Hidden: 3584, Vocabulary: 152064},
	{Name: "qwen2.5-14b", Repository: "Qwen/Qwen2.5-14B-Instruct", ParamsB: 14.77,
		Layers: 48, Heads: 40, KVHeads: 8, HeadDim: 128, Hidden: 5120, Vocabulary: 152064},
	{Name: "qwen2.5-32b", Repository: "Qwen/Qwen2.5-32B-Instruct", ParamsB: 32.76,
		Layers: 64, Heads: 40, KVHeads: 8, HeadDim: 128, Hidden: 5120, Vocabulary: 152064},
	{Name: "qwen3-0.6b", Repository: "Qwen/Qwen3-0.6B", ParamsB: 0.596,
		Layers: 28, Heads: 16, KVHeads: 8, HeadDim: 128, Hidden: 1024, Vocabulary: 151936, Tied: true},
	{Name: "qwen3-4b", Repository: "Qwen/Qwen3-4B", ParamsB: 4.02,
		Layers: 36, Heads: 32, KVHeads: 8, HeadDim: 128, Hidden: 2560, Vocabulary: 151936, Tied: true},
	{Name: "qwen3-8b", Repository: "Qwen/Qwen3-8B", ParamsB: 8.19,
		Layers: 36, Heads: 32, KVHeads: 8, HeadDim: 128, Hidden: 4096, Vocabulary: 151936},
	{Name: "qwen3-14b", Repository: "Qwen/Qwen3-14B", ParamsB: 14.77,
		Layers: 40, Heads: 40, KVHeads: 8, HeadDim: 128, Hidden: 5120, Vocabulary: 151936},
	{Name: "qwen3-32b", Repository: "Qwen/Qwen3-32B", ParamsB: 32.76,
		Layers: 64, Heads: 64, KVHeads: 8, HeadDim: 128, Hidden: 5120, Vocabulary: 151936},
	{Name: "qwen3-30b-a3b", Repository: "Qwen/Qwen3-30B-A3B", ParamsB: 30.53,
		Layers: 48, Heads: 32, KVHeads: 4, HeadDim: 128, Hidden: 2048, Vocabulary: 151936,
		ActiveB: 3.3, Experts: 128, TopK: 8},
	{Name: "llama-3.2-1b", Repository: "meta-llama/Llama-3.2-1B-Instruct", ParamsB: 1.236,
		Layers: 16, Heads: 32, KVHeads: 8, HeadDim: 64, Hidden: 2048, Vocabulary: 128256, Tied: true},
	{Name: "llama-3.2-3b", Repository: "meta-llama/Llama-3.2-3B-Instruct", ParamsB: 3.213,
		Layers: 28, Heads: 24, KVHeads: 8, HeadDim: 128, Hidden: 3072, Vocabulary: 128256, Tied: true},
	{Name: "llama-3.1-8b", Repository: "meta-llama/Llama-3.1-8B-Instruct", ParamsB: 8.03,
		Layers: 32, Heads: 32, KVHeads: 8, HeadDim: 128, Hidden: 4096, Vocabulary: 128256},
	{Name: "llama-3.1-70b", Repository: "meta-llama/Llama-3.1-70B-Instruct", ParamsB: 70.6,
		Layers: 80, Heads: 64, KVHeads: 8, HeadDim: 128, Hidden: 8192, Vocabulary: 128256},
	{Name: "mistral-7b-v0.3", Repository: "mistralai/Mistral-7B-Instruct-v0.3", ParamsB: 7.248,
		Layers: 32, Heads: 32, KVHeads: 8, HeadDim: 128, Hidden: 4096, Vocabulary: 32768},
	{Name: "gemma-2-2b", Repository: "google/gemma-2-2b-it", ParamsB: 2.614,
		Layers: 26, Heads: 8, KVHeads: 4, HeadDim: 256, Hidden: 2304, Vocabulary: 256000, Tied: true},
	{Name: "gemma-2-9b", Repository: "google/gemma-2-9b-it", ParamsB: 9.241,
		Layers: 42, Heads: 16, KVHeads: 8, HeadDim: 256, Hidden: 3584, Vocabulary: 256000, Tied: true},
	{Name: "gemma-3-4b", Repository: "google/gemma-3-4b-it", ParamsB: 3.88,
		Layers: 34, Heads: 8, KVHeads: 4, HeadDim: 256, Hidden: 2560, Vocabulary: 262208, Tied: true},
	{Name: "smollm2-135m", Repository: "HuggingFaceTB/SmolLM2-135M-Instruct", ParamsB: 0.1345,
		Layers: 30, Heads: 9, KVHeads: 3, HeadDim: 64, Hidden: 576, Vocabulary: 49152, Tied: true},
	{Name: "smollm2-1.7b", Repository: "HuggingFaceTB/SmolLM2-1.7B-Instruct", ParamsB: 1.711,
		Layers: 24, Heads: 32, KVHeads: 32, HeadDim: 64, Hidden: 2048, Vocabulary: 49152, Tied: true},
}

// Quant is a way to store weights, appended to a model's name: "qwen2.5-7b-awq".
type Quant struct {
	Name       string
	BlockBytes float64 // bytes a parameter inside the transformer blocks
	HeadBytes  float64 // bytes a parameter of the embedding and the output head
	Slowdown   float64 // factor on every step, for the conversion of activations, an estimate; 1 if none
	GGUF       bool    // llama.cpp runs it, else vLLM
}

// quants is the table of weight formats. The bytes a parameter are averages of published files.
var quants = []Quant{
	{Name: "", BlockBytes: 2, HeadBytes: 2, Slowdown: 1},
	{Name: "awq", BlockBytes: 0.53, HeadBytes: 2, Slowdown: 1},
	{Name: "gptq-int4", BlockBytes: 0.53, HeadBytes: 2, Slowdown: 1},
	{Name: "fp8", BlockBytes: 1, HeadBytes: 2, Slowdown: 1.15},
	{Name: "f16", BlockBytes: 2, HeadBytes: 2, Slowdown: 1, GGUF: true},
	{Name: "q4_k_m", BlockBytes: 0.605, HeadBytes: 0.605, Slowdown: 1, GGUF: true},
	{Name: "q8_0", BlockBytes: 1.0625, HeadBytes: 1.0625, Slowdown: 1, GGUF: true},
}

// embedding is the number of parameters of the input embedding, and of the output head.
func (m Model) embedding() float64 { return float64(m.Vocabulary) * float64(m.Hidden) }

// body is the number of parameters inside the transformer blocks.
func (m Model) body() float64 {
	if m.Tied {
		return m.ParamsB*1e9 - m.embedding()
	}
	return m.ParamsB*1e9 - 2*m.embedding()
}

// KVBytes is the size of one token in a 16-bit KV cache, in bytes: a key and a value in every layer.
func (m Model) KVBytes() int { return 2 * m.Layers * m.KVHeads * m.HeadDim * 2 }

// findGPU finds a row by its name; case, blanks and punctuation do not matter.
func findGPU(name string) (GPU, error) {
	for _, g := range GPUs {
		if plain(g.Name) == plain(name) {
			return g, nil
		}
	}
	names := make([]string, len(GPUs))
	for i, g := range GPUs {
		names[i] = g.Name
	}
	return GPU{}, fmt.Errorf("no GPU %q in the table; known are %s", name, strings.Join(names, ", "))
}

// findModel finds a row by its short name or its repository, with or without the suffix of a quant.
func findModel(name string) (Model, Quant, error) {
	for _, q := range quants {
		base, ok := strings.CutSuffix(plain(name), plain(q.Name))
		if !ok {
			continue
		}
		for _, m := range Models {
			if plain(m.Name) == base || plain(m.Repository) == base {
				return m, q, nil
			}
		}
	}
	names := make([]string, len(Models))
	for i, m := range Models {
		names[i] = m.Name
	}
	return Model{}, Quant{}, fmt.Errorf("no model %q in the table; known are %s", name, strings.Join(names, ", "))
}

// plain reduces a name to its lower-case letters and digits.
func plain(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, name)
}
