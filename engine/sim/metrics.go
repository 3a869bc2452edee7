package sim

import (
	"time"
)

// metrics counts what vLLM counts, at the moments at which vLLM counts it. The engine's mutex guards it.
type metrics struct {
	created      time.Time
	queries      int // prefix cache, in tokens, when first scheduled
	hits         int
	prompt       int // prompt tokens, when the first token appears
	cached       int // of which from the cache
	offloaded    int // of which from the host's memory
	generated    int
	preemptions  int
	success      map[string]int
	ttft         histogram
	itl          histogram
	tpot         histogram
	e2e          histogram
	queue        histogram
	prefill      histogram
	decode       histogram
	inference    histogram
	promptTokens histogram
	replyTokens  histogram
	maxTokens    histogram
	kvComputed   histogram
	stepTokens   histogram
}

// finishReasons are the labels of request_success, all present from the start.
var finishReasons = []string{"stop", "length", "abort", "error"}

var (
	ttftBounds = []float64{
		.001,
		.005,
		.01,
		.02,
		.04,
		.06,
		.08,
		.1,
		.25,
		.5,
		.75,
		1,
		2.5,
		5,
		7.5,
		10,
		20,
		40,
		80,
		160,
		640,
		2560,
	}
	tokenBounds = []float64{.01, .025, .05, .075, .1, .15, .2, .3, .4, .5, .75, 1, 2.5, 5, 7.5, 10, 20, 40, 80}
	phaseBounds = []float64{.3, .5, .8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680}
	stepBounds  = []float64{1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384}
)

func newMetrics(now time.Time, contextTokens int) *metrics {
	counts := seriesBounds(contextTokens)
	return &metrics{
		created: now, success: map[string]int{},
		ttft: newHistogram(ttftBounds), itl: newHistogram(tokenBounds), tpot: newHistogram(tokenBounds),
		e2e: newHistogram(phaseBounds), queue: newHistogram(phaseBounds), prefill: newHistogram(phaseBounds),
		decode: newHistogram(phaseBounds), inference: newHistogram(phaseBounds),
		promptTokens: newHistogram(counts), replyTokens: newHistogram(counts), maxTokens: newHistogram(counts),
		kvComputed: newHistogram(counts), stepTokens: newHistogram(stepBounds),
	}
}

// seriesBounds are 1, 2, 5, 10, 20, 50 … up to limit.
func seriesBounds(limit int) []float64 {
	var out []float64
	for base := 1; ; base *= 10 {
		for _, m := range []int{1, 2, 5} {
			if m*base > limit {
				return out
			}
			out = append(out, float64(m*base))
		}
	}
}

// admitted counts a sequence that is scheduled for the first time.
func (m *metrics) admitted(q *sequence) {
	m.queries += q.prompt
	m.hits += q.cached - q.offloaded
}

// token counts one token of a reply that appears now; q.at.first and q.at.last are not updated yet.
func (m *metrics) token(q *sequence, now time.Time) {
	m.generated++
	if q.at.first.IsZero() {
		m.prompt += q.prompt
		m.cached += q.cached
		m.offloaded += q.offloaded
		m.ttft.seconds(now.Sub(q.at.arrival))
		return
	}
	m.itl.seconds(now.Sub(q.at.last))
}

// finished counts a sequence that has ended. One that ended before its first token has no intervals.
func (m *metrics) finished(q *sequence, reason string) {
	m.success[reason]++
	n := q.length - q.prompt
	m.promptTokens.observe(float64(q.prompt))
	m.replyTokens.observe(float64(n))
	m.maxTokens.observe(float64(q.limit))
	if n == 0 {
		return
	}
	m.kvComputed.observe(float64(q.prompt - q.cached))
	m.e2e.seconds(q.at.last.Sub(q.at.arrival))
	m.queue.seconds(q.at.admitted.Sub(q.at.ready))
	m.prefill.seconds(q.at.first.Sub(q.at.admitted))
	m.decode.seconds(q.at.last.Sub(q.at.first))
	m.inference.seconds(q.at.last.Sub(q.at.admitted))
	if n > 1 {
		m.tpot.observe(q.at.last.Sub(q.at.first).Seconds() / float64(n-1))
	}
}

// histogram is a Prometheus histogram; counts are per bucket, not yet cumulative.
type histogram struct {
	bounds []float64
	counts []int
	n      int
	sum    float64
}

func newHistogram(bounds []float64) histogram {
	return histogram{bounds: bounds, counts: make([]int, len(bounds))}
}

func (h *histogram) seconds(d time.Duration) { h.observe(d.Seconds()) }

func (h *histogram) observe(v float64) {
	h.n++
	h.sum += v
	for i, b := range h.bounds {
		if v <= b {
			h.counts[i]++
			return
		}
	}
}
