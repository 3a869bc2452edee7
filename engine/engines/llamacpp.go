package engines

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"homellm/engine/wire"
)

var llamaCPP = Engine{
	Name: "llamacpp", Title: "llama.cpp", Ports: []int{8080, 9931},
	Models: Models{Any: true},
	API: API{
		Sign: signLlama, Paths: []string{"/props"}, Identify: identifyLlama, Details: detailsLlama,
		Tokenize: tokenizeLlama, Reset: resetLlama,
		PartialReset: "/slots/", // a path that names one slot does not reset the others
		Counting:     map[string]any{"timings_per_token": true},
	},
	APIs: llamaAPIs,
	Keys: asLlama(), Ignored: llamaIgnores,
	Capabilities: []Capability{
		usageInReply,
		{"cache_report", true, "timings.cache_n, since about build 6400; proven by a self-test before a run"},
		{"cache_reset", true, "slot erase, if the server was started with --slot-save-path; the run checks it"},
		saltInMessage,
		{"tokenize", true, "/apply-template and /tokenize"},
		{"metrics", true, "/metrics with --metrics"},
		{"server_timings", true, "the timings block of every reply"},
		ignoreEOS,
	},
	// Plain counters, printed with six significant digits; prompt tokens are only the computed ones.
	Metrics: &Metrics{
		Path: "/metrics",
		Timings: []Timing{
			{Metric: "server.prefill_ms", Counter: "llamacpp:prompt_seconds"},
			{Metric: "server.decode_ms", Counter: "llamacpp:tokens_predicted_seconds"},
		},
		InFlight: []string{"llamacpp:requests_processing", "llamacpp:requests_deferred"},
		Prompt:   "llamacpp:prompt_tokens",
		Output:   "llamacpp:tokens_predicted",
		Cached:   []CachedBy{{"llamacpp:prompt_tokens", cachedLlama}},
		InReply:  true,
	},
	Prompt: Prompt{Text: TextRule{Stops: manyStops}, SystemFallback: "first_user"},
	Launch: Launch{
		Programs: []Program{{Command: "llama-server",
			Install: "install llama.cpp (brew install llama.cpp, or a release from its GitHub page), " +
				"or write the full path in the profile's command",
			Version: Version{Argument: "--version", Pattern: `version: (\d+)`}, Help: "--help"}},
		Memory: Memory{
			Spreads: true,
			Context: []string{"ctx_size", "c"},
			KVTypes: [][]string{{"cache_type_k", "ctk"}, {"cache_type_v", "ctv"}},
			Offload: []string{"override_tensor", "ot", "cpu_moe", "n_cpu_moe"},
			Pinned:  pinnedLlama,
			SmallKV: "cache_type_k: q8_0 and cache_type_v: q8_0",
		},
		Log:   llamaLog,
		Flags: llamaFlags,
	},
	Hints: Hints{
		Start: "llama-server -m MODEL.gguf --metrics",
		Template: "serve a GGUF that holds its chat template, or name one (llama-server --chat-template NAME, or " +
			"--chat-template-file FILE); without one llama-server takes ChatML",
		StartReporting: "llama-server -m MODEL.gguf --metrics",
		ReportSince:    "a build since September 2025 does",
		WholeWindow:    "--swa-full",
	},
	Docs: []Row{{Tokens: "reply", Cached: "timings (`cache_n`, since about build 6400)", Times: "timings: prefill, decode",
		Reusable: "exact, `/apply-template` and `/tokenize`",
		Reset:    "slot erase with `--slot-save-path`", Salt: "first message"}},
}

// llamaAPIs are the APIs of llama-server, with one model and as a router.
var llamaAPIs = newerAPIs(Served{Since: "January 2026", Source: "ggml-org/llama.cpp#18486"},
	Served{Since: "November 2025", Source: "ggml-org/llama.cpp#17570", Counts: true})

// cachedLlama is the part of the prompt that was not computed.
func cachedLlama(g Growth, prompt *int) (float64, bool) {
	computed, ok := g.Exact("llamacpp:prompt_tokens")
	if !ok || prompt == nil {
		return 0, false
	}
	return float64(*prompt) - computed, true
}

// pinnedLlama reports whether the flags put all layers and the KV cache on the cards.
func pinnedLlama(flags Values, layers int) bool {
	n, said := flags.Number("n_gpu_layers", "gpu_layers", "ngl")
	return said && int(n) >= layers && flags["fit"] == "off" && !flags.On("no_kv_offload", "nkvo")
}

