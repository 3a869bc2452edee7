package sim

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// New returns a server that is ready to handle requests. Close it when done.
func New(cfg Config) (*Server, error) {
	s := &Server{cfg: cfg, started: time.Now(), mostHeld: mostHeld}
	gpu, err := findGPU(cmp.Or(cfg.GPU, defaultGPU))
	if err != nil {
		return nil, err
	}
	model, quant, err := findModel(cmp.Or(cfg.Model, defaultModel))
	if err != nil {
		return nil, err
	}
	if s.wire, err = findWireVersion(cfg.Wire.Version); err != nil {
		return nil, err
	}
	if s.faults, err = arm(cfg.Faults); err != nil {
		return nil, err
	}
	s.reasoningKey = cmp.Or(cfg.Wire.Reasoning, s.wire.Reasoning)
	if !slices.Contains([]string{"reasoning", "reasoning_content", "both"}, s.reasoningKey) {
		return nil, fmt.Errorf("no reasoning key %q; known are reasoning, reasoning_content, both", s.reasoningKey)
	}
	if cfg.impossible() {
		return nil, errors.New("the simulator's configuration has a negative number, or blocks not a multiple of 16 tokens")
	}
	s.served = cfg.served(model, quant)
	roof := roofline{gpu, model, quant}
	blocks := cfg.KVTokens / blockTokens
	if cfg.KVTokens == 0 {
		if blocks, err = roof.kvBlocks(); err != nil {
			return nil, err
		}
	}
	s.context = cmp.Or(cfg.ContextTokens, min(32768, blocks*blockTokens))
	if s.context > blocks*blockTokens || s.context < 2 {
		return nil, fmt.Errorf(
			"a context of %d tokens does not fit into a KV cache of %d tokens",
			s.context,
			blocks*blockTokens,
		)
	}
	budget := 2048
	if gpu.MemoryGiB >= 70 {
		budget = 8192
	}
	s.fingerprint = "vllm-" + s.wire.Version + simulated
	s.ledger.limit = cmp.Or(cfg.LedgerEntries, defaultLedger)
	s.engine = &engine{
		roof: roof, slots: cmp.Or(cfg.MaxNumSeqs, 256), budget: cmp.Or(cfg.MaxBatchedTokens, budget),
		seed: cfg.Seed, jitter: cfg.Jitter, speed: cmp.Or(cfg.Speed, 1), scale: cfg.Scale, noCache: cfg.NoPrefixCache,
		grain:     cmp.Or(cfg.BlockTokens, blockTokens) / blockTokens,
		keepAlive: cfg.KeepAlive, loadTime: cmp.Or(cfg.LoadTime, 2*time.Second),
		started: s.started, done: make(chan struct{}), wake: make(chan struct{}, 1),
		cache: newKVCache(blocks), metrics: newMetrics(s.started, s.context),
	}
	s.engine.cache.host.room = cfg.HostTokens / blockTokens
	return s, nil
}

func (c Config) impossible() bool {
	return c.BlockTokens < 0 || c.BlockTokens%blockTokens != 0 || c.Speed < 0 ||
		c.Jitter < 0 || c.ContextTokens < 0 || c.KVTokens < 0 || c.HostTokens < 0 || c.MaxNumSeqs < 0 ||
		c.MaxBatchedTokens < 0 || c.LedgerEntries < 0 || c.Wire.ReasoningTokens < 0 ||
		c.KeepAlive < 0 || c.LoadTime < 0
}

// served are the names by which requests may ask for a model.
func (c Config) served(m Model, q Quant) []string {
	if len(c.ServedNames) > 0 {
		return c.ServedNames
	}
	repository, short := m.Repository, m.Name
	if q.Name != "" {
		repository, short = repository+"-"+strings.ToUpper(q.Name), short+"-"+q.Name
	}
	return []string{repository, short}
}
