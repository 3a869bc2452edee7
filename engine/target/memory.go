package target

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"homellm/dsl"
	"homellm/engine/engines"
	"homellm/engine/host"
	"homellm/engine/model"
)

const gib = 1 << 30

// Memory is the graphics memory that a profile's server needs, with the numbers behind it.
type Memory struct {
	fit      model.Fit // Usable, OK and MaxContext have no meaning if the cards are unknown
	known    bool      // the cards' memory is
	context  int       // tokens
	number   float64   // bytes per number in the KV cache; the mean of keys and values
	layers   int
	kvHeads  int
	headDim  int
	windowed bool // some layers keep only a window of the context, so they need less than the formula says

	rule    engines.Memory
	share   float64 // memory of the cards according to the profile; 0: it does not say
	pinned  bool    // all layers and the KV cache have to be on the cards
	offload bool    // some weights may be elsewhere
}

// kvNumbers are the bytes per number, by the names in engines' flags; 2 for all others.
var kvNumbers = map[string]float64{
	"fp8": 1, "fp8_e4m3": 1, "fp8_e5m2": 1, "fp8_inc": 1, "q8_0": 34.0 / 32, "q5_1": 24.0 / 32, "q5_0": 22.0 / 32,
	"q4_1": 20.0 / 32, "q4_0": 18.0 / 32, "iq4_nl": 18.0 / 32, "f32": 4,
}

// Cards lists the memory of this machine's graphics cards in bytes, the largest first. It is empty if a card shares
// the machine's memory, because the driver's figure is then no limit.
func Cards(t *host.Telemetry) []float64 {
	if t == nil {
		return nil
	}
	var cards []float64
	for _, g := range t.GPUs() {
		if g.SharedMemory || g.MemoryMiB <= 0 {
			return nil
		}
		cards = append(cards, g.MemoryMiB*(1<<20))
	}
	slices.Sort(cards)
	slices.Reverse(cards)
	return cards
}

// flagsOf are a profile's flags by name, with underscores.
func flagsOf(profile *dsl.Server) engines.Values {
	out := engines.Values{}
	for _, f := range profile.Launch.Flags {
		out[strings.ReplaceAll(strings.TrimLeft(f.Name, "-"), "-", "_")] = f.Value
	}
	return out
}

// kvNumber is the bytes per number of the KV cache: the mean of the flags for keys and for values.
func kvNumber(flags engines.Values, types [][]string) float64 {
	sum := 0.0
	for _, names := range types {
		bytes := 2.0
		if v, ok := flags.Text(names...); ok && kvNumbers[v] > 0 {
			bytes = kvNumbers[v]
		}
		sum += bytes
	}
	return sum / float64(len(types))
}

// MemoryOf calculates whether a profile's model and context fit the cards, whose memory is in bytes, the largest
// first; none if unknown. Weights is the size of the model's files if known, else 0. Attached servers have their
// memory already.
func MemoryOf(profile *dsl.Server, m *dsl.Model, cards []float64, weights float64) (Memory, error) {
	if profile.Launch == nil || m == nil || m.Architecture == nil {
		return Memory{}, fmt.Errorf("the models file does not have the figures that the formula needs")
	}
	a := *m.Architecture
	if whole := engines.Of(profile.Engine).Hints.WholeWindow; whole != "" && startsWith(profile.Launch, whole) {
		a.FullLayers, a.SlidingWindow = 0, 0 // every layer keeps everything
	}
	flags := flagsOf(profile)
	rule := engines.Of(profile.Engine).Launch.Memory
	out := Memory{
		context: profile.ContextTokens, number: kvNumber(flags, rule.KVTypes),
		layers: cmp.Or(a.FullLayers, a.Layers), kvHeads: a.KVHeads, headDim: a.HeadDim,
		windowed: a.SlidingWindow > 0 && a.FullLayers == 0,
		rule:     rule, offload: flags.On(rule.Offload...),
		pinned: (rule.Pinned == nil || rule.Pinned(flags, a.Layers)) && !elsewhere(profile, flags),
	}
	if n, ok := flags.Number(rule.Context...); ok && n > 0 {
		out.context = int(n) // for all slots together
	}
	if a.FullLayers > 0 {
		out.kvHeads, out.headDim = cmp.Or(a.FullKVHeads, a.KVHeads), cmp.Or(a.FullHeadDim, a.HeadDim)
	}
	out.share, _ = flags.Number(rule.Share)
	quant, known := sourceOf(profile, m)
	opt := model.FitOptions{WeightBytes: cmp.Or(weights, known), KVNumberBytes: out.number, Utilisation: out.share}
	if rule.Spreads {
		opt.Utilisation = 1
	}
	q, err := model.QuantOf(quant)
	if err != nil && opt.WeightBytes == 0 {
		return Memory{}, err
	}
	card := 0.0
	used := usedCards(flags, rule, len(cards))
	for i, bytes := range cards {
		if i < used {
			card += bytes
		}
	}
	if out.known = card > 0; !out.known {
		card = 1 // the formula needs a value; what depends on it is not shown
	}
	out.fit, err = model.Fits(model.Architecture(a), q, out.context, card, opt)
	return out, err
}

