package sim

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// page writes the text of GET /metrics.
type page struct {
	bytes.Buffer
	base    string // labels that every series of the engine carries
	created time.Time
	names   map[string]string // the names of the wire version, where they differ; "" leaves a family out
}

// share is the lifetime hit rate as the first engine reported it: -1 without a prefix cache.
func share(hits, queries int, off bool) float64 {
	switch {
	case off:
		return -1
	case queries == 0:
		return 0
	}
	return float64(hits) / float64(queries)
}

// head opens a family under the name of the wire version; false if that does not have it.
func (p *page) head(name, help, kind string) bool {
	name = p.name(name)
	if name == "" {
		return false
	}
	p.add("# HELP ", name, " ", help, "\n# TYPE ", name, " ", kind, "\n")
	return true
}

func (p *page) name(name string) string {
	if other, ok := p.names[name]; ok {
		return other
	}
	return name
}

// series writes one sample; extra is a further label, or empty.
func (p *page) series(name, extra string, v float64) {
	p.add(name, "{", p.base)
	if extra != "" {
		p.add(",", extra)
	}
	p.add("} ", number(v), "\n")
}

func (p *page) add(parts ...string) {
	for _, s := range parts {
		p.WriteString(s)
	}
}

func (p *page) gauge(name, help string, v float64) {
	if p.head(name, help, "gauge") {
		p.series(p.name(name), "", v)
	}
}

func (p *page) counter(name, help string, v int) {
	if p.head(name+"_total", help, "counter") {
		p.series(p.name(name+"_total"), "", float64(v))
		p.born(strings.TrimSuffix(p.name(name+"_total"), "_total"), help, "")
	}
}

// counters writes a family with one more label, in the order of values.
func (p *page) counters(name, help, label string, values []string, v map[string]int) {
	if !p.head(name+"_total", help, "counter") {
		return
	}
	name = p.name(name + "_total")
	extra := make([]string, len(values))
	for i, value := range values {
		extra[i] = label + "=" + quoteLabel(value)
		p.series(name, extra[i], float64(v[value]))
	}
	p.born(strings.TrimSuffix(name, "_total"), help, extra...)
}

func (p *page) histogram(name, help string, h *histogram) {
	if !p.head(name, help, "histogram") {
		return
	}
	name = p.name(name)
	sum := 0
	for i, b := range h.bounds {
		sum += h.counts[i]
		p.series(name+"_bucket", `le="`+number(b)+`"`, float64(sum))
	}
	p.series(name+"_bucket", `le="+Inf"`, float64(h.n))
	p.series(name+"_count", "", float64(h.n))
	p.series(name+"_sum", "", h.sum)
	p.born(name, help, "")
}

// born writes the gauge that prometheus_client adds to a counter or histogram: when it was made.
func (p *page) born(name, help string, extra ...string) {
	name += "_created"
	p.add("# HELP ", name, " ", help, "\n# TYPE ", name, " gauge\n")
	for _, x := range extra {
		p.series(name, x, unixSeconds(p.created))
	}
}

// number formats a value as prometheus_client does: always a point or an exponent.
func number(v float64) string {
	if n := int64(v); float64(n) == v && -1e6 < v && v < 1e6 && (n != 0 || !math.Signbit(v)) {
		return strconv.FormatInt(n, 10) + ".0"
	}
	s := strconv.FormatFloat(v, 'g', -1, 64)
	if v == math.Trunc(v) && !strings.ContainsAny(s, "e.") {
		s += ".0"
	}
	return s
}

func unixSeconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }

func quoteLabel(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}

func pythonBool(b bool) string {
	if b {
		return "True"
	}
	return "False"
}

