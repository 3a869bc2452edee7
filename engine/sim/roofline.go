package sim

import (
	"fmt"
	"math"
	"time"
)

// The remaining constants of the roofline. They are estimates; memoryShare is vLLM's default.
const (
	frontendTime = 10 * time.Millisecond // HTTP, tokeniser and hand-over before the engine sees a request
	activationB  = 2.1e9                 // bytes for activations and CUDA graphs
	rampTokens   = 128                   // a prefill of n tokens reaches n/(n+rampTokens) of the compute share
	memoryShare  = 0.90                  // --gpu-memory-utilization
	hostGBs      = 20                    // GB/s from the host's memory to the GPU's, over 16 lanes of PCIe 4
)

// roofline predicts how long an engine step takes: the larger of the time to read memory and
// the time to compute, plus a constant (S. Williams, A. Waterman, D. Patterson, "Roofline: an insightful
// visual performance model", CACM 52(4), 2009).
type roofline struct {
	gpu   GPU
	model Model
	quant Quant
}

// work is one sequence's part of a step.
type work struct {
	tokens int  // computed in this step
	ctx    int  // tokens in the cache that are read for it
	decode bool // one token of a reply, as against a piece of a prompt
}

// weightBytes is the size of all weights, in bytes.
func (r roofline) weightBytes() float64 {
	heads := r.model.ParamsB*1e9 - r.model.body()
	return r.model.body()*r.quant.BlockBytes + heads*r.quant.HeadBytes
}

// readBytes returns how many bytes of the weights a step over a number of tokens reads: everything but the input
// embedding, of which a step reads a few rows. Of a mixture of experts, a step reads an expert if at least one of its
// tokens is routed there; routing is assumed to be uniform and independent.
func (r roofline) readBytes(tokens int) float64 {
	all := r.model.body()*r.quant.BlockBytes + r.model.embedding()*r.quant.HeadBytes
	if r.model.ActiveB == 0 {
		return all
	}
	used := float64(r.model.TopK) / float64(r.model.Experts)
	routed := r.idle() / (1 - used) * r.quant.BlockBytes
	return all - routed*math.Pow(1-used, float64(tokens))
}

// idle is the number of parameters that one token does not read.
func (r roofline) idle() float64 {
	if r.model.ActiveB == 0 {
		return 0
	}
	return r.model.body() + r.model.embedding() - r.model.ActiveB*1e9
}

// step returns the duration of one engine step over the given parts.
//
//	memory  = (weights + Σ ctx·kv) / (share·bandwidth)
//	decode  = 2·(body + head) operations
//	prefill = 2·body·n + 4·layers·heads·dim·n·(ctx + n/2) + 2·head operations, at n/(n+128) of the rate
//	step    = max(memory, compute) + overhead
func (r roofline) step(parts []work) time.Duration {
	m := r.model
	rate := r.gpu.ComputeShare * r.gpu.TFLOPS * 1e12
	body, head := m.body()-r.idle(), m.embedding()
	tokens, read, compute := 0, 0.0, 0.0
	for _, p := range parts {
		tokens += p.tokens
		read += float64(p.ctx) * float64(m.KVBytes())
		if p.decode {
			compute += 2 * (body + head) / rate
			continue
		}
		n := float64(p.tokens)
		ops := 2*body*n + 4*float64(m.Layers*m.Heads*m.HeadDim)*n*(float64(p.ctx)+n/2) + 2*head
		compute += ops / (rate * n / (n + rampTokens))
	}
	share, overhead := r.gpu.decoding(r.quant)
	memory := (r.readBytes(tokens) + read) / (share * r.gpu.BandwidthGBs * 1e9)
	seconds := max(memory, compute) * r.quant.Slowdown
	return time.Duration(math.Round(seconds*1e9)) + overhead
}

// load is how long the keys and values of so many tokens take from the host's memory.
func (r roofline) load(tokens int) time.Duration {
	return time.Duration(math.Round(float64(tokens) * float64(r.model.KVBytes()) / hostGBs))
}

// kvBlocks is the number of cache blocks that fit together with the weights.
func (r roofline) kvBlocks() (int, error) {
	room := memoryShare*r.gpu.MemoryGiB*(1<<30) - r.weightBytes() - activationB
	n := int(room / float64(r.model.KVBytes()*blockTokens))
	if room < 0 || n < 1 {
		return 0, fmt.Errorf("%s needs %.1f GB for its weights: no memory is left for a KV cache on %s with %.0f GiB",
			r.model.Name, r.weightBytes()/1e9, r.gpu.Name, r.gpu.MemoryGiB)
	}
	return n, nil
}
