package engines

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"homellm/engine/wire"
)

var vllm = Engine{
	Name: "vllm", Title: "vLLM", Ports: []int{8000, 8001, 8002}, // the last two are the ports of the shipped profiles
	API: API{
		Sign: func(seen Responses) bool { return ownedBy(seen, "vllm") }, Paths: []string{"/version", "/health"},
		Identify: identifyVLLM, Details: detailsVLLM, Tokenize: tokenizeVLLM, Reset: resetVLLM, ExplainReset: devMode,
		Counting: map[string]any{"stream_options": map[string]any{"continuous_usage_stats": true}},
	},
	APIs: newerAPIs(Served{Since: "0.10.0", Source: "vllm-project/vllm#20504"},
		Served{Since: "0.11.1", Source: "vllm-project/vllm#22627", Counts: true}),
	Keys:         asVLLM(),
	LeastBudget:  1024,
	Capabilities: vllmCapabilities,
	Metrics:      vllmMetrics,
	// A reply ends by the ids in the model's generation_config, and special tokens are left out of its text, so a stop
	// text of the template is never found there. While there is a stop text, vLLM holds back as much text as it is
	// long, which would be measured as a later first token. The same holds for SGLang.
	Prompt: Prompt{
		Text:     TextRule{BOS: true, Extra: map[string]any{"add_special_tokens": false}},
		Thoughts: wire.FieldReasoning, // reasoning_content until 0.11
	},
	Launch: Launch{
		Programs: []Program{{Command: "vllm",
			Install: "install it in a virtual environment: pip install vllm; then activate that environment",
			Version: Version{Package: "vllm", Pattern: pythonVersion}, Help: "serve --help=all"}},
		Memory: cardMemory("gpu_memory_utilization"),
		Log:    vllmLog,
		Flags:  vllmFlags,
	},
	Hints: Hints{
		Start:          "vllm serve MODEL --enable-prompt-tokens-details",
		ReportFlag:     "--enable-prompt-tokens-details",
		StartReporting: "vllm serve MODEL --enable-prompt-tokens-details",
		CacheOn:        "vllm serve MODEL --enable-prefix-caching",
	},
	Docs: []Row{{Tokens: "reply", Cached: "reply with `--enable-prompt-tokens-details`, else counters",
		Times: "counters: queue, prefill, decode, TTFT, whole request", Reusable: "exact, `/tokenize`",
		Reset: "`/reset_prefix_cache` with `VLLM_SERVER_DEV_MODE=1`", Salt: "key `cache_salt`"}},
}

// vllmCapabilities is what vLLM offers, and so does the simulator that imitates it.
var vllmCapabilities = []Capability{
	usageInReply,
	{"cache_report", true,
		"usage.prompt_tokens_details with --enable-prompt-tokens-details, else counters; proven by a self-test before a run"},
	{"cache_reset", false,
		"/reset_prefix_cache is not there: start vLLM with VLLM_SERVER_DEV_MODE=1, or isolate with cache: salt"},
	saltInBody,
	{"tokenize", true, "/tokenize"},
	{"metrics", true, "/metrics"},
	{"server_timings", true, "histogram sums before and after each request"},
	ignoreEOS,
}

// vllmMetrics are the names as exposed by its engines V0 (to 0.7), early V1 (0.8 to 0.9) and V1 since.
var vllmMetrics = &Metrics{
	Path: "/metrics",
	Timings: []Timing{
		{Metric: "server.queue_ms", Histograms: []string{"vllm:request_queue_time_seconds"}},
		{Metric: "server.prefill_ms", Histograms: []string{"vllm:request_prefill_time_seconds"}},
		{Metric: "server.decode_ms", Histograms: []string{"vllm:request_decode_time_seconds"}},
		{Metric: "server.ttft_ms", Histograms: []string{"vllm:time_to_first_token_seconds"}},
		{Metric: "server.e2e_ms", Histograms: []string{"vllm:e2e_request_latency_seconds"}},
	},
	// vllm:inter_token_latency_seconds is left out: with speculative decoding it counts pieces of several tokens, not
	// tokens.
	Counts: []Count{
		{Metric: "spec.draft_tokens", Counter: "vllm:spec_decode_num_draft_tokens"},
		{Metric: "spec.accepted_tokens", Counter: "vllm:spec_decode_num_accepted_tokens"},
		// From connectors such as LMCache, which keep what does not fit into the memory of the GPU.
		{fromLocal, vllmBySource, labelled("source", "local_cache_hit")},
		{fromExternal, vllmBySource, labelled("source", "external_kv_transfer")},
		{Metric: fromExternal, Counter: vllmExternal + "_hits"},
	},
	Finished: []string{"vllm:request_success"},
	InFlight: []string{"vllm:num_requests_running", "vllm:num_requests_waiting"},
	Prompt:   vllmPrompt, Whole: true,
	Output: "vllm:generation_tokens",
	Cached: []CachedBy{
		{vllmBySource, func(g Growth, _ *int) (float64, bool) {
			return g.Sum(vllmBySource, labelled("source", "local_cache_hit", "external_kv_transfer"))
		}},
		{vllmComputed, func(g Growth, _ *int) (float64, bool) {
			prompt, ok := g.Sum(vllmPrompt, nil)
			computed, n, okComputed := g.Histogram(vllmComputed)
			return prompt - computed, ok && okComputed && n == 1
		}},
		{vllmCached, func(g Growth, _ *int) (float64, bool) { return g.Sum(vllmCached, nil) }},
		// A request that is scheduled twice is counted twice in these two; the condition that queries equal the prompt
		// excludes that.
		{"vllm:prefix_cache_hits", hits("vllm:prefix_cache")},
		{"vllm:gpu_prefix_cache_hits", hits("vllm:gpu_prefix_cache")},
	},
	Config: CacheConfig{Family: "vllm:cache_config_info", Block: "block_size", Caching: "enable_prefix_caching"},
}

