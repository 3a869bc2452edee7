package server

import (
	"context"
	"net/http"
	"slices"
)

// Engine is one kind of server: how it is recognised, and what it can tell beside its replies.
// A new engine is one entry of [Engines].
type Engine struct {
	Name         string       // as in servers.yaml
	Title        string       // as its makers write it
	AnyModel     bool         // serves its one model whatever name a request gives
	Capabilities []Capability // what this kind of server offers; a probe refines it

	identify func(answers, *Found) bool                  // fills in what the first answers tell
	details  func(context.Context, *http.Client, *Found) // asks for more once the engine is known
	tokenize func(context.Context, *Side, input) ([]int, error)
	reset    func(context.Context, *Side) error
	metrics  string // path of its Prometheus exposition; empty: it has none
	names    *names // what its metrics are called
}

// Lookup finds an engine by name.
func Lookup(name string) (Engine, bool) {
	i := slices.IndexFunc(Engines, func(e Engine) bool { return e.Name == name })
	if i < 0 {
		return Engine{}, false
	}
	return Engines[i], true
}

// What several engines have in common.
var (
	usageInReply  = Capability{"usage", true, "the usage block of every reply"}
	saltInMessage = Capability{"cache_salt", true, "a nonce at the start of the first message; the engine has no key for it"}
	saltInBody    = Capability{"cache_salt", true, "cache_salt in the body of a request"}
	noMetrics     = Capability{"metrics", false, "the engine has no metrics endpoint: whether somebody else uses it at the same time cannot be seen"}
	noReset       = Capability{"cache_reset", false, "the engine has no way to drop its cache; restart it, or isolate with cache: salt"}
	noIgnoreEOS   = Capability{"ignore_eos", false, "the engine ends a reply when the model does: reply lengths differ between runs"}
)