var llamaLog = Log{
	// It continues after a failed allocation.
	Recovered: []string{"retrying without pipeline parallelism"},
	Symptoms: []Symptom{
		sign(
			"port",
			`couldn't bind HTTP server socket, hostname: .*, port: (\d+)`,
			"another process listens on port ${1}: homellm servers shows what it is",
		),
		sign(
			"bad_flag",
			`error: invalid argument: (.+)`,
			"this build does not know ${1}: remove it from the profile's flags",
		),
		sign("bad_flag", `error while handling argument "(.+?)": (.+)`, "correct ${1} in the profile's flags"),
		sign(
			"model_unsupported",
			`unknown model architecture: '(.+?)'`,
			"this build does not support ${1} models: update llama.cpp",
		),
		sign(
			"model_broken",
			`invalid magic characters|tensor .* data is not within the file bounds`,
			"the model file is damaged or not a GGUF: download it again",
		),
		sign(
			"model_missing",
			`failed to open GGUF file|exiting due to model loading error|No such file or directory`,
			"check the path of the model file",
		),
		sign(
			"gpu_memory",
			`cudaMalloc failed: out of memory|hipMalloc failed|failed to allocate (?:\S+ )?buffer|`+
				`out of device memory|vk_error_out_of_device_memory|erroroutofdevicememory|not enough memory|insufficient memory`,
			"memory is full: offload fewer layers (n_gpu_layers), shorten the context, or take a smaller quantisation",
		),
		sign(
			"context",
			`failed to create context with model|failed to initialize the context`,
			"lower ctx_size, or take a smaller KV cache type",
		),
		sign("crash", `GGML_ASSERT\(`, "an internal check of llama.cpp failed: update it, or take another build"),
	},
}

var llamaFlags = FlagSet{
	// Source: tools/server/README.md (b6000 to b10488).
	Names: strings.Fields(`
		model m hf_repo hf model_url mu host port ctx_size c parallel np n_gpu_layers gpu_layers ngl batch_size b
		ubatch_size ub flash_attn fa cache_type_k ctk cache_type_v ctv threads t threads_batch tb no_warmup warmup
		jinja no_jinja chat_template chat_template_file chat_template_kwargs reasoning_format reasoning_budget
		reasoning rea metrics slots no_slots props cache_prompt no_cache_prompt cache_reuse cache_ram cram
		ctx_checkpoints swa_full slot_prompt_similarity sps kv_unified context_shift no_context_shift fit fit_target fit_ctx
		load_mode mlock no_mmap api_key alias a slot_save_path sse_ping_interval sleep_idle_seconds timeout to no_ui
		no_webui log_file log_verbosity log_jsonl seed s split_mode sm tensor_split ts main_gpu mg device dev
		override_tensor ot cpu_moe n_cpu_moe no_kv_offload nkvo lora offline rope_scaling rope_freq_base
		rope_freq_scale cont_batching cb embedding pooling`),
	Short: strings.Fields("np ngl fa ctk ctv ub tb hf hfr hff mu cram sps to rea cb cnv sm ts mg nkvo ot dev"),
	Checks: []Check{
		{"ctx_size", slotted}, {"parallel", atLeast(1)}, {"batch_size", atLeast(1)}, {"ubatch_size", partOf("batch_size")},
		{"cache_type_k", llamaCacheTypes}, {"cache_type_v", quantisedValues}, {"port", ownPort},
	},
	Rules: []Rule{
		// A flag without a value until August 2025, since then on, off or auto.
		{[]string{"flash-attn", "fa"}, func(w written, b Binary) ([]string, string) {
			mode := map[string]string{"true": "on", "false": "off"}[scalar(w.value)]
			if mode == "" {
				mode = scalar(w.value)
			}
			if b.has(regexp.MustCompile(`--flash-attn\s+\[`), 6330) {
				return []string{"--flash-attn", mode}, ""
			}
			switch mode {
			case "on":
				return []string{"--flash-attn"}, ""
			case "auto":
				return nil, "left out: this build does not know auto"
			}
			return nil, ""
		}},
		{[]string{"fit"}, newerThan(`--fit\b`, 7400, "it shrinks nothing to fit")},
		{[]string{"cache-ram", "cram"}, newerThan(`--cache-ram\b`, 6750, "it has no second cache in main memory")},
		{[]string{"no-ui", "no-webui"}, func(w written, b Binary) ([]string, string) {
			switch {
			case !w.on():
				return nil, ""
			case b.has(regexp.MustCompile(`--no-ui\b`), 7400):
				return []string{"--no-ui"}, ""
			}
			return []string{"--no-webui"}, ""
		}},
	},
}

// llamaProps is the content of /props.
type llamaProps struct {
	BuildInfo  string `json:"build_info"`
	ModelPath  string `json:"model_path"`
	Template   string `json:"chat_template"`
	TotalSlots *int   `json:"total_slots"`
	Modalities *struct {
		Vision bool `json:"vision"`
	} `json:"modalities"`
	Defaults *struct {
		ContextTokens *int `json:"n_ctx"` // in force for each slot
	} `json:"default_generation_settings"`
}

