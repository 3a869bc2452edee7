package model

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"strings"
)

// Architecture has the figures of a model that decide how much memory it takes, as given in a models file.
type Architecture struct {
	Layers     int
	Heads      int
	KVHeads    int // heads that keep keys and values; fewer than the attention heads in grouped attention
	HeadDim    int
	Hidden     int
	Vocab      int
	Parameters float64 // all weights, embeddings included

	SlidingWindow int

	FullLayers   int   // layers that keep keys and values of the whole context; 0: all
	WindowLayers int   // layers that keep those of the window
	FullKVHeads  int   // of the full layers; 0: as the others
	FullHeadDim  int   // of the full layers; 0: as the others
	Tied         *bool // the output head is the embeddings' table; nil: it is in small models
}

// Quant is the size of weights in a quantisation.
type Quant struct {
	Name      string
	Block     float64 // bytes per weight of the transformer's blocks, scales included
	Head      float64 // bytes per weight of the output head, or of the embeddings where they are the head
	Embedding float64 // bytes per weight of the embeddings where there is a head besides
}

// quants by the names that models.yaml uses, with the ways their publishers write them.
//
// Source: GPTQ and AWQ with groups of 128 keep 4 bits a weight and a 16-bit scale and zero a group
// (about 0.53 bytes), and leave embeddings and head in 16 bits: Qwen2.5-7B-GPTQ-Int4 is 5.58 GB on
// disk, which this table gives as 5.6. Q8_0 keeps one 16-bit scale per 32 weights of 8 bits. Q4_K_M has its head in
// Q6_K (6.5625 bits), its embeddings in Q4_K (4.5 bits), and of the rest half of some matrices in Q6_K: 0.6 bytes are
// what the files of Llama 3.1 8B, Qwen3 8B and 14B and Gemma 3 12B leave for it. MXFP4 keeps an 8-bit scale per 32
// weights of 4 bits, which only the experts are in; 0.55 is what the GGUF files of gpt-oss leave.
var quants = []struct {
	names []string
	Quant
}{
	{[]string{"bf16", "fp16", "f16"}, Quant{Name: "16 bit", Block: 2, Head: 2, Embedding: 2}},
	{[]string{"fp8"}, Quant{Name: "fp8", Block: 1, Head: 2, Embedding: 2}},
	{[]string{"q8_0", "8bit"}, Quant{Name: "q8_0", Block: 34.0 / 32, Head: 34.0 / 32, Embedding: 34.0 / 32}},
	{[]string{"q4_k_m", "q4_k", "q4"}, Quant{Name: "q4_k_m", Block: 0.6, Head: 6.5625 / 8, Embedding: 4.5 / 8}},
	{[]string{"mxfp4"}, Quant{Name: "mxfp4", Block: 0.55, Head: 34.0 / 32, Embedding: 34.0 / 32}},
	{[]string{"gptq-int4", "awq-int4", "gptq", "awq"},
		Quant{Name: "4 bit, groups of 128", Block: 0.53, Head: 2, Embedding: 2}},
}

// QuantOf finds a quantisation by name ("gptq-int4", "Q4_K_M").
func QuantOf(name string) (Quant, error) {
	name = strings.ToLower(name)
	var known []string
	for _, q := range quants {
		for _, n := range q.names {
			if n == name {
				return q.Quant, nil
			}
			known = append(known, n)
		}
	}
	return Quant{}, fmt.Errorf("no figures for quantisation %q (known: %s)", name, strings.Join(known, ", "))
}

// kvBytesPerToken is what one token of context takes: a key and a value in every layer and head
// that keeps them for the whole context, so 2 · layers · KV heads · head size · bytes of a number.
func kvBytesPerToken(a Architecture, numberBytes float64) float64 {
	layers, heads, size := a.Layers, a.KVHeads, a.HeadDim
	if a.FullLayers > 0 {
		layers, heads, size = a.FullLayers, cmp.Or(a.FullKVHeads, heads), cmp.Or(a.FullHeadDim, size)
	}
	return 2 * float64(layers) * float64(heads) * float64(size) * numberBytes
}

// windowBytesPerToken is what a token takes in the layers that keep only a window, as long as it is within the window.
func windowBytesPerToken(a Architecture, numberBytes float64) float64 {
	if a.FullLayers == 0 {
		return 0
	}
	return 2 * float64(a.WindowLayers) * float64(a.KVHeads) * float64(a.HeadDim) * numberBytes
}

