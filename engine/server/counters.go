package server

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
)

// names is what an engine's metrics are called, in all its versions: of several names the first
// that is there counts.
type names struct {
	timings  []timing
	finished []string // counter of finished requests, whatever their end
	inFlight []string // gauges that add up to the requests running and waiting
	kv       []string // gauge, 0..1
	prompt   string   // counter of prompt tokens
	whole    bool     // prompt counts cached tokens as well
	output   string   // counter of generated tokens
	cached   []cachedBy
}

// timing maps one metric of homellm to what the server measures of it.
type timing struct {
	metric     string // in milliseconds
	histograms []string
	counter    string // seconds; where there is no histogram
}

// cachedBy is one way to learn the cached tokens of the single request between two scrapes.
type cachedBy struct {
	family string // shown as the source
	count  func(d difference, r Reply) (n float64, ok bool)
}

// vLLM: names as exposed by its engines V0 (to 0.7), early V1 (0.8 to 0.9) and V1 since.
var vllmNames = &names{
	timings: []timing{
		{metric: "server.queue_ms", histograms: []string{"vllm:request_queue_time_seconds"}},
		{metric: "server.prefill_ms", histograms: []string{"vllm:request_prefill_time_seconds"}},
		{metric: "server.decode_ms", histograms: []string{"vllm:request_decode_time_seconds"}},
		{metric: "server.ttft_ms", histograms: []string{"vllm:time_to_first_token_seconds"}},
		{metric: "server.e2e_ms", histograms: []string{"vllm:e2e_request_latency_seconds"}},
	},
	finished: []string{"vllm:request_success"},
	inFlight: []string{"vllm:num_requests_running", "vllm:num_requests_waiting"},
	kv:       []string{"vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"},
	prompt:   "vllm:prompt_tokens", whole: true,
	output: "vllm:generation_tokens",
	cached: []cachedBy{
		{"vllm:prompt_tokens_by_source", func(d difference, _ Reply) (float64, bool) {
			return d.sum("vllm:prompt_tokens_by_source", func(m *dto.Metric) bool {
				source := label(m, "source")
				return source == "local_cache_hit" || source == "external_kv_transfer"
			})
		}},
		{"vllm:request_prefill_kv_computed_tokens", func(d difference, _ Reply) (float64, bool) {
			prompt, ok := d.sum("vllm:prompt_tokens", nil)
			computed, n, okComputed := d.histogram("vllm:request_prefill_kv_computed_tokens")
			return prompt - computed, ok && okComputed && n == 1
		}},
		{"vllm:prompt_tokens_cached", func(d difference, _ Reply) (float64, bool) {
			return d.sum("vllm:prompt_tokens_cached", nil)
		}},
		// A request that the scheduler tried twice is counted twice in these two; queries equal
		// to the prompt rule that out.
		{"vllm:prefix_cache_hits", hits("vllm:prefix_cache")},
		{"vllm:gpu_prefix_cache_hits", hits("vllm:gpu_prefix_cache")},
	},
}

func hits(prefix string) func(difference, Reply) (float64, bool) {
	return func(d difference, r Reply) (float64, bool) {
		queries, ok := d.sum(prefix+"_queries", nil)
		n, okHits := d.sum(prefix+"_hits", nil)
		return n, ok && okHits && r.Prompt != nil && queries == float64(*r.Prompt)
	}
}

// SGLang: histograms of the request seen from the front end; no prefill and decode of their own.
var sglangNames = &names{
	timings: []timing{
		{metric: "server.queue_ms", histograms: []string{"sglang:queue_time_seconds"}},
		{metric: "server.ttft_ms", histograms: []string{"sglang:time_to_first_token_seconds"}},
		{metric: "server.e2e_ms", histograms: []string{"sglang:e2e_request_latency_seconds"}},
	},
	finished: []string{"sglang:num_requests"},
	inFlight: []string{"sglang:num_running_reqs", "sglang:num_queue_reqs"},
	kv:       []string{"sglang:token_usage"},
	prompt:   "sglang:prompt_tokens", whole: true,
	output: "sglang:generation_tokens",
	cached: []cachedBy{{"sglang:cached_tokens", func(d difference, _ Reply) (float64, bool) {
		// One series per place the tokens came from; some versions add one named total, which
		// would count everything twice.
		parts := func(m *dto.Metric) bool { return label(m, "cache_source") != "total" }
		if n, ok := d.sum("sglang:cached_tokens", parts); ok {
			return n, true
		}
		return d.sum("sglang:cached_tokens", nil)
	}}},
}

