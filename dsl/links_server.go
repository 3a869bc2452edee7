package dsl

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"homellm/dsl/syntax"
)

// checkServer reports what is missing in a resolved profile, and settings that contradict each
// other.
func (d *decoder) checkServer(s *Server, n *syntax.Node, l *Library) {
	d.checkModelNames(n, l)
	d.checkLaunch(s, n)
	if s.Abstract {
		return
	}
	if s.Engine == "" {
		d.errorAt(s, n, "links/missing-key", "add engine:, or abstract: true if it is only to be extended", "profile %q does not say which engine it is", s.Name)
	}
	if s.Launch == nil && s.Attach == "" {
		d.errorAt(s, n, "links/missing-key", "add launch: to start a server, or attach: to use one that runs", "profile %q says neither how to start a server nor where one is", s.Name)
	}
	capabilities := n.Get("capabilities")
	if report := capabilities.Get("cache_report"); s.Capabilities.CacheReport.Source == "counters" && s.Capabilities.Metrics == "" {
		d.errorf(report.Get("source"), "links/capability", "add capabilities.metrics", "counters are read from a metrics endpoint, and the profile has none")
	}
}

// errorAt reports an error at the name of a profile.
func (d *decoder) errorAt(s *Server, n *syntax.Node, code, help, format string, args ...any) {
	name := &syntax.Node{Src: n.Src, Kind: syntax.StringKind, Scalar: s.Name, Line: s.Pos.Line, Col: s.Pos.Col, End: s.Pos.Col + len(s.Name)}
	d.errorf(name, code, help, format, args...)
}

func (d *decoder) checkModelNames(n *syntax.Node, l *Library) {
	for _, m := range d.list(n, "models") {
		if name := m.Text(); name != "any" && l.Model(name) == nil {
			d.errorf(m, "links/model", syntax.SuggestOr(name, l.modelNames(), "models"), "model %q is in no models file", name)
		}
	}
}

// launchNames are what ${…} may stand for in a launch.
var launchNames = []string{"port", "context_tokens", "model.name", "model.ref", "model.file", "model.served_name", "model.revision"}

var launchForm = regexp.MustCompile(`\$\{([^{}]*)\}?`)

func (d *decoder) checkLaunch(s *Server, n *syntax.Node) {
	launch := n.Get("launch")
	if launch == nil {
		return
	}
	launch.EachText(func(text *syntax.Node) {
		for _, m := range launchForm.FindAllStringSubmatch(text.Text(), -1) {
			if !slices.Contains(launchNames, m[1]) || !strings.HasSuffix(m[0], "}") {
				d.errorf(text, "links/reference", syntax.SuggestOr(m[1], launchNames, "possible"), "%s refers to nothing that a launch has", m[0])
			}
		}
	})
	flags := launch.Get("flags")
	if flags == nil {
		return
	}
	for _, e := range flags.Entries {
		d.checkFlagName(e, s.Engine, flags)
	}
	for _, rule := range flagRules {
		if v := flags.Get(rule.flag); v != nil && v.Reference == "" && slices.Contains(rule.engines, s.Engine) {
			if severity, message, help := rule.check(v, flags, s); message != "" {
				d.add(severity, v, "links/flag", help, message)
			}
		}
	}
}

// flagRule is one thing that is known about a flag of an engine. Check returns no message where
// all is well.
type flagRule struct {
	engines []string
	flag    string
	check   func(v, flags *syntax.Node, s *Server) (severity syntax.Severity, message, help string)
}

var (
	vllm     = []string{"vllm"}
	sglang   = []string{"sglang"}
	llamacpp = []string{"llamacpp"}
)

var flagRules = []flagRule{
	{vllm, "gpu_memory_utilization", share},
	{sglang, "mem_fraction_static", share},
	{vllm, "max_num_seqs", atLeast(1)},
	{vllm, "max_model_len", served},
	{sglang, "context_length", served},
	{llamacpp, "ctx_size", slotted},
	{llamacpp, "parallel", atLeast(1)},
	{vllm, "max_num_batched_tokens", batched},
	{vllm, "tensor_parallel_size", atLeast(1)},
	{vllm, "pipeline_parallel_size", atLeast(1)},
	{vllm, "block_size", atLeast(1)},
	{vllm, "cpu_offload_gb", atLeast(0)},
	{vllm, "swap_space", atLeast(0)},
	{vllm, "kv_cache_dtype", vllmCaches},
	{vllm, "dtype", oneOf("auto", "half", "float16", "bfloat16", "float", "float32")},
	{sglang, "tp_size", atLeast(1)},
	{sglang, "max_running_requests", atLeast(1)},
	{sglang, "page_size", atLeast(1)},
	{llamacpp, "batch_size", atLeast(1)},
	{llamacpp, "ubatch_size", partOf("batch_size")},
	{llamacpp, "cache_type_k", llamacppCaches},
	{llamacpp, "cache_type_v", quantisedValues},
	{vllm, "disable_log_stats", forbidden("it removes the counters from the metrics endpoint", syntax.Warning)},
	{vllm, "disable_log_requests", forbidden("newer versions have no such flag and refuse to start", syntax.Warning)},
	{[]string{"vllm", "sglang", "llamacpp"}, "port", ownPort},
}