// Engines lists every engine, the most specific first: an entry that is easily imitated comes
// after those that imitate it. KoboldCpp and LM Studio answer for Ollama and OpenAI, TabbyAPI
// has a /props of its own, SGLang and vLLM share most paths.
var Engines = []Engine{
	{
		Name: "koboldcpp", Title: "KoboldCpp", AnyModel: true,
		identify: identifyKobold, details: detailsKobold, tokenize: tokenizeKobold,
		Capabilities: []Capability{
			{"usage", false, "usage is not guaranteed in streams; tokens are counted with /api/extra/tokencount"},
			{"cache_report", false, "KoboldCpp does not report cached tokens"},
			noReset, saltInMessage,
			{"tokenize", true, "/api/extra/tokencount, for plain text only: the chat format is the server's own adapter"},
			noMetrics,
			{"server_timings", false, "only of the last request, at /api/extra/perf, rounded"},
			noIgnoreEOS,
		},
	},
	{
		Name: "tabby", Title: "TabbyAPI",
		identify: identifyTabby, tokenize: tokenizeTabby,
		Capabilities: []Capability{
			usageInReply,
			{"cache_report", false, "TabbyAPI does not report cached tokens"},
			noReset, saltInMessage,
			{"tokenize", true, "/v1/token/encode"},
			noMetrics,
			{"server_timings", true, "times in the usage block; prompt speed there counts cached tokens"},
			noIgnoreEOS,
		},
	},
	{
		Name: "lmstudio", Title: "LM Studio",
		identify: identifyLMStudio, details: detailsLMStudio,
		Capabilities: []Capability{
			usageInReply,
			{"cache_report", false, "LM Studio does not report cached tokens"},
			noReset, saltInMessage,
			{"tokenize", false, "LM Studio has no tokenise endpoint; prompt ceilings are estimates"},
			noMetrics,
			{"server_timings", false, "only on its own /api/v0 wire"},
			noIgnoreEOS,
		},
	},
	{
		Name: "ollama", Title: "Ollama",
		identify: identifyOllama, details: detailsOllama, reset: resetOllama,
		Capabilities: []Capability{
			usageInReply,
			{"cache_report", false, "no version up to 0.33 reports cached tokens; the self-test before a run tells whether this one does"},
			{"cache_reset", true, "the model is unloaded and loaded again"},
			saltInMessage,
			{"tokenize", false, "Ollama has no tokenise endpoint; prompt ceilings are estimates"},
			noMetrics,
			{"server_timings", true, "durations in the last line of a native reply"},
			noIgnoreEOS,
		},
	},
	{
		Name: "sim", Title: "homellm's simulator",
		identify: identifySim, details: detailsVLLM, tokenize: tokenizeVLLM, reset: resetVLLM,
		metrics: "/metrics", names: vllmNames,
		Capabilities: vllmCapabilities,
	},
	{
		Name: "sglang", Title: "SGLang",
		identify: identifySGLang, details: detailsSGLang, tokenize: tokenizeVLLM, reset: resetSGLang,
		metrics: "/metrics", names: sglangNames,
		Capabilities: []Capability{
			usageInReply,
			{"cache_report", true, "usage.prompt_tokens_details with --enable-cache-report, else counters; proven by a self-test before a run"},
			{"cache_reset", true, "/flush_cache"},
			saltInMessage,
			{"tokenize", true, "/tokenize, in recent versions"},
			{"metrics", true, "/metrics with --enable-metrics"},
			{"server_timings", true, "counters before and after each request"},
			{"ignore_eos", true, "ignore_eos in the body of a request"},
		},
	},
	{
		Name: "llamacpp", Title: "llama.cpp", AnyModel: true,
		identify: identifyLlama, details: detailsLlama, tokenize: tokenizeLlama, reset: resetLlama,
		metrics: "/metrics", names: llamaNames,
		Capabilities: []Capability{
			usageInReply,
			{"cache_report", true, "timings.cache_n, since about build 6400; proven by a self-test before a run"},
			{"cache_reset", true, "slot erase, if the server was started with --slot-save-path; the run checks it"},
			saltInMessage,
			{"tokenize", true, "/apply-template and /tokenize"},
			{"metrics", true, "/metrics with --metrics"},
			{"server_timings", true, "the timings block of every reply"},
			{"ignore_eos", true, "ignore_eos in the body of a request"},
		},
	},
	{
		Name: "vllm", Title: "vLLM",
		identify: identifyVLLM, details: detailsVLLM, tokenize: tokenizeVLLM, reset: resetVLLM,
		metrics: "/metrics", names: vllmNames,
		Capabilities: vllmCapabilities,
	},
	{
		Name: "openai", Title: "an OpenAI-compatible server",
		identify: identifyOpenAI,
		Capabilities: []Capability{
			{"usage", true, "the usage block of a reply, where the server sends one"},
			{"cache_report", false, "unknown engine; the self-test before a run tells whether it reports cached tokens"},
			noReset, saltInMessage,
			{"tokenize", false, "unknown engine; prompt ceilings are estimates"},
			{"metrics", false, "unknown engine: whether somebody else uses it at the same time cannot be seen"},
			{"server_timings", false, "unknown engine"},
			{"ignore_eos", false, "unknown engine"},
		},
	},
}

// vllmCapabilities is what vLLM offers, and so the simulator that plays it.
var vllmCapabilities = []Capability{
	usageInReply,
	{"cache_report", true, "usage.prompt_tokens_details with --enable-prompt-tokens-details, else counters; proven by a self-test before a run"},
	{"cache_reset", false, "/reset_prefix_cache is not there: start vLLM with VLLM_SERVER_DEV_MODE=1, or isolate with cache: salt"},
	saltInBody,
	{"tokenize", true, "/tokenize"},
	{"metrics", true, "/metrics"},
	{"server_timings", true, "histogram sums before and after each request"},
	{"ignore_eos", true, "ignore_eos in the body of a request"},
}
