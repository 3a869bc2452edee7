package dsl

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// checkServer reports what is missing in a resolved profile, and settings that contradict each
// other.
func (d *decoder) checkServer(s *Server, n *node, l *Library) {
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
	capabilities := n.get("capabilities")
	if report := capabilities.get("cache_report"); s.Capabilities.CacheReport.Source == "counters" && s.Capabilities.Metrics == "" {
		d.errorf(report.get("source"), "links/capability", "add capabilities.metrics", "counters are read from a metrics endpoint, and the profile has none")
	}
}

// errorAt reports an error at the name of a profile.
func (d *decoder) errorAt(s *Server, n *node, code, help, format string, args ...any) {
	name := &node{src: n.src, kind: stringKind, scalar: s.Name, line: s.Pos.Line, col: s.Pos.Col, end: s.Pos.Col + len(s.Name)}
	d.errorf(name, code, help, format, args...)
}

func (d *decoder) checkModelNames(n *node, l *Library) {
	for _, m := range d.list(n, "models") {
		if name := m.text(); name != "any" && l.Model(name) == nil {
			d.errorf(m, "links/model", suggestOr(name, l.modelNames(), "models"), "model %q is in no models file", name)
		}
	}
}

// launchNames are what ${…} may stand for in a launch.
var launchNames = []string{"port", "context_tokens", "model.name", "model.ref", "model.file", "model.served_name", "model.revision"}

var launchForm = regexp.MustCompile(`\$\{([^{}]*)\}?`)

func (d *decoder) checkLaunch(s *Server, n *node) {
	launch := n.get("launch")
	if launch == nil {
		return
	}
	launch.eachText(func(text *node) {
		for _, m := range launchForm.FindAllStringSubmatch(text.text(), -1) {
			if !slices.Contains(launchNames, m[1]) || !strings.HasSuffix(m[0], "}") {
				d.errorf(text, "links/reference", suggestOr(m[1], launchNames, "possible"), "%s refers to nothing that a launch has", m[0])
			}
		}
	})
	flags := launch.get("flags")
	if flags == nil {
		return
	}
	for _, e := range flags.entries {
		d.checkFlagName(e, s.Engine, flags)
	}
	for _, rule := range flagRules {
		if v := flags.get(rule.flag); v != nil && v.reference == "" && slices.Contains(rule.engines, s.Engine) {
			if severity, message, help := rule.check(v, flags, s); message != "" {
				d.add(severity, v, "links/flag", help, message)
			}
		}
	}
}

// eachText calls f for every text in a tree.
func (n *node) eachText(f func(*node)) {
	if n.kind == stringKind {
		f(n)
	}
	for _, item := range n.items {
		item.eachText(f)
	}
	for _, e := range n.entries {
		e.node.eachText(f)
	}
}

// flagRule is one thing that is known about a flag of an engine. Check returns no message where
// all is well.
type flagRule struct {
	engines []string
	flag    string
	check   func(v, flags *node, s *Server) (severity Severity, message, help string)
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
	{vllm, "disable_log_stats", forbidden("it removes the counters from the metrics endpoint", Warning)},
	{vllm, "disable_log_requests", forbidden("newer versions have no such flag and refuse to start", Warning)},
	{[]string{"vllm", "sglang", "llamacpp"}, "port", ownPort},
}

// share checks a share of the graphics memory.
func share(v, _ *node, _ *Server) (Severity, string, string) {
	if f, ok := asFloat(v); ok && (f <= 0 || f > 1) {
		return Error, fmt.Sprintf("%s is a share of the graphics memory, more than 0 and at most 1", format(v.scalar)), "0.9 is 90 %"
	}
	return "", "", ""
}

func atLeast(low int) func(v, flags *node, s *Server) (Severity, string, string) {
	return func(v, _ *node, _ *Server) (Severity, string, string) {
		if i, ok := asInt(v); ok && i < low {
			return Error, fmt.Sprintf("%d is too small: it must be %d or more", i, low), ""
		}
		return "", "", ""
	}
}

// served holds a context flag against what the profile says is served.
func served(v, _ *node, s *Server) (Severity, string, string) {
	if i, ok := asInt(v); ok && s.ContextTokens > 0 && i != s.ContextTokens {
		return Error, fmt.Sprintf("the server is started with a context of %d tokens, and the profile says context_tokens: %d", i, s.ContextTokens), "make them equal, or write ${context_tokens} here"
	}
	return "", "", ""
}

// slotted does the same for llama.cpp, which divides its context among its slots.
func slotted(v, flags *node, s *Server) (Severity, string, string) {
	slots, ok := asInt(flags.get("parallel"))
	total, isNumber := asInt(v)
	if !ok || !isNumber || slots < 1 || s.ContextTokens == 0 || total/slots == s.ContextTokens {
		return "", "", ""
	}
	return Error, fmt.Sprintf("a context of %d tokens divided among %d slots is not context_tokens: %d", total, slots, s.ContextTokens), "make them agree"
}

// batched checks the size of a prefill step. Without chunked prefill a prompt must fit one step.
func batched(v, flags *node, s *Server) (Severity, string, string) {
	tokens, ok := asInt(v)
	if !ok {
		return "", "", ""
	}
	if seqs, ok := asInt(flags.get("max_num_seqs")); ok && tokens < seqs {
		return Error, fmt.Sprintf("%d batched tokens are fewer than %d sequences, each of which takes one", tokens, seqs), ""
	}
	length, ok := asInt(flags.get("max_model_len"))
	if !ok {
		length = s.ContextTokens
	}
	if length == 0 || tokens >= length {
		return "", "", ""
	}
	if on := flags.get("enable_chunked_prefill"); isTrue(flags.get("no_enable_chunked_prefill")) || on != nil && on.kind == boolKind && !on.scalar.(bool) {
		return Error, fmt.Sprintf("without chunked prefill %d batched tokens cannot hold a prompt of max_model_len %d", tokens, length), "raise max_num_batched_tokens, or enable chunked prefill"
	}
	return "", "", ""
}

func forbidden(why string, severity Severity) func(v, flags *node, s *Server) (Severity, string, string) {
	return func(v, _ *node, _ *Server) (Severity, string, string) {
		if v.kind == boolKind && !v.scalar.(bool) {
			return "", "", ""
		}
		return severity, why, "remove the flag"
	}
}

// ownPort holds the port of the command line against the port that requests go to.
func ownPort(v, _ *node, s *Server) (Severity, string, string) {
	if i, ok := asInt(v); ok && i != s.Port {
		return Error, fmt.Sprintf("the server is started on port %d, and requests go to the port of the profile", i), "write port: ${port} here, and the number as port: of the profile"
	}
	return "", "", ""
}

func isTrue(n *node) bool { return n != nil && n.kind == boolKind && n.scalar.(bool) }