// share checks a share of the graphics memory.
func share(v, _ *syntax.Node, _ *Server) (syntax.Severity, string, string) {
	if f, ok := asFloat(v); ok && (f <= 0 || f > 1) {
		return syntax.Error, fmt.Sprintf("%s is a share of the graphics memory, more than 0 and at most 1", format(v.Scalar)), "0.9 is 90 %"
	}
	return "", "", ""
}

func atLeast(low int) func(v, flags *syntax.Node, s *Server) (syntax.Severity, string, string) {
	return func(v, _ *syntax.Node, _ *Server) (syntax.Severity, string, string) {
		if i, ok := asInt(v); ok && i < low {
			return syntax.Error, fmt.Sprintf("%d is too small: it must be %d or more", i, low), ""
		}
		return "", "", ""
	}
}

// served holds a context flag against what the profile says is served.
func served(v, _ *syntax.Node, s *Server) (syntax.Severity, string, string) {
	if i, ok := asInt(v); ok && s.ContextTokens > 0 && i != s.ContextTokens {
		return syntax.Error, fmt.Sprintf("the server is started with a context of %d tokens, and the profile says context_tokens: %d", i, s.ContextTokens), "make them equal, or write ${context_tokens} here"
	}
	return "", "", ""
}

// slotted does the same for llama.cpp, which divides its context among its slots.
func slotted(v, flags *syntax.Node, s *Server) (syntax.Severity, string, string) {
	slots, ok := asInt(flags.Get("parallel"))
	total, isNumber := asInt(v)
	if !ok || !isNumber || slots < 1 || s.ContextTokens == 0 || total/slots == s.ContextTokens {
		return "", "", ""
	}
	return syntax.Error, fmt.Sprintf("a context of %d tokens divided among %d slots is not context_tokens: %d", total, slots, s.ContextTokens), "make them agree"
}

// batched checks the size of a prefill step. Without chunked prefill a prompt must fit one step.
func batched(v, flags *syntax.Node, s *Server) (syntax.Severity, string, string) {
	tokens, ok := asInt(v)
	if !ok {
		return "", "", ""
	}
	if seqs, ok := asInt(flags.Get("max_num_seqs")); ok && tokens < seqs {
		return syntax.Error, fmt.Sprintf("%d batched tokens are fewer than %d sequences, each of which takes one", tokens, seqs), ""
	}
	length, ok := asInt(flags.Get("max_model_len"))
	if !ok {
		length = s.ContextTokens
	}
	if length == 0 || tokens >= length {
		return "", "", ""
	}
	if on := flags.Get("enable_chunked_prefill"); isTrue(flags.Get("no_enable_chunked_prefill")) || on != nil && on.Kind == syntax.BoolKind && !on.Scalar.(bool) {
		return syntax.Error, fmt.Sprintf("without chunked prefill %d batched tokens cannot hold a prompt of max_model_len %d", tokens, length), "raise max_num_batched_tokens, or enable chunked prefill"
	}
	return "", "", ""
}

func forbidden(why string, severity syntax.Severity) func(v, flags *syntax.Node, s *Server) (syntax.Severity, string, string) {
	return func(v, _ *syntax.Node, _ *Server) (syntax.Severity, string, string) {
		if v.Kind == syntax.BoolKind && !v.Scalar.(bool) {
			return "", "", ""
		}
		return severity, why, "remove the flag"
	}
}

// ownPort holds the port of the command line against the port that requests go to.
func ownPort(v, _ *syntax.Node, s *Server) (syntax.Severity, string, string) {
	if i, ok := asInt(v); ok && i != s.Port {
		return syntax.Error, fmt.Sprintf("the server is started on port %d, and requests go to the port of the profile", i), "write port: ${port} here, and the number as port: of the profile"
	}
	return "", "", ""
}

func isTrue(n *syntax.Node) bool { return n != nil && n.Kind == syntax.BoolKind && n.Scalar.(bool) }
