package metrics

import (
	"cmp"

	"homellm/engine/event"
)

// speeds say how fast tokens came.
var speeds = []Def{
	{Name: "tpot_ms", Unit: "ms", Kind: Float, Better: -1, Levels: turns, answer: true, Fold: Ratio, Baseline: true,
		Source: "client, usage", Support: "usage",
		Shown: Shown{
			Delta: &Delta{Rank: 3, Stat: "p50"}, Property: "p50",
		},
		Doc: "time per output token after the first chunk",
		Formula: "(t_k - t_1) / (n - k1 - e); e: tokens without text after the last delta, such as the one that ends a " +
			"reply; where it leaves the result within 5 %, (t_end - t_1) / (n - k1) up to the finish reason; unknown if " +
			"n <= k1; an interval where what is unknown of k1 and e leaves more than 5 % open",
		parts: func(_ *Cell, q *event.Request) (num, den float64, why string) {
			n, window, why := decode(q)
			return event.Milliseconds(window), n, why
		}, region: tpotRegion},
	{Name: "output_tps", Unit: "tokens/s", Kind: Float, Better: +1, Levels: turnsAndRun, answer: true, Fold: Ratio,
		Baseline: true, Source: "client, usage", Support: "usage",
		Shown: Shown{
			Columns: []Column{{Rank: 8, Head: "decode tok/s", Stat: "mean"}},
			Line: &Line{Chart: "Decode speed", Label: "decode tokens/s", Color: 2,
				Caption: "Tokens a second after the first; higher is better."},
			Box: "Decode speed", Tile: &Tile{Name: "decode tokens/s", Stat: "mean", Note: "token-weighted"},
			Delta: &Delta{Rank: 2, Stat: "mean"}, Property: "mean",
			Beside: &Beside{Rank: 3, Head: "decode tok/s", Stat: "mean", Whole: true},
		},
		Doc:     "decode speed: output tokens per second after the first chunk, prefill excluded",
		Formula: "(n - k1 - e) / (t_k - t_1), with the terms of tpot_ms",
		parts: func(_ *Cell, q *event.Request) (num, den float64, why string) {
			n, window, why := decode(q)
			return n, window.Seconds(), why
		}, region: decodeRegion},
	{Name: "prefill_tps", Unit: "tokens/s", Kind: Float, Better: +1, Levels: turns, Fold: Ratio, Baseline: true,
		Source: "client, usage", Support: "cache",
		Doc:     "prompt tokens the server computed per second; cached tokens do not count",
		Formula: "(prompt_tokens - cache.cached_tokens) / (ttft - client.rtt_floor_ms where it was measured)",
		parts:   prefill, region: prefillRegion, first: true},
	{Name: "icl_p50_ms", Unit: "ms", Kind: Float, Better: -1, Levels: turns, answer: true, Fold: Mean, Source: "client",
		Support: "streaming",
		Doc:     "median time between arrivals of text within the turn",
		Formula: "50th percentile of t_i - t_(i-1), nearest rank; what arrives within 1 ms of the first of a group is one " +
			"arrival; unknown if one read delivered several deltas",
		each: gap(50)},
	{Name: "icl_p95_ms", Unit: "ms", Kind: Float, Better: -1, Levels: turns, answer: true, Fold: Mean, Source: "client",
		Support: "streaming",
		Doc:     "95th percentile of the time between arrivals of text within the turn", Formula: "as icl_p50_ms",
		each: gap(95)},
	{Name: "icl_p99_ms", Unit: "ms", Kind: Float, Better: -1, Levels: turns, answer: true, Fold: Mean, Source: "client",
		Support: "streaming",
		Doc:     "99th percentile of the time between arrivals of text within the turn", Formula: "as icl_p50_ms",
		each: gap(99)},
	{Name: "icl_max_ms", Unit: "ms", Kind: Float, Better: -1, Levels: turns, answer: true, Fold: Max, Source: "client",
		Support: "streaming",
		Doc:     "longest time between arrivals of text within the turn",
		Formula: "largest t_i - t_(i-1); over several turns, those of one token left out",
		each:    gap(100)},
	{Name: "stalls", Unit: "stalls", Kind: Int, Better: -1, Levels: turns, answer: true, Fold: Sum, Source: "client",
		Support: "streaming",
		Doc:     "how often the text stood still", Formula: "gaps longer than 5 x the median gap of the turn; a reply " +
			"of one token has none",
		each: func(_ *Cell, q *event.Request) (any, string) {
			g, why := gaps(q)
			switch why {
			case "":
				return stalls(g), ""
			case oneToken:
				return 0, ""
			}
			return nil, why
		}},
	{Name: "chunk_tokens", Unit: "tokens", Kind: Float, Levels: turns, answer: true, Fold: Ratio, Source: "client, usage",
		Support: "usage",
		Doc:     "tokens in one delta: far from 1, arrivals of text are not arrivals of tokens",
		Formula: "n / k",
		parts: func(_ *Cell, q *event.Request) (num, den float64, why string) {
			switch {
			case !streamed(q):
				return 0, 0, noStream
			case len(q.Chunks) == 0:
				return 0, 0, noToken
			}
			n, why := output(q)
			return float64(n), float64(len(q.Chunks)), why
		}, region: chunkRegion},
}