// sourceOf is the quantisation of the model's files for a profile's engine, and their size if the models file gives
// it.
func sourceOf(profile *dsl.Server, m *dsl.Model) (quant string, bytes float64) {
	quant = "bf16"
	for _, s := range m.Sources {
		if s.Name != m.Engines[profile.Engine].Source {
			continue
		}
		quant = cmp.Or(s.Quant, quant)
		for _, f := range s.Files {
			if !strings.HasSuffix(f.Path, ".json") {
				bytes += float64(f.Bytes)
			}
		}
		bytes = cmp.Or(bytes, s.Size)
	}
	return quant, bytes
}

// usedCards is how many cards a server divides a model over.
func usedCards(flags engines.Values, rule engines.Memory, cards int) int {
	used := 1
	if rule.Spreads {
		used = cards
	}
	for _, names := range rule.Parallel {
		if n, ok := flags.Number(names...); ok && n >= 1 {
			used *= int(n)
		}
	}
	return used
}

// elsewhere says whether a profile hides cards, uses the machine's memory or runs on the processor.
func elsewhere(profile *dsl.Server, flags engines.Values) bool {
	for _, e := range profile.Launch.Env {
		switch e.Name {
		case "CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "GGML_CUDA_ENABLE_UNIFIED_MEMORY":
			return true
		}
	}
	return flags["device"] == "cpu" || flags["device"] == "none"
}

// Lines shows the formula with its numbers.
func (m Memory) Lines() []string {
	about := ""
	if m.fit.Estimated {
		about = "about "
	}
	lines := []string{
		"KV cache: " + m.formula(),
		fmt.Sprintf("memory: %s%.2f GiB of weights + %.2f GiB of KV cache + %.1f GiB for everything else = %.2f GiB", about,
			m.fit.Weights/gib, m.fit.KV/gib, m.fit.Overhead/gib, m.fit.Need/gib),
	}
	if m.windowed {
		lines[0] += " at most: layers with a sliding window keep less"
	}
	if !m.known {
		return append(lines, "the card's memory is not known here, and so it is not known whether this fits")
	}
	return append(lines, fmt.Sprintf("card: %.1f GiB, of which the profile takes %.1f: %s", m.fit.VRAM/gib,
		m.fit.Usable/gib, m.fit))
}

func (m Memory) formula() string {
	s := fmt.Sprintf("2 x %d layers x %d KV heads x %d x %.3g bytes = %.0f KiB a token; x %d tokens = %.2f GiB",
		m.layers, m.kvHeads, m.headDim, m.number, m.fit.KVPerToken/1024, m.context, (m.fit.KV-m.fit.Window)/gib)
	if m.fit.Window > 0 {
		s += fmt.Sprintf(", and %.2f GiB in layers with a window", m.fit.Window/gib)
	}
	return s
}

// Impossible says why no server can hold this, and what to do; empty if it may fit. It counts only what is certain:
// the KV cache by its formula, and weights with a known file size.
func (m Memory) Impossible() (why, hint string) {
	share := m.share
	if share <= 0 || share > 1 {
		share = 1 // the engine's default is smaller, and differs between versions
	}
	room := m.fit.VRAM * share
	weights, kv := 0.0, 0.0
	if !m.fit.Estimated && !m.offload {
		weights = m.fit.Weights
	}
	if !m.windowed {
		kv = m.fit.KV
	}
	if !m.known || !m.pinned || weights+kv <= room {
		return "", ""
	}
	takes := "the KV cache"
	switch {
	case weights > room:
		takes = "the weights"
	case weights > 0 && kv > 0:
		takes = "weights and KV cache"
	}
	why = fmt.Sprintf("%s cannot fit the graphics memory: ", takes)
	if weights > 0 {
		why += fmt.Sprintf("weights %.2f GiB; ", weights/gib)
	}
	if weights <= room {
		why += "KV cache " + m.formula() + "; "
	}
	why += fmt.Sprintf("there are %.2f GiB", m.fit.VRAM/gib)
	if m.share > 0 {
		why += fmt.Sprintf(" x %s %g = %.2f GiB", m.rule.Share, m.share, room/gib)
	}
	return why, m.remedy()
}

// remedy says how to make a server smaller.
func (m Memory) remedy() string {
	var ways []string
	if m.fit.MaxContext > 0 {
		ways = append(ways, fmt.Sprintf("set context_tokens to at most %d", m.fit.MaxContext))
	}
	if m.share > 0 && m.share < 0.9 {
		ways = append(ways, "raise "+m.rule.Share)
	}
	if m.number >= 2 && m.fit.KV > 0 {
		ways = append(ways, "halve the KV cache with "+m.rule.SmallKV)
	}
	return strings.Join(append(ways, "choose a smaller model with --model"), ", or ")
}