// writeMetrics renders the exposition. e.mu is held by the caller.
func (s *Server) writeMetrics() []byte {
	e, m := s.engine, s.engine.metrics
	p := &page{
		base:    fmt.Sprintf(`engine="0",model_name=%s`, quoteLabel(s.served[0])),
		created: m.created, names: s.wire.metrics,
	}
	p.gauge("vllm:num_requests_running", "Number of requests in model execution batches.", float64(len(e.running)))
	p.gauge("vllm:num_requests_waiting", "Number of requests waiting to be processed.", float64(len(e.waiting)))
	p.gauge(
		"vllm:kv_cache_usage_perc",
		"KV-cache usage. 1 means 100 percent usage.",
		float64(e.cache.used())/float64(e.cache.total()),
	)
	p.counter("vllm:prefix_cache_queries", "Prefix cache queries, in terms of number of queried tokens.", m.queries)
	p.counter("vllm:prefix_cache_hits", "Prefix cache hits, in terms of number of cached tokens.", m.hits)
	if rate := p.names["hit_rate"]; rate != "" {
		p.gauge(rate, "GPU prefix cache block hit rate.", share(m.hits, m.queries, e.noCache))
	}
	p.counter("vllm:num_preemptions", "Cumulative number of preemptions from the engine.", m.preemptions)
	p.counter("vllm:prompt_tokens", "Number of prefill tokens processed.", m.prompt)
	p.counters("vllm:prompt_tokens_by_source", "Number of prompt tokens by source.", "source",
		[]string{"local_compute", "local_cache_hit", "external_kv_transfer"},
		map[string]int{"local_compute": m.prompt - m.cached, "local_cache_hit": m.cached - m.offloaded,
			"external_kv_transfer": m.offloaded})
	p.counter("vllm:prompt_tokens_cached", "Number of prompt tokens found in a cache.", m.cached)
	p.counter("vllm:generation_tokens", "Number of generation tokens processed.", m.generated)
	p.counters(
		"vllm:request_success",
		"Count of successfully processed requests.",
		"finished_reason",
		finishReasons,
		m.success,
	)
	p.histogram("vllm:request_prompt_tokens", "Number of prefill tokens processed.", &m.promptTokens)
	p.histogram("vllm:request_generation_tokens", "Number of generation tokens processed.", &m.replyTokens)
	p.histogram("vllm:request_params_max_tokens", "Histogram of the max_tokens request parameter.", &m.maxTokens)
	p.histogram(
		"vllm:request_prefill_kv_computed_tokens",
		"Number of new KV tokens computed during prefill.",
		&m.kvComputed,
	)
	p.histogram("vllm:iteration_tokens_total", "Histogram of number of tokens per engine_step.", &m.stepTokens)
	p.histogram("vllm:time_to_first_token_seconds", "Histogram of time to first token in seconds.", &m.ttft)
	p.histogram("vllm:inter_token_latency_seconds", "Histogram of inter-token latency in seconds.", &m.itl)
	p.histogram(
		"vllm:request_time_per_output_token_seconds",
		"Histogram of time per output token of a request in seconds.",
		&m.tpot,
	)
	p.histogram("vllm:e2e_request_latency_seconds", "Histogram of e2e request latency in seconds.", &m.e2e)
	p.histogram("vllm:request_queue_time_seconds", "Histogram of time spent in WAITING phase for request.", &m.queue)
	p.histogram("vllm:request_prefill_time_seconds", "Histogram of time spent in PREFILL phase for request.", &m.prefill)
	p.histogram("vllm:request_decode_time_seconds", "Histogram of time spent in DECODE phase for request.", &m.decode)
	p.histogram(
		"vllm:request_inference_time_seconds",
		"Histogram of time spent in RUNNING phase for request.",
		&m.inference,
	)
	if p.head("vllm:cache_config_info", "Information of the LLMEngine CacheConfig", "gauge") {
		fmt.Fprintf(p, `vllm:cache_config_info{block_size="%d",cache_dtype="auto",enable_prefix_caching="%s",engine="0",`+
			`gpu_memory_utilization="%g",kv_cache_size_tokens="%d",num_gpu_blocks="%d",num_gpu_blocks_override="None",`+
			`prefix_caching_hash_algo="sha256",sliding_window="None"} 1.0`+"\n",
			e.grain*blockTokens, pythonBool(!e.noCache), memoryShare, e.cache.total()*blockTokens, e.cache.total())
	}
	p.head("process_start_time_seconds", "Start time of the process since unix epoch in seconds.", "gauge")
	fmt.Fprintf(p, "process_start_time_seconds %s\n", number(unixSeconds(m.created)))
	return p.Bytes()
}
