package engine

import (
	"fmt"
	"strings"

	"homellm/dsl"
	"homellm/engine/model"
)

// Memory is what a profile's server takes of a graphics card, with the numbers that led there.
type Memory struct {
	Fit       model.Fit // its Usable, OK and MaxContext mean nothing where the card is not known
	Known     bool      // the card's memory is
	Context   int       // tokens
	Number    float64   // bytes of a number in the KV cache
	Layers    int
	KVHeads   int
	HeadDim   int
	QuantName string
}

// kvNumbers are the bytes of a number by the names that engines' flags use; 2 for all others.
var kvNumbers = map[string]float64{"fp8": 1, "fp8_e4m3": 1, "fp8_e5m2": 1, "q8_0": 34.0 / 32, "q4_0": 18.0 / 32, "f32": 4}

// MemoryOf works out whether a profile's model and context fit a card with vram bytes; 0 if the
// card is not known. Attached servers have their memory already.
func MemoryOf(profile *dsl.Server, m *dsl.Model, vram float64) (Memory, error) {
	if profile.Launch == nil || m == nil || m.Architecture == nil {
		return Memory{}, fmt.Errorf("the models file does not have the figures that the formula needs")
	}
	a := m.Architecture
	out := Memory{Known: vram > 0, Context: profile.ContextTokens, Number: 2, Layers: a.Layers, KVHeads: a.KVHeads, HeadDim: a.HeadDim}
	opt := model.FitOptions{}
	quant := "bf16"
	for _, s := range m.Sources {
		if s.Name != m.Engines[profile.Engine].Source {
			continue
		}
		if s.Quant != "" {
			quant = s.Quant
		}
		for _, f := range s.Files {
			if !strings.HasSuffix(f.Path, ".json") {
				opt.WeightBytes += float64(f.Bytes)
			}
		}
	}
	for _, f := range profile.Launch.Flags {
		switch name := strings.ReplaceAll(f.Name, "-", "_"); name {
		case "gpu_memory_utilization", "mem_fraction_static":
			opt.Utilisation, _ = f.Value.(float64)
		case "kv_cache_dtype", "cache_type_k":
			if v, ok := f.Value.(string); ok && kvNumbers[v] > 0 {
				out.Number = kvNumbers[v]
			}
		}
	}
	opt.KVNumberBytes = out.Number
	q, err := model.QuantOf(quant)
	if err != nil && opt.WeightBytes == 0 {
		return Memory{}, err
	}
	out.QuantName = q.Name
	card := vram
	if card <= 0 {
		card = 1 // the formula wants one; what depends on it is not shown
	}
	out.Fit, err = model.Fits(model.Architecture{
		Layers: a.Layers, KVHeads: a.KVHeads, HeadDim: a.HeadDim, Hidden: a.Hidden, Vocab: a.Vocab, Parameters: a.Parameters,
	}, q, out.Context, card, opt)
	return out, err
}

// Lines shows the formula with its numbers.
func (m Memory) Lines() []string {
	const gib = 1 << 30
	about := ""
	if m.Fit.Estimated {
		about = "about "
	}
	lines := []string{
		fmt.Sprintf("KV cache: 2 x %d layers x %d KV heads x %d x %.3g bytes = %.0f KiB a token; x %d tokens = %.2f GiB", m.Layers, m.KVHeads, m.HeadDim, m.Number, m.Fit.KVPerToken/1024, m.Context, m.Fit.KV/gib),
		fmt.Sprintf("memory: %s%.2f GiB of weights + %.2f GiB of KV cache + %.1f GiB for everything else = %.2f GiB", about, m.Fit.Weights/gib, m.Fit.KV/gib, m.Fit.Overhead/gib, m.Fit.Need/gib),
	}
	if !m.Known {
		return append(lines, "the card's memory is not known here, so that whether this fits is not either")
	}
	return append(lines, fmt.Sprintf("card: %.1f GiB, of which the profile takes %.1f: %s", m.Fit.VRAM/gib, m.Fit.Usable/gib, m.Fit))
}
