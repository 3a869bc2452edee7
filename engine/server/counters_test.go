package server

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"homellm/engine/engines"
)

func scraped(t *testing.T, name string) *Snapshot {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	shot, err := parse(engines.Response{Status: http.StatusOK, Kind: "text/plain", Body: data})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return shot
}

func sideOf(t *testing.T, engine, address string) *Side {
	t.Helper()
	side, err := NewSide(Config{BaseURL: address, Engine: engine, Model: "m"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(side.at.client.CloseIdleConnections)
	return side
}

func TestBetween(t *testing.T) {
	tests := []struct {
		name, engine, before, after string
		reply                       Reply
		values                      map[string]float64
		cached                      map[string]int
		why                         string
	}{
		{
			name: "vLLM now", engine: "vllm", before: "vllm-0.27-before.prom", after: "vllm-0.27-after.prom",
			reply: Reply{Prompt: new(2304)},
			values: map[string]float64{"server.queue_ms": 2.5, "server.prefill_ms": 37.5, "server.decode_ms": 640,
				"server.ttft_ms": 41.5, "cache.local_tokens": 2288, "cache.external_tokens": 0},
			cached: map[string]int{"vllm:prompt_tokens_by_source": 2288, "vllm:request_prefill_kv_computed_tokens": 2288,
				"vllm:prompt_tokens_cached": 2288, "vllm:prefix_cache_hits": 2288},
		},
		{
			name: "vLLM with drafts, whose gaps between pieces are none between tokens", engine: "vllm",
			before: "vllm-0.32-drafts-before.prom", after: "vllm-0.32-drafts-after.prom",
			reply: Reply{Prompt: new(44)},
			values: map[string]float64{"server.decode_ms": 20319.996829000956, "spec.draft_tokens": 8,
				"spec.accepted_tokens": 6},
			cached: map[string]int{},
		},
		{
			name: "vLLM 0.11 with offloading", engine: "vllm",
			before: "vllm-0.11-offloading-before.prom", after: "vllm-0.11-offloading-after.prom",
			reply: Reply{Prompt: new(200)}, cached: map[string]int{"vllm:prefix_cache_hits": 192},
			values: map[string]float64{"server.ttft_ms": 250, "cache.external_tokens": 64},
		},
		{
			name: "vLLM 0.8", engine: "vllm", before: "vllm-0.8-before.prom", after: "vllm-0.8-after.prom",
			reply:  Reply{Prompt: new(200)},
			values: map[string]float64{"server.ttft_ms": 250},
			cached: map[string]int{"vllm:gpu_prefix_cache_hits": 192},
		},
		{
			name: "vLLM 0.8, a request scheduled twice", engine: "vllm", before: "vllm-0.8-before.prom",
			after: "vllm-0.8-twice.prom", reply: Reply{Prompt: new(200)},
			values: map[string]float64{"server.ttft_ms": 250},
			cached: map[string]int{},
		},
		{
			name: "vLLM V0 has only a rate", engine: "vllm", before: "vllm-0.7-before.prom", after: "vllm-0.7-after.prom",
			reply:  Reply{Prompt: new(200)},
			values: map[string]float64{"server.ttft_ms": 250},
			cached: map[string]int{},
		},
		{name: "foreign request", engine: "vllm", before: "vllm-0.27-before.prom", after: "vllm-0.27-two.prom",
			reply: Reply{Prompt: new(2304)}, why: "2 requests ended"},
		{name: "foreign tokens", engine: "vllm", before: "vllm-0.27-before.prom", after: "vllm-0.27-after.prom",
			reply: Reply{Prompt: new(2000)}, why: "grew by 2304 and the reply reports 2000"},
		{name: "restart", engine: "vllm", before: "vllm-0.27-before.prom", after: "vllm-0.27-restarted.prom",
			reply: Reply{Prompt: new(2304)}, why: "process_start_time_seconds changed"},
		{name: "restart without the instant", engine: "vllm", before: "vllm-0.8-after.prom", after: "vllm-0.8-before.prom",
			reply: Reply{Prompt: new(200)}, why: "fell from"},
		{name: "not counted yet", engine: "vllm", before: "vllm-0.27-before.prom", after: "vllm-0.27-before.prom",
			why: "not counted"},
		{
			name: "llama.cpp", engine: "llamacpp", before: "llamacpp-b6400-before.prom", after: "llamacpp-b6400-after.prom",
			reply: Reply{Prompt: new(237), Completion: new(35)},
			// 31 ms of 235.774 s cannot be told from rounding to a millisecond; 661 ms can.
			values: map[string]float64{"server.decode_ms": 661},
			cached: map[string]int{"llamacpp:prompt_tokens": 236},
		},
		{name: "llama.cpp past six digits", engine: "llamacpp", before: "llamacpp-b6400-large.prom",
			after: "llamacpp-b6400-large-after.prom", reply: Reply{Prompt: new(237), Completion: new(35)}, why: "hold nothing"},
		{name: "llama.cpp, foreign tokens", engine: "llamacpp", before: "llamacpp-b6400-before.prom",
			after: "llamacpp-b6400-after.prom", reply: Reply{Prompt: new(237), Completion: new(20)}, why: "grew by 35"},
		{name: "llama.cpp, tokens unknown", engine: "llamacpp", before: "llamacpp-b6400-before.prom",
			after: "llamacpp-b6400-after.prom", reply: Reply{Prompt: new(237)}, why: "whose they are is unknown"},
		{name: "SGLang does not count its total twice", engine: "sglang", before: "sglang-2026-before.prom",
			after: "sglang-2026-after.prom", reply: Reply{Prompt: new(500)},
			values: map[string]float64{"server.ttft_ms": 125, "cache.local_tokens": 448, "cache.host_tokens": 8},
			cached: map[string]int{"sglang:cached_tokens": 456}},
		{name: "no metrics", engine: "ollama", before: "vllm-0.27-before.prom", after: "vllm-0.27-after.prom",
			why: "no metrics endpoint"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			side := sideOf(t, tt.engine, "http://127.0.0.1:1")
			got := side.Between(scraped(t, tt.before), scraped(t, tt.after), tt.reply)
			if tt.why == "" && got.Why != "" || !strings.Contains(got.Why, tt.why) {
				t.Fatalf("why = %q, want %q", got.Why, tt.why)
			}
			if tt.why != "" {
				if len(got.Values) > 0 || len(got.cached) > 0 {
					t.Fatalf("numbers beside a reason: %v %v", got.Values, got.cached)
				}
				return
			}
			// The sums are differences of decimal fractions: a nanosecond is their noise.
			if diff := cmp.Diff(tt.values, got.Values, cmpopts.EquateApprox(0, 1e-6)); diff != "" {
				t.Errorf("values (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.cached, got.cached); diff != "" {
				t.Errorf("cached (-want +got):\n%s", diff)
			}
		})
	}
}

// A sum that is no number is not known. Infinity would end the run: no journal can hold it.
func TestSnapshot_HistogramThatIsNoNumber(t *testing.T) {
	for said, want := range map[string]bool{"1.5": true, "NaN": false, "+Inf": false} {
		text := "# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_sum " + said + "\nh_count 1\n"
		shot, err := parse(engines.Response{Status: http.StatusOK, Kind: "text/plain", Body: []byte(text)})
		if err != nil {
			t.Fatal(err)
		}
		if sum, _, ok := shot.histogram("h"); ok != want {
			t.Errorf("a sum of %s: %v, known %v", said, sum, ok)
		}
	}
}

func TestSnapshot_Facts(t *testing.T) {
	shot := scraped(t, "vllm-0.27-before.prom")
	config := engines.Of("vllm").Metrics.Config
	if n, ok := config.BlockTokens(shot); !ok || n != 16 {
		t.Errorf("BlockTokens = %v, %v", n, ok)
	}
	if _, ok := (engines.CacheConfig{Family: config.Family, Block: "sliding_window"}).BlockTokens(shot); ok {
		t.Error(`the word "None" was read as a number`)
	}
	if off := config.Off(scraped(t, "vllm-0.27-cacheoff.prom")); !off {
		t.Error("a cache that is off was not seen")
	}
	if sum, ok := shot.sum("vllm:prefix_cache_queries", nil); !ok || sum != 230400 {
		t.Errorf("queries = %v, %v: the _created series must not be added", sum, ok)
	}
}

func TestParse_NotMetrics(t *testing.T) {
	for want, r := range map[string]engines.Response{
		`a web page titled "Sign in"`: {Status: 200, Kind: "text/html", Body: []byte("<html><title>Sign in</title></html>")},
		"HTTP 404: Not Found":         {Status: 404, Kind: "application/json", Body: []byte(`{"detail":"Not Found"}`)},
		"holds no metric":             {Status: 200, Kind: "text/plain"},
		"not Prometheus text": {Status: 200, Kind: "application/json",
			Body: []byte(`{"error":"Unexpected endpoint"}`)},
	} {
		if _, err := parse(r); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range []string{"vllm-0.27-before.prom", "llamacpp-b6400-before.prom", "sglang-2026-before.prom"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	side, err := NewSide(Config{BaseURL: "http://127.0.0.1:1", Engine: "vllm"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		shot, err := parse(engines.Response{Status: 200, Kind: "text/plain", Body: data})
		if err != nil {
			return
		}
		for name, v := range side.Between(shot, shot, Reply{}).Values {
			if v < 0 || v != v {
				t.Errorf("%s = %v", name, v)
			}
		}
	})
}
