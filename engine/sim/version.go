package sim

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// WireVersion is a span of vLLM versions that a client can tell apart on the wire.
type WireVersion struct {
	Name      string
	Version   string // what GET /version answers, before the suffix that marks the simulator
	Reasoning string // key of the reasoning channel: "reasoning", "reasoning_content" or "both"
	flat      bool   // error bodies are flat
	overflow  string // how a too long request is refused; see overflowMessage
	metrics   map[string]string
}

// WireVersions is the table of them, the current one first.
var WireVersions = []WireVersion{
	{Name: "v1-2026", Version: "0.27.1", Reasoning: "reasoning"},
	{Name: "v1-0.11", Version: "0.11.0", Reasoning: "reasoning_content", metrics: older},
	{
		Name:      "v1-0.8",
		Version:   "0.8.5",
		Reasoning: "reasoning_content",
		flat:      true,
		overflow:  "split",
		metrics: with(older, map[string]string{
			"vllm:kv_cache_usage_perc":         "vllm:gpu_cache_usage_perc",
			"vllm:prefix_cache_queries_total":  "vllm:gpu_prefix_cache_queries_total",
			"vllm:prefix_cache_hits_total":     "vllm:gpu_prefix_cache_hits_total",
			"vllm:inter_token_latency_seconds": "vllm:time_per_output_token_seconds",
		}),
	},
	{
		Name:      "v0",
		Version:   "0.6.6",
		Reasoning: "reasoning_content",
		flat:      true,
		overflow:  "split",
		metrics: with(older, map[string]string{
			"vllm:kv_cache_usage_perc":         "vllm:gpu_cache_usage_perc",
			"vllm:prefix_cache_queries_total":  "",
			"vllm:prefix_cache_hits_total":     "",
			"hit_rate":                         "vllm:gpu_prefix_cache_hit_rate",
			"vllm:inter_token_latency_seconds": "vllm:time_per_output_token_seconds",
		}),
	},
}

// older lists what none of the earlier versions had.
var older = map[string]string{
	"vllm:prompt_tokens_by_source_total":         "",
	"vllm:prompt_tokens_cached_total":            "",
	"vllm:request_prefill_kv_computed_tokens":    "",
	"vllm:request_time_per_output_token_seconds": "",
}

func with(base, more map[string]string) map[string]string {
	all := maps.Clone(base)
	maps.Copy(all, more)
	return all
}

func findWireVersion(name string) (WireVersion, error) {
	if name == "" {
		return WireVersions[0], nil
	}
	if i := slices.IndexFunc(WireVersions, func(e WireVersion) bool { return e.Name == name }); i >= 0 {
		return WireVersions[i], nil
	}
	names := make([]string, len(WireVersions))
	for i, e := range WireVersions {
		names[i] = e.Name
	}
	return WireVersion{}, fmt.Errorf("no wire version %q; known are %s", name, strings.Join(names, ", "))
}

// overflowMessage refuses a request of prompt and reply tokens that do not fit, in the words of the version.
// The current wording does not count the prompt to its end: it states the least that proves the excess.
func (e WireVersion) overflowMessage(contextTokens, prompt, reply int) string {
	if e.overflow == "split" {
		return fmt.Sprintf("This model's maximum context length is %d tokens. However, you requested %d tokens "+
			"(%d in the messages, %d in the completion). Please reduce the length of the messages or completion.",
			contextTokens, prompt+reply, prompt, reply)
	}
	least := contextTokens - reply + 1
	return fmt.Sprintf("This model's maximum context length is %d tokens. However, you requested %d output tokens "+
		"and your prompt contains at least %d input tokens, for a total of at least %d tokens. "+
		"Please reduce the length of the input prompt or the number of requested output tokens.",
		contextTokens, reply, least, least+reply)
}
