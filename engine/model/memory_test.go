package model

import (
	"math"
	"strings"
	"testing"
)

var (
	qwen7b  = Architecture{Layers: 28, KVHeads: 4, HeadDim: 128, Hidden: 3584, Vocab: 152064, Parameters: 7.616e9}
	qwen3b  = Architecture{Layers: 36, KVHeads: 2, HeadDim: 128, Hidden: 2048, Vocab: 151936, Parameters: 3.086e9}
	llama8b = Architecture{Layers: 32, KVHeads: 8, HeadDim: 128, Hidden: 4096, Vocab: 128256, Parameters: 8.03e9}
	phi     = Architecture{Layers: 32, KVHeads: 32, HeadDim: 96, Hidden: 3072, Vocab: 32064, Parameters: 3.82e9}
)

func TestKVBytesPerToken(t *testing.T) {
	for _, tc := range []struct {
		a    Architecture
		want float64
	}{{qwen7b, 57344}, {qwen3b, 36864}, {llama8b, 131072}, {phi, 393216}} {
		if got := kvBytesPerToken(tc.a, 2); got != tc.want {
			t.Errorf("%+v: %v bytes a token, want %v", tc.a, got, tc.want)
		}
	}
	if got := kvBytesPerToken(qwen7b, 1); got != 28672 {
		t.Errorf("8-bit cache: %v", got)
	}
}

// Layers with a window keep no more than it, and those with a state of fixed size nothing.
func TestFits_LayersThatDiffer(t *testing.T) {
	const gib = 1 << 30
	yes := true
	for name, tc := range map[string]struct {
		a                Architecture
		perToken, window float64 // bytes, of 16-bit numbers; those of the windows at 131,072 tokens
		context, most    int     // with room for 1 GiB of cache: the longest context
	}{
		// 5 of 34 layers: 2 · 5 · 4 · 256 · 2, and 2 · 29 · 4 · 256 · 2 · 1024.
		"gemma 3 4B": {Architecture{Layers: 34, KVHeads: 4, HeadDim: 256, SlidingWindow: 1024, FullLayers: 5,
			WindowLayers: 29, Tied: &yes}, 20480, 121634816, 131072, 46489},
		"heads that differ": {Architecture{Layers: 60, KVHeads: 16, HeadDim: 256, SlidingWindow: 1024, FullLayers: 10,
			WindowLayers: 50, FullKVHeads: 4, FullHeadDim: 512}, 81920, 838860800, 131072, 2867},
		"within the window": {Architecture{Layers: 4, KVHeads: 64, HeadDim: 1024, SlidingWindow: 4096, FullLayers: 2,
			WindowLayers: 2}, 524288, 524288 * 4096, 131072, 1024},
		"states":       {Architecture{Layers: 32, KVHeads: 4, HeadDim: 256, FullLayers: 8}, 32768, 0, 131072, 32768},
		"nothing said": {Architecture{Layers: 32, KVHeads: 4, HeadDim: 256, SlidingWindow: 1024}, 131072, 0, 131072, 8192},
	} {
		f, err := Fits(tc.a, Quant{}, tc.context, 4*gib, FitOptions{WeightBytes: gib, Utilisation: 1})
		if err != nil {
			t.Fatal(err)
		}
		if f.KVPerToken != tc.perToken || f.Window != tc.window ||
			f.KV != tc.perToken*float64(tc.context)+tc.window || f.MaxContext != tc.most {
			t.Errorf("%s: %+v, want %v a token, %v in windows, up to %d", name, f, tc.perToken, tc.window, tc.most)
		}
		if short, _ := Fits(tc.a, Quant{}, 100, 4*gib, FitOptions{WeightBytes: gib}); short.Window > 100*tc.window/1024 {
			t.Errorf("%s: 100 tokens take %v in windows", name, short.Window)
		}
	}
}

