package engines

import (
	"context"
	"fmt"
	"net/http"
	"strings"
)

var sglang = Engine{
	Name: "sglang", Title: "SGLang", Ports: []int{30000},
	API: API{
		Sign:     func(seen Responses) bool { return ownedBy(seen, "sglang") },
		Paths:    []string{"/model_info", "/get_model_info"},
		Identify: identifySGLang, Details: detailsSGLang, Tokenize: tokenizeVLLM, Reset: resetSGLang,
	},
	APIs: newerAPIs(Served{Since: "August 2025", Source: "its http_server.py"},
		Served{Since: "February 2026", Source: "sgl-project/sglang#18630", Counts: true}),
	Keys: onOpenAI(withModel(Words{"top_k": "top_k", "min_p": "min_p", "repeat_penalty": "repetition_penalty"})),
	Capabilities: []Capability{
		usageInReply,
		{"cache_report", true,
			"usage.prompt_tokens_details with --enable-cache-report, else counters; proven by a self-test before a run"},
		{"cache_reset", true, "/flush_cache"},
		saltInMessage,
		{"tokenize", true, "/tokenize, in recent versions"},
		{"metrics", true, "/metrics with --enable-metrics"},
		{"server_timings", true, "counters before and after each request"},
		ignoreEOS,
	},
	// Histograms of the request as seen by the front end; none of prefill and decode.
	Metrics: &Metrics{
		Path: "/metrics",
		Timings: []Timing{
			{Metric: "server.queue_ms", Histograms: []string{"sglang:queue_time_seconds"}},
			{Metric: "server.ttft_ms", Histograms: []string{"sglang:time_to_first_token_seconds"}},
			{Metric: "server.e2e_ms", Histograms: []string{"sglang:e2e_request_latency_seconds"}},
		},
		Finished: []string{"sglang:num_requests"},
		InFlight: []string{"sglang:num_running_reqs", "sglang:num_queue_reqs"},
		Prompt:   "sglang:prompt_tokens", Whole: true,
		Output: "sglang:generation_tokens",
		Cached: []CachedBy{{sglangCached, cachedSGLang}},
		// With --enable-hierarchical-cache it keeps what does not fit into the memory of the GPU.
		Counts: []Count{
			{fromLocal, sglangCached, labelled("cache_source", "device")},
			{fromHost, sglangCached, labelled("cache_source", "host")},
			{fromStorage, sglangCached, func(label func(string) string) bool {
				return strings.HasPrefix(label("cache_source"), "storage")
			}},
		},
	},
	Launch: Launch{
		Programs: []Program{
			{Command: "python", Install: "activate the virtual environment in which SGLang is installed: pip install sglang",
				Version: Version{Module: true, Pattern: pythonVersion}},
			{Command: "python3", Version: Version{Module: true, Pattern: pythonVersion}},
		},
		Memory: cardMemory("mem_fraction_static"),
		Log: Log{Symptoms: []Symptom{
			sign("gpu_memory", `Not enough memory\. Please try to increase --mem-fraction-static`,
				"raise mem_fraction_static, or take a smaller model"),
		}},
		Flags: FlagSet{
			// Source: server_args.py (2026).
			Names: strings.Fields(`
				model_path model tokenizer_path host port context_length mem_fraction_static max_running_requests
				chunked_prefill_size enable_metrics enable_cache_report sampling_defaults served_model_name page_size
				disable_radix_cache disable_cuda_graph cuda_graph_max_bs cuda_graph_bs dtype quantization kv_cache_dtype
				chat_template api_key admin_api_key reasoning_parser schedule_policy skip_server_warmup decode_log_interval
				log_requests enable_mfu_metrics export_metrics_to_file random_seed attention_backend max_prefill_tokens
				collect_tokens_histogram revision trust_remote_code tp tp_size tensor_parallel_size pp_size dp_size
				cpu_offload_gb load_format log_level max_total_tokens device tool_call_parser`),
			Checks: []Check{
				{"mem_fraction_static", share}, {"context_length", served}, {"tp_size", atLeast(1)},
				{"max_running_requests", atLeast(1)}, {"page_size", atLeast(1)}, {"port", ownPort},
			},
			ListInOne: true,
		},
	},
	Hints: Hints{
		Start:          "python -m sglang.launch_server --model-path MODEL --enable-cache-report",
		ReportFlag:     "--enable-cache-report",
		StartReporting: "python -m sglang.launch_server --model-path MODEL --enable-cache-report --enable-metrics",
	},
	Docs: []Row{{Tokens: "reply", Cached: "reply with `--enable-cache-report`, else counters with `--enable-metrics`",
		Times: "counters: queue, TTFT, whole request", Reusable: "exact in recent versions",
		Reset: "`/flush_cache`", Salt: "first message"}},
}

const sglangCached = "sglang:cached_tokens"

// cachedSGLang adds one series for each source of the tokens. Some versions add a series named total, which would
// count everything twice.
func cachedSGLang(g Growth, _ *int) (float64, bool) {
	if n, ok := g.Sum(sglangCached, func(label func(string) string) bool { return label("cache_source") != "total" }); ok {
		return n, true
	}
	return g.Sum(sglangCached, nil)
}

func identifySGLang(seen Responses, f *Facts) bool {
	var info struct {
		ModelPath string `json:"model_path"`
	}
	own := false
	for _, path := range []string{"/model_info", "/get_model_info"} { // the second is the name until 2025
		own = own || seen[path].into(&info) && info.ModelPath != ""
	}
	if !own && !ownedBy(seen, "sglang") {
		return false
	}
	models(seen, f)
	return true
}

func detailsSGLang(ctx context.Context, s Server, f *Facts) {
	seen := s.Ask(ctx, Patience, "/server_info", "/get_server_info", "/metrics")
	info := seen["/server_info"]
	if !info.OK() {
		info = seen["/get_server_info"] // the name until 2025
	}
	var body struct {
		Version      string `json:"version"`
		PageSize     *int   `json:"page_size"`
		MaxRunning   *int   `json:"max_running_requests"`
		CacheReport  *bool  `json:"enable_cache_report"`
		DisableRadix *bool  `json:"disable_radix_cache"`
	}
	if info.into(&body) {
		f.Version, f.BlockTokens, f.Slots = body.Version, body.PageSize, body.MaxRunning
		if body.CacheReport != nil && !*body.CacheReport {
			f.note("cached tokens are not in its replies: start SGLang with --enable-cache-report")
		}
		if body.DisableRadix != nil && *body.DisableRadix {
			f.note("its prefix cache is switched off (--disable-radix-cache)")
		}
	}
	if _, err := s.Exposition(seen["/metrics"]); err != nil {
		f.can(Capability{"metrics", false, "start SGLang with --enable-metrics (" + err.Error() + ")"}, noTimings)
	}
}

func resetSGLang(ctx context.Context, s Server, _ Target) error {
	r, err := post(ctx, s, "/flush_cache", nil)
	if r.Status == http.StatusBadRequest {
		return fmt.Errorf("%w; it flushes only when no request is running or waiting", err)
	}
	return err
}