func identifyLlama(seen Responses, f *Facts) bool {
	props := seen["/props"]
	var body llamaProps
	if props.into(&body) && (body.Defaults != nil || body.BuildInfo != "") {
		f.Version, f.Slots = body.BuildInfo, body.TotalSlots
		models(seen, f)
		locked(seen, f)
		if body.Modalities != nil {
			f.can(Capability{"images", body.Modalities.Vision,
				"modalities in /props; a model that sees is started with --mmproj"})
		}
		for i := range f.Models {
			if body.Defaults != nil {
				f.Models[i].ContextTokens = upTo(body.Defaults.ContextTokens, mostTokens)
			}
			if len(f.Models) == 1 { // a router has a process for each
				f.Models[i].File = body.ModelPath
				if body.Template != "" {
					f.Models[i].Thoughts = new(wire.ReadsThoughts(body.Template))
				}
			}
		}
		return true
	}
	if loadingLlama(seen) {
		f.Starting = "it is loading its model"
		return true
	}
	if signLlama(seen) {
		models(seen, f)
		if !locked(seen, f) && keyedLlama(props) {
			f.Locked = "/props"
		}
		return true
	}
	return false
}

// signLlama recognises llama-server by the header of all its replies, or by the owner of its models if a proxy has
// replaced the header.
func signLlama(seen Responses) bool {
	return seen.serverHeader("llama.cpp") || ownedBy(seen, "llamacpp") || loadingLlama(seen)
}

// keyedLlama reports whether llama-server itself asks for a key, as it does for every path except its models and its
// health. A proxy in front of it that asks for a key words the error differently.
func keyedLlama(r Response) bool {
	return r.Status == http.StatusUnauthorized && r.errorType() == "authentication_error"
}

// loadingLlama reports that it loads its model: it listens meanwhile, and answers 503 to everything.
func loadingLlama(seen Responses) bool {
	return slices.ContainsFunc([]string{"/v1/models", "/props"}, func(path string) bool {
		return seen[path].unavailable() && strings.EqualFold(seen[path].Message(), "Loading model")
	})
}

func detailsLlama(ctx context.Context, s Server, f *Facts) {
	seen := s.Ask(ctx, Patience, "/metrics")
	if _, err := s.Exposition(seen["/metrics"]); err != nil {
		f.can(Capability{"metrics", false, "start llama-server with --metrics (" + err.Error() + ")"})
	}
	for _, m := range f.Models {
		if m.ContextTokens != nil && m.TrainedTokens != nil && *m.ContextTokens > *m.TrainedTokens {
			f.note(
				fmt.Sprintf(
					"%s is served with %d tokens of context and was trained for %d",
					m.ID,
					*m.ContextTokens,
					*m.TrainedTokens,
				),
			)
		}
	}
}

func tokenizeLlama(ctx context.Context, s Server, t Target, in Input) ([]int, error) {
	text := in.Text
	if in.Messages != nil {
		r, err := post(ctx, s, "/apply-template", in.with(map[string]any{"model": t.Model, "messages": in.Messages}))
		if err != nil {
			return nil, fmt.Errorf("rendering the chat template: %w", err)
		}
		var rendered struct {
			Prompt *string `json:"prompt"`
		}
		if !r.into(&rendered) || rendered.Prompt == nil {
			return nil, fmt.Errorf("rendering the chat template: the reply holds no prompt: %s", shorten(string(r.Body), 200))
		}
		text = *rendered.Prompt
	}
	// A chat prompt gets its BOS here unless the template writes it, as in a completion.
	r, err := post(
		ctx,
		s,
		t.tokenizePath("/tokenize"),
		map[string]any{"model": t.Model, "content": text, "add_special": in.Messages != nil, "parse_special": true},
	)
	if err != nil {
		return nil, err
	}
	return idsOf(r, in)
}

// resetLlama erases every slot, because a request may use any of them.
func resetLlama(ctx context.Context, s Server, _ Target) error {
	slots := 1
	var props llamaProps
	if r, err := get(ctx, s, "/props"); err == nil && r.into(&props) && props.TotalSlots != nil {
		if slots = *props.TotalSlots; upTo(&slots, mostSlots) == nil {
			return fmt.Errorf("erasing its slots: it says that it has %d", slots)
		}
	}
	for id := range slots {
		r, err := post(ctx, s, fmt.Sprintf("/slots/%d?action=erase", id), nil)
		if err != nil {
			if r.Status == http.StatusNotImplemented {
				return fmt.Errorf(
					"%w; start llama-server with --slot-save-path DIR (and -cram 0, or its host-memory cache brings prompts back)",
					err,
				)
			}
			return fmt.Errorf("erasing slot %d: %w", id, err)
		}
	}
	return nil
}

// newerThan is a flag of llama.cpp that older builds refuse and do not need.
func newerThan(pattern string, build int, why string) func(written, Binary) ([]string, string) {
	known := regexp.MustCompile(pattern)
	return func(w written, b Binary) ([]string, string) {
		if !b.has(known, build) {
			return nil, "left out: this build does not know it, and " + why
		}
		v := w.value
		if on, ok := v.(bool); ok { // YAML reads a bare on or off as text or as a bool
			v = map[bool]string{true: "on", false: "off"}[on]
		}
		return w.plain(v), ""
	}
}
