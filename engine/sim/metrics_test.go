package sim

import (
	"math"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// scrape reads the metrics with Prometheus' own parser.
func (b *bench) scrape() map[string]*dto.MetricFamily {
	b.Helper()
	status, text := b.text("GET", "/metrics", nil)
	if status != 200 {
		b.Fatalf("status %d", status)
	}
	p := expfmt.NewTextParser(model.LegacyValidation)
	families, err := p.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		b.Fatalf("parsing the metrics: %v\n%s", err, text)
	}
	return families
}

// value sums a counter or gauge over the series that carry label=value, or all.
func value(t *testing.T, f map[string]*dto.MetricFamily, name, label, want string) float64 {
	t.Helper()
	if f[name] == nil {
		t.Fatalf("no family %s", name)
	}
	sum := 0.0
	for _, m := range f[name].Metric {
		hit := label == ""
		for _, l := range m.Label {
			hit = hit || l.GetName() == label && l.GetValue() == want
		}
		if hit {
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return sum
}

func histogramOf(t *testing.T, f map[string]*dto.MetricFamily, name string) (n uint64, sum float64) {
	t.Helper()
	if f[name] == nil {
		t.Fatalf("no family %s", name)
	}
	h := f[name].Metric[0].GetHistogram()
	last := uint64(0)
	for _, b := range h.Bucket {
		if b.GetCumulativeCount() < last {
			t.Errorf("%s: bucket %v has %d, less than the one before", name, b.GetUpperBound(), b.GetCumulativeCount())
		}
		last = b.GetCumulativeCount()
	}
	if last != h.GetSampleCount() {
		t.Errorf("%s: the last bucket has %d of %d", name, last, h.GetSampleCount())
	}
	return h.GetSampleCount(), h.GetSampleSum()
}

// One request between two scrapes: every difference is that request's entry in the ledger.
func TestMetricsMatchTheLedger(t *testing.T) {
	virtual(t, Config{}, func(b *bench) {
		messages := []Message{{"system", manual(300)}, {"user", "How tight are the head bolts?"}}
		b.ask(messages, nil)
		before := b.scrape()
		b.ask(messages, nil)
		after := b.scrape()
		e := b.last()
		if e.CachedTokens == 0 {
			t.Fatal("nothing is cached: the test shows little")
		}
		for _, c := range []struct {
			name, label, value string
			want               int
		}{
			{"vllm:prefix_cache_queries_total", "", "", e.PromptTokens},
			{"vllm:prefix_cache_hits_total", "", "", e.CachedTokens},
			{"vllm:prompt_tokens_total", "", "", e.PromptTokens},
			{"vllm:prompt_tokens_cached_total", "", "", e.CachedTokens},
			{"vllm:prompt_tokens_by_source_total", "source", "local_compute", e.PromptTokens - e.CachedTokens},
			{"vllm:prompt_tokens_by_source_total", "source", "local_cache_hit", e.CachedTokens},
			{"vllm:prompt_tokens_by_source_total", "source", "external_kv_transfer", 0},
			{"vllm:generation_tokens_total", "", "", e.OutputTokens},
			{"vllm:request_success_total", "finished_reason", "stop", 1},
			{"vllm:request_success_total", "", "", 1},
			{"vllm:num_preemptions_total", "", "", 0},
			{"vllm:num_requests_running", "", "", 0},
			{"vllm:kv_cache_usage_perc", "", "", 0},
			{"vllm:prompt_tokens_created", "", "", 0},
		} {
			if got := value(t, after, c.name, c.label, c.value) - value(t, before, c.name, c.label,
				c.value); got != float64(c.want) {
				t.Errorf("%s{%s}: %v more, want %d", c.name, c.value, got, c.want)
			}
		}
		seconds := func(d time.Duration) float64 { return d.Seconds() }
		for _, c := range []struct {
			name string
			n    int
			sum  float64
		}{
			{"vllm:time_to_first_token_seconds", 1, seconds(e.TTFT)},
			{"vllm:e2e_request_latency_seconds", 1, seconds(e.E2E)},
			{"vllm:request_queue_time_seconds", 1, seconds(e.Queue)},
			{"vllm:request_prefill_time_seconds", 1, seconds(e.Prefill)},
			{"vllm:request_decode_time_seconds", 1, seconds(e.E2E - e.TTFT)},
			{"vllm:request_inference_time_seconds", 1, seconds(e.E2E - e.TTFT + e.Prefill)},
			{"vllm:inter_token_latency_seconds", e.OutputTokens - 1, seconds(e.E2E - e.TTFT)},
			{"vllm:request_time_per_output_token_seconds", 1, seconds(e.E2E-e.TTFT) / float64(e.OutputTokens-1)},
			{"vllm:request_prompt_tokens", 1, float64(e.PromptTokens)},
			{"vllm:request_generation_tokens", 1, float64(e.OutputTokens)},
			{"vllm:request_prefill_kv_computed_tokens", 1, float64(e.PromptTokens - e.CachedTokens)},
			{"vllm:iteration_tokens_total", e.OutputTokens, float64(e.PromptTokens - e.CachedTokens + e.OutputTokens - 1)},
		} {
			n0, s0 := histogramOf(t, before, c.name)
			n1, s1 := histogramOf(t, after, c.name)
			if int(n1-n0) != c.n || math.Abs(s1-s0-c.sum) > 1e-9 { // sums are floats
				t.Errorf("%s: %d more of %v, want %d of %v", c.name, n1-n0, s1-s0, c.n, c.sum)
			}
		}
		labels := map[string]string{}
		for _, l := range after["vllm:cache_config_info"].Metric[0].Label {
			labels[l.GetName()] = l.GetValue()
		}
		if labels["block_size"] != "16" || labels["enable_prefix_caching"] != "True" || labels["sliding_window"] != "None" {
			t.Errorf("cache_config_info has %v", labels)
		}
		if got := value(t, after, "process_start_time_seconds", "", ""); got != 946684800 { // when a bubble begins
			t.Errorf("process start %v", got)
		}
	})
}

func TestGaugesWhileRunning(t *testing.T) {
	virtual(t, Config{MaxNumSeqs: 1}, func(b *bench) {
		for range 2 {
			go func() { _, _ = b.chat(user(prose), fixed(100)) }() // cut off at the end of the test
		}
		time.Sleep(100 * time.Millisecond)
		f := b.scrape()
		if r, w := value(t, f, "vllm:num_requests_running", "", ""), value(t, f, "vllm:num_requests_waiting", "",
			""); r != 1 || w != 1 {
			t.Errorf("%v running and %v waiting, want 1 and 1", r, w)
		}
		if u := value(t, f, "vllm:kv_cache_usage_perc", "", ""); u <= 0 || u > 0.01 {
			t.Errorf("usage %v", u)
		}
		if _, body := b.text("GET", "/load", nil); body != `{"server_load":2}` {
			t.Errorf("load %s", body)
		}
		b.text("POST", "/reset_prefix_cache", nil)
		time.Sleep(10 * time.Second)
		if s := b.ask(user(prose), fixed(2)); s.usage.Details == nil {
			t.Error("a reset while a request ran was not refused")
		}
	})
}

func TestErasRenameMetrics(t *testing.T) {
	for era, want := range map[string][]string{
		"v1-0.11": {"vllm:prefix_cache_hits_total", "vllm:kv_cache_usage_perc", "vllm:inter_token_latency_seconds"},
		"v1-0.8": {"vllm:gpu_prefix_cache_hits_total", "vllm:gpu_prefix_cache_hits_created", "vllm:gpu_cache_usage_perc",
			"vllm:time_per_output_token_seconds"},
		"v0": {"vllm:gpu_prefix_cache_hit_rate", "vllm:gpu_cache_usage_perc"},
	} {
		virtual(t, Config{Wire: Wire{Version: era}}, func(b *bench) {
			b.ask(user(prose), fixed(2))
			b.ask(user(prose), fixed(2))
			f := b.scrape()
			for _, name := range want {
				if f[name] == nil {
					t.Errorf("%s has no %s", era, name)
				}
			}
			if f["vllm:prompt_tokens_by_source_total"] != nil || (era == "v0") != (f["vllm:prefix_cache_hits_total"] == nil &&
				f["vllm:gpu_prefix_cache_hits_total"] == nil) {
				t.Errorf("%s has metrics of another era", era)
			}
			if era == "v0" {
				l := b.s.Ledger()
				want := float64(l[1].CachedTokens) / float64(l[0].PromptTokens+l[1].PromptTokens)
				if got := value(t, f, "vllm:gpu_prefix_cache_hit_rate", "", ""); got != want {
					t.Errorf("hit rate %v, want %v", got, want)
				}
			}
		})
	}
}

func TestNumbersLookLikePython(t *testing.T) {
	for v, want := range map[float64]string{0: "0.0", 1: "1.0", 230400: "230400.0", 98313546: "9.8313546e+07",
		.001: "0.001", 2.5: "2.5"} {
		if got := number(v); got != want {
			t.Errorf("number(%v) = %q, want %q", v, got, want)
		}
	}
	if got := quoteLabel("a\"b\\c\n"); got != `"a\"b\\c\n"` {
		t.Errorf("label %s", got)
	}
}