const (
	vllmPrompt   = "vllm:prompt_tokens"
	vllmBySource = "vllm:prompt_tokens_by_source"
	vllmComputed = "vllm:request_prefill_kv_computed_tokens"
	vllmCached   = "vllm:prompt_tokens_cached"
	vllmExternal = "vllm:external_prefix_cache" // of a connector; queries and hits of its own
)

func hits(prefix string) func(Growth, *int) (float64, bool) {
	return func(g Growth, prompt *int) (float64, bool) {
		queries, ok := g.Sum(prefix+"_queries", nil)
		n, okHits := g.Sum(prefix+"_hits", nil)
		if external, told := g.Sum(vllmExternal+"_hits", nil); told {
			n += external
		}
		return n, ok && okHits && prompt != nil && queries == float64(*prompt)
	}
}

var vllmLog = Log{Symptoms: slices.Concat([]Symptom{
	sign(
		"bad_flag",
		`error: unrecognized arguments: (.+)`,
		"this version does not know ${1}: remove it from the profile's flags",
	),
	sign("bad_flag", `error: argument (--\S+): (.+)`, "correct ${1} in the profile's flags"),
	sign(
		"gpu_memory",
		`Free memory on device .*?\(([\d.]+)/([\d.]+) GiB\) on startup `+
			`is less than desired GPU memory utilization \(([\d.]+), ([\d.]+) GiB\)`,
		"${1} of ${2} GiB are free and ${4} are wanted: "+
			"end what else uses the GPU, or lower gpu_memory_utilization from ${3}",
	),
	sign(
		"kv_memory",
		`No available memory for the cache blocks`,
		"raise gpu_memory_utilization, or take a smaller or quantised model",
	),
	sign(
		"kv_memory",
		`To serve at least one request with .*?estimated maximum model length is ([\d,]+)`,
		"set max_model_len to at most ${1}, or raise gpu_memory_utilization",
	),
	sign(
		"kv_memory",
		`To serve at least one request with the model(?:'?s'?s?)? max(?:imum)? seq len \(?([\d,]+)\)?.*?([\d.]+) `+
			`GiB KV cache is needed.*?available KV cache memory \(([\d.]+) GiB\)`,
		"a context of ${1} needs ${2} GiB of KV cache and ${3} are there: "+
			"lower max_model_len or raise gpu_memory_utilization",
	),
	sign(
		"gpu_memory",
		`torch\.(?:cuda\.)?OutOfMemoryError: CUDA out of memory\. Tried to allocate ([\d.]+ [GM]iB)`,
		"the GPU's memory is full: take a smaller model, "+
			"a shorter context, or end what else uses the GPU (nvidia-smi shows it)",
	),
}, pythonSymptoms)}

