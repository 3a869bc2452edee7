package dsl

import (
	"fmt"
	"slices"
	"strings"

	"homellm/dsl/syntax"
)

// flagNames are flags of engines as profiles write them, to find the one that was meant. They are
// not all there are, and versions add more: a name that is near none of them is the engine's
// business.
//
// Source: vLLM's cli_args.py and arg_utils.py (0.6 to 0.32), llama.cpp's tools/server/README.md
// (b6000 to b10488), SGLang's server_args.py (2026).
var flagNames = map[string][]string{
	"vllm": strings.Fields(`
		host port uds api_key served_model_name model revision tokenizer tokenizer_revision max_model_len gpu_memory_utilization max_num_seqs
		max_num_batched_tokens enforce_eager no_enforce_eager enable_prefix_caching no_enable_prefix_caching prefix_caching_hash_algo block_size
		enable_chunked_prefill no_enable_chunked_prefill disable_sliding_window quantization dtype kv_cache_dtype chat_template
		chat_template_content_format trust_request_chat_template trust_remote_code generation_config override_generation_config
		enable_prompt_tokens_details enable_force_include_usage enable_log_requests no_enable_log_requests disable_log_requests enable_log_outputs
		disable_uvicorn_access_log uvicorn_log_level disable_log_stats reasoning_parser scheduling_policy enable_server_load_tracking
		enable_tokenizer_info_endpoint kv_cache_metrics enable_mfu_metrics show_hidden_metrics_for_version shutdown_timeout api_server_count
		disable_frontend_multiprocessing swap_space cpu_offload_gb tensor_parallel_size pipeline_parallel_size data_parallel_size download_dir
		load_format seed max_log_len max_lora_rank enable_lora lora_modules tool_call_parser enable_auto_tool_choice speculative_config
		compilation_config rope_scaling hf_overrides limit_mm_per_prompt attention_backend num_gpu_blocks_override max_seq_len_to_capture`),
	"llamacpp": strings.Fields(`
		model m hf_repo hf model_url mu host port ctx_size c parallel np n_gpu_layers gpu_layers ngl batch_size b ubatch_size ub flash_attn fa
		cache_type_k ctk cache_type_v ctv threads t threads_batch tb no_warmup warmup jinja no_jinja chat_template chat_template_file
		chat_template_kwargs reasoning_format reasoning_budget reasoning rea metrics slots no_slots props cache_prompt no_cache_prompt cache_reuse
		cache_ram cram ctx_checkpoints slot_prompt_similarity sps kv_unified context_shift no_context_shift fit fit_target fit_ctx load_mode mlock
		no_mmap api_key alias a slot_save_path sse_ping_interval sleep_idle_seconds timeout to no_ui no_webui log_file log_verbosity log_jsonl
		seed s split_mode sm tensor_split ts main_gpu mg device dev override_tensor ot cpu_moe n_cpu_moe no_kv_offload nkvo lora offline
		rope_scaling rope_freq_base rope_freq_scale cont_batching cb embedding pooling`),
	"sglang": strings.Fields(`
		model_path model tokenizer_path host port context_length mem_fraction_static max_running_requests chunked_prefill_size enable_metrics
		enable_cache_report sampling_defaults served_model_name page_size disable_radix_cache disable_cuda_graph cuda_graph_max_bs cuda_graph_bs
		dtype quantization kv_cache_dtype chat_template api_key admin_api_key reasoning_parser schedule_policy skip_server_warmup
		decode_log_interval log_requests enable_mfu_metrics export_metrics_to_file random_seed attention_backend max_prefill_tokens
		collect_tokens_histogram revision trust_remote_code tp tp_size tensor_parallel_size pp_size dp_size cpu_offload_gb load_format log_level
		max_total_tokens device tool_call_parser`),
}

// checkFlagName warns of a flag that is spelt almost like one that the engine has: it would
// refuse to start after a minute, or worse, take another for it.
func (d *decoder) checkFlagName(e syntax.Entry, engine string, flags *syntax.Node) {
	known := flagNames[engine]
	if slices.Contains(known, e.Key) || len(e.Key) < 4 || strings.Contains(e.Key, "-") {
		return
	}
	if help := syntax.Suggest(e.Key, known); help != "" {
		name := &syntax.Node{Src: flags.Src, Kind: syntax.StringKind, Scalar: e.Key, Line: e.Line, Col: e.Col, End: e.End}
		if e.Node != nil && e.Node.Src != nil {
			name.Src = e.Node.Src
		}
		d.add(syntax.Warning, name, "links/flag", help, fmt.Sprintf("%s is no flag of %s that homellm knows", e.Key, engine))
	}
}

// oneOf warns of a value that is none of those known; versions add more.
func oneOf(values ...string) func(v, flags *syntax.Node, s *Server) (syntax.Severity, string, string) {
	return func(v, _ *syntax.Node, _ *Server) (syntax.Severity, string, string) {
		if text := format(v.Scalar); v.Kind == syntax.StringKind && !slices.Contains(values, text) {
			return syntax.Warning, fmt.Sprintf("%s is no value that homellm knows of this flag", text), syntax.SuggestOr(text, values, "known")
		}
		return "", "", ""
	}
}

var (
	vllmCaches     = oneOf("auto", "fp8", "fp8_e4m3", "fp8_e5m2", "fp8_inc", "fp8_ds_mla", "bfloat16", "float16", "half", "bf16")
	llamacppCaches = oneOf("f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "iq4_nl", "q5_0", "q5_1")
)

// quantisedValues holds llama.cpp's cache of values against flash attention, without which only
// keys may be quantised.
func quantisedValues(v, flags *syntax.Node, s *Server) (syntax.Severity, string, string) {
	if off := flags.Get("flash_attn"); off != nil && slices.Contains([]string{"off", "false"}, format(off.Scalar)) {
		if text := format(v.Scalar); !slices.Contains([]string{"f32", "f16", "bf16"}, text) {
			return syntax.Error, fmt.Sprintf("values of the KV cache can be %s only with flash attention, which is off", text), "write flash_attn: \"on\", or leave cache_type_v out"
		}
	}
	return llamacppCaches(v, flags, s)
}

// partOf holds a batch against the larger one that it is a part of.
func partOf(larger string) func(v, flags *syntax.Node, s *Server) (syntax.Severity, string, string) {
	return func(v, flags *syntax.Node, s *Server) (syntax.Severity, string, string) {
		part, ok := asInt(v)
		whole, known := asInt(flags.Get(larger))
		if ok && known && part > whole {
			return syntax.Error, fmt.Sprintf("%d is more than %s: %d, of which it is a part", part, larger, whole), ""
		}
		return atLeast(1)(v, flags, s)
	}
}