// tokens are counts of the server.
var tokens = []Def{
	{Name: "prompt_tokens", Unit: "tokens", Kind: Int, Levels: turnsAndRun, Fold: Sum, Source: "usage", Support: "usage",
		Shown: Shown{
			Columns: []Column{{Rank: 2, Head: "prompt tok", Stat: "mean"}},
			Line: &Line{Chart: "Context", Label: "prompt", Color: 3,
				Caption: "Tokens of each prompt, and how many of them came from the prefix cache."},
			Delta:  &Delta{Rank: 4, Stat: "mean"},
			Beside: &Beside{Rank: 7, Head: "prompt tok", Stat: "mean", Whole: true},
		},
		Doc: "tokens of the prompt, cached or not", Formula: "usage.prompt_tokens; never counted by the client",
		each:   func(_ *Cell, q *event.Request) (any, string) { return promptTokens(q) },
		limits: promptLimits},
	{Name: "output_tokens", length: true,
		Unit: "tokens", Kind: Int, Levels: turnsAndRun, Fold: Sum, Source: "usage", Support: "usage",
		Shown: Shown{Beside: &Beside{Rank: 8, Head: "output tok", Stat: "mean", Whole: true}},
		Doc:   "tokens generated, reasoning included", Formula: "usage.completion_tokens; never counted from chunks",
		each: func(_ *Cell, q *event.Request) (any, string) {
			n, why := output(q)
			return n, why
		}, limits: outputLimits},
	{Name: "reasoning_tokens", wording: true, Unit: "tokens", Kind: Int, Levels: turns, Fold: Sum, Source: "usage",
		Support: "reasoning_tokens",
		Doc:     "tokens generated in the reasoning channel", Formula: "usage.completion_tokens_details.reasoning_tokens",
		each: func(_ *Cell, q *event.Request) (any, string) {
			if q.Usage.Reasoning == nil {
				return nil, "the server does not count reasoning tokens"
			}
			return *q.Usage.Reasoning, ""
		}},
}

// cacheUse is the use of the prefix cache.
var cacheUse = []Def{
	{Name: "cache.cached_tokens", Unit: "tokens", Kind: Int, Better: +1, Levels: turns, Fold: Sum,
		Source: "usage | timings | counters", Support: "cache", from: cacheSource,
		Shown: Shown{
			Columns: []Column{{Rank: 3, Head: "cached tok", Stat: "mean"}},
			Line:    &Line{Chart: "Context", Label: "cached", Color: 1},
		},
		Doc: "prompt tokens that came from the prefix cache", Formula: "as the server reports them; unknown if it does not",
		each: func(_ *Cell, q *event.Request) (any, string) {
			n, _, why := cached(q)
			return n, why
		}, limits: cachedLimits},
	{Name: "cache.hit_rate", Unit: "ratio", Kind: Float, Rate: true, Better: +1, Levels: turnsAndRun, Fold: Ratio,
		Baseline: true, Source: "usage | timings | counters", Support: "cache", from: cacheSource,
		Shown: Shown{
			Columns: []Column{{Rank: 4, Head: "hit rate", Stat: "mean"}},
			Line: &Line{Chart: "Cache hit rate and its ceiling", Alone: "Cache hit rate", Label: "hit rate", Color: 1,
				Caption: "Share of the prompt that came from the prefix cache, and the most that any prefix cache could serve."},
			Tile:  &Tile{Name: "cache hit rate", Stat: "mean", Of: "cache.reusable_rate"},
			Delta: &Delta{Rank: 5, Stat: "mean"}, Property: "mean",
			Beside: &Beside{Rank: 2, Head: "hit rate", Stat: "mean"},
		},
		Doc:     "share of the prompt that came from the prefix cache",
		Formula: "cached_tokens / prompt_tokens; over several turns the sums of both",
		parts: func(_ *Cell, q *event.Request) (num, den float64, why string) {
			n, of, why := cached(q)
			return float64(n), float64(of), why
		}, region: hitRegion},
	{Name: "cache.reusable_tokens", Unit: "tokens", Kind: Int, Levels: turns, Fold: Sum, Source: "tokens | estimated",
		Support: "usage",
		from:    reusableSource,
		Doc:     "prompt tokens that any prefix cache could have kept",
		Formula: "longest token prefix shared with an earlier prompt of the same cache scope, in whole blocks",
		each: func(_ *Cell, q *event.Request) (any, string) {
			n, _, why := reusable(q)
			return n, why
		}, limits: cachedLimits},
	{Name: "cache.reusable_rate", Unit: "ratio", Kind: Float, Rate: true, Levels: turns, Fold: Ratio,
		Support: "usage",
		Source:  "tokens | estimated", from: reusableSource,
		Shown: Shown{
			Columns: []Column{{Rank: 5, Head: "ceiling", Stat: "mean"}},
			Line:    &Line{Chart: "Cache hit rate and its ceiling", Label: "ceiling", Limit: true},
			Delta:   &Delta{Rank: 6, Stat: "mean"}, Property: "mean",
		},
		Doc:     "ceiling of the hit rate: the share of the prompt that any prefix cache could have kept",
		Formula: "reusable_tokens / prompt_tokens; over several turns the sums of both",
		parts: func(_ *Cell, q *event.Request) (num, den float64, why string) {
			n, of, why := reusable(q)
			return float64(n), float64(of), why
		}, region: ceilingRegion},
	{Name: "cache.efficiency", Unit: "ratio", Kind: Float, Better: +1, Levels: turns, Fold: Ratio,
		Source: "usage | timings | counters", Support: "cache", from: efficiencySource,
		Doc: "share of the reusable tokens that came from the prefix cache",
		Formula: "cached_tokens / reusable_tokens; over several turns the sums of both; unknown if reusable_rate < 0.01, " +
			"or if far more was cached than could be",
		parts: efficiency, region: efficiencyRegion},
	{Name: "cache.source", Kind: String, Levels: turns, anyway: true, Source: "client",
		Doc: "who reported the cached tokens; ttft_fit: estimated from the time to the first token, as the server " +
			"reports none",
		Formula: "usage | timings | counters | ttft_fit | none",
		each: func(c *Cell, q *event.Request) (any, string) {
			if _, timed := c.timedTokens(q); timed {
				return timedSource, ""
			}
			return cmp.Or(q.CacheSource, "none"), ""
		}},
}