var vllmFlags = FlagSet{
	// Source: cli_args.py and arg_utils.py (0.6 to 0.32).
	Names: strings.Fields(`
		host port uds api_key served_model_name model revision tokenizer tokenizer_revision max_model_len
		gpu_memory_utilization max_num_seqs max_num_batched_tokens enforce_eager no_enforce_eager
		enable_prefix_caching no_enable_prefix_caching prefix_caching_hash_algo block_size enable_chunked_prefill
		no_enable_chunked_prefill disable_sliding_window quantization dtype kv_cache_dtype chat_template
		chat_template_content_format trust_request_chat_template trust_remote_code generation_config
		override_generation_config enable_prompt_tokens_details enable_force_include_usage enable_log_requests
		no_enable_log_requests disable_log_requests enable_log_outputs disable_uvicorn_access_log uvicorn_log_level
		disable_log_stats reasoning_parser scheduling_policy enable_server_load_tracking
		enable_tokenizer_info_endpoint kv_cache_metrics enable_mfu_metrics show_hidden_metrics_for_version
		shutdown_timeout api_server_count disable_frontend_multiprocessing swap_space cpu_offload_gb
		tensor_parallel_size pipeline_parallel_size data_parallel_size download_dir load_format seed max_log_len
		max_lora_rank enable_lora lora_modules tool_call_parser enable_auto_tool_choice speculative_config
		compilation_config rope_scaling hf_overrides limit_mm_per_prompt attention_backend num_gpu_blocks_override
		max_seq_len_to_capture`),
	Checks: []Check{
		{
			"gpu_memory_utilization",
			share,
		}, {"max_num_seqs", atLeast(1)}, {"max_model_len", served}, {"max_num_batched_tokens", batched},
		{"tensor_parallel_size", atLeast(1)}, {"pipeline_parallel_size", atLeast(1)}, {"block_size", atLeast(1)},
		{"cpu_offload_gb", atLeast(0)}, {"swap_space", atLeast(0)},
		{
			"kv_cache_dtype",
			oneOf("auto", "fp8", "fp8_e4m3", "fp8_e5m2", "fp8_inc", "fp8_ds_mla", "bfloat16", "float16", "half", "bf16"),
		},
		{"dtype", oneOf("auto", "half", "float16", "bfloat16", "float", "float32")},
		{"disable_log_stats", forbidden("it removes the counters from the metrics endpoint")},
		{"disable_log_requests", forbidden("newer versions have no such flag and refuse to start")},
		{"port", ownPort},
		{"disable_frontend_multiprocessing", forbidden("vLLM 0.32 has no such flag; it is left out there")},
		{"max_seq_len_to_capture", forbidden("vLLM 0.32 has no such flag; it is left out there")},
		{"rope_scaling", forbidden("vLLM 0.32 has no such flag; it is given as hf_overrides: {rope_scaling: ...} there")},
	},
	ListInOne: true,
	Rules: []Rule{
		// Without its statistics vLLM's /metrics holds nothing about requests.
		{[]string{"disable-log-stats"}, func(written, Binary) ([]string, string) {
			return nil, "left out, because it empties /metrics, from which homellm reads"
		}},
		// Requests were logged unless --disable-log-requests was given. 0.10.1 changed the default and added
		// --enable-log-requests; by 0.17 the old flag was refused.
		{[]string{"disable-log-requests", "no-enable-log-requests"}, func(w written, b Binary) ([]string, string) {
			return logRequests(!w.on(), w.name, b)
		}},
		{[]string{"enable-log-requests"}, func(w written, b Binary) ([]string, string) {
			return logRequests(w.on(), w.name, b)
		}},
		// On by default since the V1 engine (0.8), so leaving them out does not switch them off.
		{[]string{"enable-prefix-caching", "enable-chunked-prefill"}, func(w written, b Binary) ([]string, string) {
			switch {
			case w.on():
				return []string{"--" + w.name}, ""
			case w.value == nil || !b.atLeast(0, 8):
				return nil, ""
			}
			return []string{"--no-" + w.name}, ""
		}},
		// Until 0.8 only neutral sampling was the default, and vllm was the name of a folder to look in.
		{[]string{"generation-config"}, func(w written, b Binary) ([]string, string) {
			if w.value == "vllm" && !b.atLeast(0, 8) {
				return nil, "left out: this version samples so anyway, and takes the value for a folder"
			}
			return w.plain(w.value), ""
		}},
		// Replies have cached tokens since 0.6.4; the web server's log has no requests since 0.8.2.
		{[]string{"enable-prompt-tokens-details"}, since(0, 6, 4)},
		{[]string{"disable-uvicorn-access-log"}, since(0, 8, 2)},
		// 0.32 has none of them, and some versions before it neither, as their help says.
		{
			[]string{"disable-frontend-multiprocessing", "max-seq-len-to-capture"},
			func(w written, b Binary) ([]string, string) {
				if b.atLeast(0, 32) {
					return nil, "left out: this version has no such flag"
				}
				return w.plain(w.value), ""
			},
		},
		{[]string{"rope-scaling"}, func(w written, b Binary) ([]string, string) {
			if !b.atLeast(0, 32) {
				return w.plain(w.value), ""
			}
			return []string{"--hf-overrides", `{"rope_scaling":` + scalar(w.value) + `}`},
				"given as --hf-overrides, because this version has no such flag"
		}},
		// The swap space was removed with the V0 engine.
		{[]string{"swap-space"}, func(w written, b Binary) ([]string, string) {
			if b.atLeast(0, 11) {
				return nil, "left out: it went with the V0 engine"
			}
			return w.plain(w.value), ""
		}},
	},
}

