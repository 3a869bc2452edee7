package sim

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Config says what the simulator stands for. The zero value is an RTX 4090 with qwen2.5-3b, in real
// time, without faults.
type Config struct {
	GPU         string   // a name in [GPUs]; "" is the RTX 4090
	Model       string   // a name in [Models], also with the suffix of a quant; "" is qwen2.5-3b
	ServedNames []string // names that requests may use, the first one labels the metrics; nil: repository and short name
	APIKey      string   // if set, /v1 needs it as a bearer token

	ContextTokens    int // longest prompt and reply together; 0: 32768, or what the KV cache holds if that is less
	KVTokens         int // size of the KV cache; 0: what fits beside the weights
	MaxNumSeqs       int // requests that run at once, others queue; 0: 256
	MaxBatchedTokens int // tokens of one engine step; 0: 2048, or 8192 with 70 GiB and more

	Seed         uint64
	Jitter       float64       // sigma of a lognormal factor with median 1 on every step; 0: none
	Speed        float64       // divides every duration of the model; 0 is 1
	StartupDelay time.Duration // how long every route answers 503 at first

	// Scale, if set, returns a further factor on a duration, for drift and steps: elapsed is the time since
	// New, n the number of the request that the duration belongs to (the oldest one of an engine step).
	// It is called from one goroutine at a time, but not always the same one.
	Scale func(elapsed time.Duration, n int) float64

	NoDevMode     bool // /reset_prefix_cache is 404, as without VLLM_SERVER_DEV_MODE=1
	NoCachedUsage bool // usage never names cached tokens, as without --enable-prompt-tokens-details
	NoPrefixCache bool // every prompt is computed, as with --no-enable-prefix-caching

	Wire   Wire
	Faults []Fault
	Crash  func() // what the fault "crash" does; nil: only the connection is reset

	LedgerEntries int // how many requests the ledger keeps; 0: 1000
}

// Wire is how replies are framed.
type Wire struct {
	Era             string // a name in [Eras]; "" is the current one
	RoleEarly       bool   // the role chunk comes with the headers, not with the first token
	Reasoning       string // key of the reasoning channel: "reasoning", "reasoning_content", "both"; "": the era's
	ReasoningTokens int    // tokens of reasoning before every chat answer
}

// simulated marks a version as that of the simulator, so that no report can take it for vLLM's.
const simulated = "+sim"

// New returns a server that is ready to handle requests. Close it when done.
func New(cfg Config) (*Server, error) {
	s := &Server{cfg: cfg, started: time.Now()}
	gpu, err := findGPU(cmp.Or(cfg.GPU, defaultGPU))
	if err != nil {
		return nil, err
	}
	model, quant, err := findModel(cmp.Or(cfg.Model, defaultModel))
	if err != nil {
		return nil, err
	}
	if s.era, err = findEra(cfg.Wire.Era); err != nil {
		return nil, err
	}
	if s.faults, err = arm(cfg.Faults); err != nil {
		return nil, err
	}
	s.reasoningKey = cmp.Or(cfg.Wire.Reasoning, s.era.Reasoning)
	if !slices.Contains([]string{"reasoning", "reasoning_content", "both"}, s.reasoningKey) {
		return nil, fmt.Errorf("no reasoning key %q; known are reasoning, reasoning_content, both", s.reasoningKey)
	}
	if cfg.Speed < 0 || cfg.Jitter < 0 || cfg.ContextTokens < 0 || cfg.KVTokens < 0 || cfg.MaxNumSeqs < 0 ||
		cfg.MaxBatchedTokens < 0 || cfg.LedgerEntries < 0 || cfg.Wire.ReasoningTokens < 0 {
		return nil, errors.New("a negative number in the simulator's configuration")
	}
	s.served = cfg.ServedNames
	if len(s.served) == 0 {
		repository, short := model.Repository, model.Name
		if quant.Name != "" {
			repository, short = repository+"-"+strings.ToUpper(quant.Name), short+"-"+quant.Name
		}
		s.served = []string{repository, short}
	}
	roof := roofline{gpu, model, quant}
	blocks := cfg.KVTokens / blockTokens
	if cfg.KVTokens == 0 {
		if blocks, err = roof.kvBlocks(); err != nil {
			return nil, err
		}
	}
	s.context = cmp.Or(cfg.ContextTokens, min(32768, blocks*blockTokens))
	if s.context > blocks*blockTokens || s.context < 2 {
		return nil, fmt.Errorf("a context of %d tokens does not fit into a KV cache of %d tokens", s.context, blocks*blockTokens)
	}
	budget := 2048
	if gpu.MemoryGiB >= 70 {
		budget = 8192
	}
	s.fingerprint = "vllm-" + s.era.Version + simulated
	s.ledger.limit = cmp.Or(cfg.LedgerEntries, defaultLedger)
	s.engine = &engine{
		roof: roof, slots: cmp.Or(cfg.MaxNumSeqs, 256), budget: cmp.Or(cfg.MaxBatchedTokens, budget),
		seed: cfg.Seed, jitter: cfg.Jitter, speed: cmp.Or(cfg.Speed, 1), scale: cfg.Scale, noCache: cfg.NoPrefixCache,
		started: s.started, done: make(chan struct{}), wake: make(chan struct{}, 1),
		cache: newKVCache(blocks), metrics: newMetrics(s.started, s.context),
	}
	return s, nil
}