// serverAccounts are the server's own figures of the request.
var serverAccounts = []Def{
	serverSays("server.queue_ms", "ms", -1, "time the request waited before it was computed"),
	serverSays("server.load_ms", "ms", -1, "time spent on loading the model for this request"),
	serverSays("server.prefill_ms", "ms", -1, "time spent on the prompt"),
	serverSays("server.decode_ms", "ms", -1, "time spent on generating").ofAnswer(),
	serverSays("server.ttft_ms", "ms", -1, "time to the first token, without the network").ofAnswer(),
	serverSays("server.e2e_ms", "ms", -1, "time from arrival to the last token").ofAnswer(),
	serverSays("server.total_ms", "ms", -1, "time spent on the whole request").ofAnswer(),
	serverSays("server.prompt_tokens", "tokens", 0, "prompt tokens that were computed"),
	serverSays("server.cached_tokens", "tokens", 0, "prompt tokens that came from the cache"),
	serverSays("server.itl_ms", "ms", -1, "mean time between two tokens").ofAnswer(),
	serverSays("spec.draft_tokens", "tokens", 0, "tokens that speculative decoding proposed").ofAnswer().told(Speculation),
	serverSays("spec.accepted_tokens", "tokens", 0, "proposed tokens that the model kept").ofAnswer().told(Speculation),
	{Name: "spec.acceptance", Unit: "ratio", Kind: Float, Rate: true, Better: +1, Levels: turns, answer: true, Fold: Ratio,
		Source: "server", Support: Speculation,
		Doc:     "share of the tokens that speculative decoding proposed that the model kept",
		Formula: "spec.accepted_tokens / spec.draft_tokens; over several turns the sums of both",
		parts: func(_ *Cell, q *event.Request) (num, den float64, why string) {
			drafted, told := q.Timings["spec.draft_tokens"]
			accepted, toldToo := q.Timings["spec.accepted_tokens"]
			switch {
			case !told || !toldToo:
				return 0, 0, "the server says nothing of speculative decoding"
			case drafted == 0:
				return 0, 0, "nothing was proposed"
			case accepted > drafted:
				return 0, 0, "the server says that more was kept than was proposed"
			}
			return accepted, drafted, ""
		}},
}

func serverSays(name, unit string, better int, doc string) Def {
	fold := Mean
	if unit == "tokens" {
		fold = Sum
	}
	return Def{Name: name, Unit: unit, Kind: Float, Better: better, Levels: turns, Fold: fold, Source: "server",
		Support: ServerTimings,
		Doc:     doc + ", by the server's own account", Formula: "as the server reports it", each: said(name)}
}
