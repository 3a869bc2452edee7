package sim

import (
	"time"
)

// Config says what the simulator simulates. The zero value is an RTX 4090 with qwen2.5-3b, in real time, without
// faults.
type Config struct {
	GPU         string   // a name in [GPUs]; "" is the RTX 4090
	Model       string   // a name in [Models], also with the suffix of a quant; "" is qwen2.5-3b
	ServedNames []string // names that requests may use, the first one labels the metrics; nil: repository and short name
	APIKey      string   // if set, /v1 needs it as a bearer token

	ContextTokens    int // longest prompt and reply together; 0: 32768, or what the KV cache holds if that is less
	BlockTokens      int // the cache serves whole blocks of this many tokens, a multiple of 16; 0: 16
	KVTokens         int // size of the KV cache; 0: what fits together with the weights
	HostTokens       int // what the KV cache evicts and the host's memory keeps; 0: nothing
	MaxNumSeqs       int // requests that run at once, others queue; 0: 256
	MaxBatchedTokens int // tokens of one engine step; 0: 2048, or 8192 with 70 GiB and more

	Seed         uint64
	Jitter       float64       // sigma of a lognormal factor with median 1 on every step; 0: none
	Speed        float64       // divides every duration of the model; 0 is 1
	StartupDelay time.Duration // how long every route answers 503 at first

	Thinking  int           // tokens of reasoning of a reply that is asked to think; 0: 160, negative: it never thinks
	KeepAlive time.Duration // the model and its cache are unloaded after this long without a request; 0: never
	LoadTime  time.Duration // how long it takes to load again, not divided by Speed; 0: 2 s

	// Scale, if set, returns a further factor on a duration, for drift and steps: elapsed is the time since
	// New, n the number of the request that the duration belongs to (the oldest one of an engine step).
	// It is called from one goroutine at a time, but not always the same one.
	Scale func(elapsed time.Duration, n int) float64

	// Answer, if set, says what a chat is answered with. Own is the simulator's own way, which quotes what matches
	// the question best; it may be given other messages than those that came. It must be safe for concurrent use.
	Answer func(messages []Message, own func([]Message) string) string

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
	Version         string // a name in [WireVersions]; "" is the current one
	RoleEarly       bool   // the role chunk comes with the headers, not with the first token
	Reasoning       string // key of the reasoning channel: "reasoning", "reasoning_content", "both"; "": the version's
	ReasoningTokens int    // tokens of reasoning before every chat answer
	WholeInput      bool   // input_tokens of /v1/messages includes cached tokens
}

// simulated marks a version as that of the simulator, so that no report can take it for vLLM's.
const simulated = "+sim"