// The estimates agree with the published sizes of files within 4 %.
func TestWeightBytes(t *testing.T) {
	for _, tc := range []struct {
		a     Architecture
		quant string
		gb    float64
	}{
		{qwen7b, "gptq-int4", 5.58},
		{qwen7b, "AWQ-int4", 5.58},
		{qwen3b, "gptq-int4", 2.07},
		{llama8b, "Q4_K_M", 4.92},
		{llama8b, "f16", 16.06},
		{qwen7b, "bf16", 15.23},
	} {
		q, err := QuantOf(tc.quant)
		if err != nil {
			t.Fatal(err)
		}
		if got := WeightBytes(tc.a, q) / 1e9; math.Abs(got-tc.gb)/tc.gb > 0.04 {
			t.Errorf("%.3gB parameters as %s: %.2f GB, published %.2f", tc.a.Parameters/1e9, tc.quant, got, tc.gb)
		}
	}
	if _, err := QuantOf("q3_k_s"); err == nil || !strings.Contains(err.Error(), "q4_k_m") {
		t.Errorf("unknown quantisation: %v", err)
	}
}

func TestFits(t *testing.T) {
	const gib = 1 << 30
	bf16, _ := QuantOf("bf16")
	int4, _ := QuantOf("gptq-int4")
	for _, tc := range []struct {
		a       Architecture
		q       Quant
		context int
		vram    float64
		opt     FitOptions
		ok      bool
		max     int
		says    string
	}{
		// 24 GiB · 0.9 − 15.23 GB − 2 GiB = 5.82 GB of room, at 57,344 bytes a token.
		{qwen7b, bf16, 32768, 24 * gib, FitOptions{}, true, 101350, "fits"},
		{qwen7b, bf16, 131072, 24 * gib, FitOptions{}, false, 101350, "too long"},
		{qwen7b, bf16, 4096, 12 * gib, FitOptions{}, false, 0, "too large"},
		{qwen7b, int4, 4096, 12 * gib, FitOptions{}, true, 66640, "fits"},
		// A known size replaces the estimate: (10 − 4 − 2) GiB of room over 65,536 bytes.
		{Architecture{Layers: 16, KVHeads: 8, HeadDim: 128}, Quant{}, 65536, 10 * gib,
			FitOptions{WeightBytes: 4 * gib, Utilisation: 1}, true, 65536, "fits: 10.0 of 10.0"},
		{Architecture{Layers: 16, KVHeads: 8, HeadDim: 128}, Quant{}, 65537, 10 * gib,
			FitOptions{WeightBytes: 4 * gib, Utilisation: 1}, false, 65536, "too long"},
		{Architecture{Layers: 16, KVHeads: 8, HeadDim: 128}, Quant{}, 8192, 10 * gib,
			FitOptions{WeightBytes: 4 * gib, Utilisation: 1, KVNumberBytes: 1}, true, 131072, "fits"},
	} {
		got, err := Fits(tc.a, tc.q, tc.context, tc.vram, tc.opt)
		if err != nil {
			t.Fatal(err)
		}
		if got.OK != tc.ok || math.Abs(float64(got.MaxContext-tc.max)) > 0.005*float64(tc.max) ||
			!strings.HasPrefix(got.String(), tc.says) {
			t.Errorf("%s; want ok %v, up to %d (%+v)", got, tc.ok, tc.max, got)
		}
		if got.Estimated != (tc.opt.WeightBytes == 0) {
			t.Errorf("estimated: %v", got.Estimated)
		}
	}
	for _, tc := range []struct {
		a    Architecture
		vram float64
	}{{Architecture{}, gib}, {qwen7b, 0}, {Architecture{Layers: 1, KVHeads: 1, HeadDim: 1}, gib}} {
		if got, err := Fits(tc.a, bf16, 1, tc.vram, FitOptions{}); err == nil {
			t.Errorf("unknown figures gave %+v", got)
		}
	}
}