func identifyVLLM(seen Responses, f *Facts) bool {
	v, ok := version(seen["/version"])
	if !ok {
		return false
	}
	// Other engines have a /version as well: the list of models must be vLLM's, empty, or locked.
	if !ownedBy(seen, "vllm") {
		var list listed
		empty := seen["/v1/models"].into(&list) && list.Data != nil && len(list.Data) == 0
		if !empty && !locked(seen, f) {
			return false
		}
	}
	f.Version = v
	models(seen, f)
	if seen["/health"].unavailable() {
		f.Broken = "/health answers HTTP 503: its engine has died; restart it and read its log"
	}
	return true
}

func detailsVLLM(ctx context.Context, s Server, f *Facts) {
	seen := s.Ask(ctx, Patience, "/metrics", "/openapi.json")
	var routes struct {
		Paths map[string]json.RawMessage `json:"paths"`
	}
	if seen["/openapi.json"].into(&routes) {
		if _, ok := routes.Paths["/reset_prefix_cache"]; ok {
			f.can(Capability{"cache_reset", true, "/reset_prefix_cache, whose effect the run verifies"})
		}
		for _, api := range Optional {
			_, ok := routes.Paths["/v1/"+string(api)]
			f.APIs = append(f.APIs, Capability{string(api), ok, map[bool]string{
				true: "its list of routes has it", false: "its list of routes does not have it"}[ok]})
		}
	}
	x, err := s.Exposition(seen["/metrics"])
	if err != nil {
		f.can(Capability{"metrics", false, "/metrics is not there: " + err.Error()}, noTimings)
		return
	}
	if block, ok := vllmMetrics.Config.BlockTokens(x); ok {
		f.BlockTokens = &block
	}
	if vllmMetrics.Config.Off(x) {
		f.note("its prefix cache is switched off (--no-enable-prefix-caching)")
	}
	if !x.Has(vllmPrompt) {
		f.can(Capability{"server_timings", false,
			"its /metrics has no engine counters: it was started with --disable-log-stats; start it without"})
	}
}

// tokenizeVLLM serves vLLM, SGLang and the simulator.
func tokenizeVLLM(ctx context.Context, s Server, t Target, in Input) ([]int, error) {
	body := map[string]any{"model": t.Model, "prompt": in.Text, "add_special_tokens": false}
	if in.Messages != nil {
		body = in.with(map[string]any{"model": t.Model, "messages": in.Messages, "add_generation_prompt": true})
	}
	r, err := post(ctx, s, t.tokenizePath("/tokenize"), body)
	if err != nil {
		return nil, err
	}
	return idsOf(r, in)
}

// idsOf reads {"tokens": […]}, the reply of all engines but KoboldCpp.
func idsOf(r Response, in Input) ([]int, error) {
	var out struct {
		Tokens tokenIDs `json:"tokens"`
	}
	if !r.into(&out) || out.Tokens == nil || len(out.Tokens) == 0 && (in.Text != "" || in.Messages != nil) {
		return nil, fmt.Errorf("the reply holds no token ids: %s", shorten(string(r.Body), 200))
	}
	return out.Tokens, nil
}

func resetVLLM(ctx context.Context, s Server, _ Target) error {
	r, err := post(ctx, s, "/reset_prefix_cache", nil)
	return devMode(r, err)
}

// devMode explains the 404 of a vLLM that does not offer its reset.
func devMode(r Response, err error) error {
	if r.Status == http.StatusNotFound {
		return fmt.Errorf("%w; /reset_prefix_cache exists only with VLLM_SERVER_DEV_MODE=1 in the server's environment", err)
	}
	return err
}

// since leaves a flag out for versions that do not have it yet.
func since(version ...int) func(written, Binary) ([]string, string) {
	return func(w written, b Binary) ([]string, string) {
		if !b.atLeast(version...) {
			return nil, "left out: this version does not have it"
		}
		return w.plain(w.value), ""
	}
}

func logRequests(on bool, name string, b Binary) (argv []string, note string) {
	newer := b.atLeast(0, 10, 1)
	switch {
	case on && newer:
		argv = []string{"--enable-log-requests"}
	case !on && !newer:
		argv = []string{"--disable-log-requests"}
	}
	if newer != (name == "disable-log-requests") {
		return argv, "" // it was written for versions on this side of the change
	}
	switch {
	case len(argv) > 0:
		note = "given as " + argv[0] + ", its name in this version"
	case newer:
		note = "left out: this version logs no request unless it is asked to"
	default:
		note = "left out: this version logs requests unless it is asked not to"
	}
	return argv, note
}