// WeightBytes estimates the size of a model's weights: embeddings and output head (vocabulary × hidden size, once if
// they are shared, else twice) and the rest. Models under 4.5 billion parameters count as shared unless Tied says
// otherwise. A known file size is better; see [FitOptions].
func WeightBytes(a Architecture, q Quant) float64 {
	table, tied := float64(a.Vocab)*float64(a.Hidden), a.Parameters < 4.5e9
	if a.Tied != nil {
		tied = *a.Tied
	}
	if tied {
		table = math.Min(table, a.Parameters)
		return (a.Parameters-table)*q.Block + table*q.Head
	}
	table = math.Min(table, a.Parameters/2)
	return (a.Parameters-2*table)*q.Block + table*(q.Head+q.Embedding)
}

// FitOptions are the conditions of a fit besides the model. The zero value means a 16-bit KV cache and 90 % of the
// memory, vLLM's default.
type FitOptions struct {
	WeightBytes   float64 // size of the files; 0: estimated
	KVNumberBytes float64 // bytes per number in the KV cache; 0: 2
	Utilisation   float64 // share of the memory that the server uses; 0: 0.90
}

// overheadBytes are activations, graphs and the driver: the middle of vLLM's profiled 1.5 to 2.5 GiB.
const overheadBytes = 2 << 30

// Fit says whether a model fits a card, with the numbers behind it, in bytes except MaxContext.
type Fit struct {
	OK         bool
	VRAM       float64 // memory of the card
	Usable     float64 // VRAM × utilisation
	Weights    float64
	Estimated  bool    // the weights are: no file size was given
	KVPerToken float64 // in the layers that keep the whole context
	Window     float64 // what those with a window keep, whatever the context
	KV         float64 // KVPerToken × context + Window
	Overhead   float64
	Need       float64 // Weights + KV + Overhead
	MaxContext int     // the longest context that fits, in tokens of one sequence; 0: not even the weights fit
}

// Fits says whether a model with a context of a number of tokens fits a card with vram bytes:
//
//	weights + 2·layers·KV heads·head size·bytes·tokens + overhead <= utilisation · VRAM
//
// Layers with a window count as many tokens as it has, where the figures say which layers those are.
func Fits(a Architecture, q Quant, context int, vram float64, opt FitOptions) (Fit, error) {
	switch {
	case a.Layers <= 0 || a.KVHeads <= 0 || a.HeadDim <= 0:
		return Fit{}, errors.New("the model's layers, KV heads and head size are not known")
	case opt.WeightBytes <= 0 && (a.Parameters <= 0 || a.Vocab <= 0 || a.Hidden <= 0):
		return Fit{}, errors.New("neither the size of the model's files nor its parameters are known")
	case vram <= 0:
		return Fit{}, errors.New("the card's memory is not known")
	case context < 0:
		return Fit{}, fmt.Errorf("a context of %d tokens makes no sense", context)
	}
	kvNumber, share := orElse(opt.KVNumberBytes, 2), orElse(opt.Utilisation, 0.90)
	f := Fit{
		VRAM: vram, Usable: vram * share, Weights: opt.WeightBytes, Overhead: overheadBytes,
		KVPerToken: kvBytesPerToken(a, kvNumber),
	}
	if f.Weights <= 0 {
		f.Weights, f.Estimated = WeightBytes(a, q), true
	}
	within := windowBytesPerToken(a, kvNumber)
	f.Window = within * float64(min(context, a.SlidingWindow))
	f.KV = f.KVPerToken*float64(context) + f.Window
	f.Need = f.Weights + f.KV + f.Overhead
	f.OK = f.Need <= f.Usable
	if room := f.Usable - f.Weights - f.Overhead; room > 0 {
		f.MaxContext = int(room / (f.KVPerToken + within))
		if f.MaxContext > a.SlidingWindow {
			f.MaxContext = int((room - within*float64(a.SlidingWindow)) / f.KVPerToken)
		}
	}
	return f, nil
}

func orElse(v, fallback float64) float64 {
	if v > 0 {
		return v
	}
	return fallback
}

// String is one line for a list: "fits: 14.2 of 21.6 GiB with its KV cache, up to 142,000 tokens".
func (f Fit) String() string {
	const gib = 1 << 30
	about := ""
	if f.Estimated {
		about = "about "
	}
	switch {
	case f.OK:
		return fmt.Sprintf("fits: %s%.1f of %.1f GiB, context up to %d tokens", about, f.Need/gib, f.Usable/gib, f.MaxContext)
	case f.MaxContext > 0:
		return fmt.Sprintf("too long: %s%.1f of %.1f GiB; fits with a context up to %d tokens",
			about, f.Need/gib, f.Usable/gib, f.MaxContext)
	default:
		return fmt.Sprintf("too large: weights and overhead take %s%.1f of %.1f GiB",
			about, (f.Weights+f.Overhead)/gib, f.Usable/gib)
	}
}