// llama.cpp: plain counters, printed with six significant digits; prompt tokens are the computed
// ones alone. The timings block of every reply is better in all respects.
var llamaNames = &names{
	timings: []timing{
		{metric: "server.prefill_ms", counter: "llamacpp:prompt_seconds"},
		{metric: "server.decode_ms", counter: "llamacpp:tokens_predicted_seconds"},
	},
	inFlight: []string{"llamacpp:requests_processing", "llamacpp:requests_deferred"},
	kv:       []string{"llamacpp:kv_cache_usage_ratio"},
	prompt:   "llamacpp:prompt_tokens",
	output:   "llamacpp:tokens_predicted",
	cached: []cachedBy{{"llamacpp:prompt_tokens", func(d difference, r Reply) (float64, bool) {
		computed, ok := d.exact("llamacpp:prompt_tokens")
		if !ok || r.Prompt == nil {
			return 0, false
		}
		return float64(*r.Prompt) - computed, true
	}}},
}

// difference is what happened between two scrapes.
type difference struct{ before, after *Snapshot }

// sum is the growth of a counter; absent if it is in neither scrape or shrank. A series that
// appeared in between grew from 0.
func (d difference) sum(name string, keep func(*dto.Metric) bool) (float64, bool) {
	after, ok := d.after.sum(name, keep)
	if !ok {
		return 0, false
	}
	before, ok := d.before.sum(name, keep)
	if !ok && d.before.has(name) && keep == nil {
		return 0, false // it was there and no number
	}
	return after - before, after >= before
}

// exact is sum for a counter that is printed with six significant digits: above 999,999 its
// differences are rounding.
func (d difference) exact(name string) (float64, bool) {
	if v, ok := d.after.sum(name, nil); !ok || v >= 1e6 {
		return 0, false
	}
	return d.sum(name, nil)
}

// seconds is the growth of such a counter of seconds. It is absent if a unit in the sixth digit
// is more than a hundredth of it.
func (d difference) seconds(name string) (float64, bool) {
	after, ok := d.after.sum(name, nil)
	grown, okGrown := d.sum(name, nil)
	if !ok || !okGrown || after <= 0 {
		return 0, false
	}
	unit := math.Pow(10, math.Floor(math.Log10(after))-5)
	return grown, grown >= 100*unit
}

// histogram is the growth of a histogram's sum and count.
func (d difference) histogram(name string) (sum, count float64, ok bool) {
	sum, count, ok = d.after.histogram(name)
	if !ok {
		return 0, 0, false
	}
	if s, c, before := d.before.histogram(name); before {
		sum, count = sum-s, count-c
	}
	return sum, count, sum >= 0 && count >= 0
}

// restarted says how the two scrapes show that the server was started anew between them; empty
// if they do not.
func (d difference) restarted(n *names) string {
	was, okWas := d.before.sum("process_start_time_seconds", nil)
	is, okIs := d.after.sum("process_start_time_seconds", nil)
	if okWas && okIs && was != is {
		return "the server was restarted in between (process_start_time_seconds changed)"
	}
	for _, name := range append([]string{n.prompt, n.output}, n.finished...) {
		was, okWas := d.before.sum(name, nil)
		is, okIs := d.after.sum(name, nil)
		if okWas && okIs && is < was {
			return fmt.Sprintf("the server was restarted in between (%s fell from %v to %v)", name, was, is)
		}
	}
	return ""
}

// Reply is what a reply said of its tokens; nil is what it did not say.
type Reply struct {
	Prompt     *int
	Completion *int
	Cached     *int
	Source     string // of Cached: usage or timings
}

// Delta is what the server's own metrics say about the one request between two scrapes.
type Delta struct {
	Values map[string]float64 // server.prefill_ms … by metric name; what cannot be told is not in it
	Why    string             // why Values is empty

	cached map[string]int // by family
}

// Between compares the scrapes before and after one request. The difference is that request's
// only if the server is the same process, counted exactly one request to its end, and counted
// the tokens that the reply reports; where one of these fails, Delta holds the reason and no
// number.
func (s *Side) Between(before, after *Snapshot, r Reply) Delta {
	if before == nil || after == nil {
		return Delta{Why: "there is no scrape from before and after the request"}
	}
	n := s.engine.names
	if n == nil {
		return Delta{Why: s.engine.Title + " has no metrics endpoint"}
	}
	d := difference{before, after}
	if why := d.alone(n, r); why != "" {
		return Delta{Why: why}
	}
	out := Delta{Values: map[string]float64{}, cached: map[string]int{}}
	for _, t := range n.timings {
		if seconds, ok := d.timing(t); ok {
			out.Values[t.metric] = 1000 * seconds
		}
	}
	for _, c := range n.cached {
		tokens, ok := c.count(d, r)
		if ok && tokens >= 0 && tokens == math.Trunc(tokens) && (r.Prompt == nil || tokens <= float64(*r.Prompt)) {
			out.cached[c.family] = int(tokens)
		}
	}
	if len(out.Values) == 0 && len(out.cached) == 0 {
		out.Why = "the server's metrics hold nothing about single requests"
	}
	return out
}

// timing is the growth of one time, in seconds, if exactly one request made it.
func (d difference) timing(t timing) (float64, bool) {
	for _, name := range t.histograms {
		if sum, count, ok := d.histogram(name); ok {
			return sum, count == 1
		}
	}
	if t.counter != "" {
		return d.seconds(t.counter)
	}
	return 0, false
}

// alone says why the difference is not the doing of one request; empty if it is.
func (d difference) alone(n *names, r Reply) string {
	if why := d.restarted(n); why != "" {
		return why
	}
	for _, name := range n.finished {
		grown, ok := d.sum(name, nil)
		switch {
		case !ok:
			continue
		case grown == 0:
			return "the server has not counted the request"
		case grown > 1:
			return fmt.Sprintf("%v requests ended in that time (%s): somebody else uses the server", grown, name)
		}
		return d.sameTokens(n, r, false)
	}
	// Without a counter of requests, the tokens of the reply have to account for everything.
	return d.sameTokens(n, r, true)
}

// sameTokens compares the token counters with the reply. Where the server counts requests, the
// prompt alone is compared (what it generated past a stop string is its own business) and what
// cannot be compared is let go. If strict, everything there is has to be there and equal.
func (d difference) sameTokens(n *names, r Reply, strict bool) string {
	type pair struct {
		name string
		want *int
	}
	var pairs []pair
	if n.whole {
		pairs = append(pairs, pair{n.prompt, r.Prompt})
	}
	if strict {
		pairs = append(pairs, pair{n.output, r.Completion})
	}
	for _, p := range pairs {
		grown, ok := d.sum(p.name, nil)
		if !ok || p.want == nil {
			if strict {
				return "the server counts no requests and the tokens cannot be compared: whose they are is unknown"
			}
			continue
		}
		if grown != float64(*p.want) {
			return fmt.Sprintf("%s grew by %v and the reply reports %d: somebody else uses the server, or it counted twice", p.name, grown, *p.want)
		}
	}
	return ""
}

// How long Settle waits, and how often it looks.
const (
	settleLimit = time.Second
	settleEvery = 20 * time.Millisecond
)

// Settle scrapes until the server has counted one more request than in before and is idle: it
// may count a request after its client has seen the end of it. After a second it returns what
// there is, and [Side.Between] says what is wrong with it.
func (s *Side) Settle(ctx context.Context, before *Snapshot) (*Snapshot, error) {
	deadline := time.Now().Add(settleLimit)
	for {
		shot, err := s.Metrics(ctx)
		if err != nil {
			return nil, err
		}
		if before == nil || s.settled(difference{before, shot}) || time.Now().After(deadline) {
			return shot, nil
		}
		if err := pause(ctx, settleEvery); err != nil {
			return nil, fmt.Errorf("waiting for the server's counters: %w", err)
		}
	}
}

func (s *Side) settled(d difference) bool {
	if busy, ok := s.InFlight(d.after); ok && busy > 0 {
		return false
	}
	n := s.engine.names
	if d.restarted(n) != "" {
		return true // waiting will not mend it
	}
	for _, name := range append(append([]string{}, n.finished...), n.output) {
		if grown, ok := d.sum(name, nil); ok {
			return grown >= 1
		}
	}
	return true
}

// families lists the names of the ways to count cached tokens.
func (n *names) families() string {
	all := make([]string, len(n.cached))
	for i, c := range n.cached {
		all[i] = c.family
	}
	return strings.Join(all, ", ")
}
