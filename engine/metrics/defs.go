package metrics

import (
	"strings"
	"unicode/utf8"

	"homellm/engine/event"
)

var (
	turns  = []Level{TurnLevel}
	groups = []Level{ConversationLevel, RunLevel}
)

// Defs is the table of every metric. In the formulas, sent is the first byte of the request
// handed to the kernel, t_1 … t_k are the arrivals of non-empty deltas of any channel, n is the
// server's count of output tokens and k1 the tokens that came with the first delta (1 a delta
// unless the server says more). Instants are monotonic: the kernel's stamps where it tells them,
// else taken when a read returns, before decoding.
var Defs = []Def{
	// What became of the request.
	{Name: "ok", Kind: Bool, Better: +1, Levels: turns, Fold: All, anyway: true, Source: "client",
		Doc:     "the reply is complete and no error came with it",
		Formula: "no error of any class",
		each:    func(_ *Cell, q *event.Request) (any, string) { return q.Err == nil, "" }},
	{Name: "status", Kind: Int, Levels: turns, anyway: true, Source: "client",
		Doc: "HTTP status", Formula: "as received; unknown if none was",
		each: func(_ *Cell, q *event.Request) (any, string) {
			if q.Status == 0 {
				return nil, "no HTTP status was received"
			}
			return q.Status, ""
		}},
	{Name: "error", Kind: String, Levels: turns, anyway: true, Source: "client",
		Doc: "class of the error; empty if there was none", Formula: "see the error classes",
		each: func(_ *Cell, q *event.Request) (any, string) {
			if q.Err == nil {
				return "", ""
			}
			return q.Err.Class, ""
		}},
	{Name: "finish_reason", Kind: String, Levels: turns, Source: "server",
		Doc: "why generation ended, as the server spells it", Formula: "as received; unknown if the server gave none",
		each: func(_ *Cell, q *event.Request) (any, string) {
			if q.Finish == "" {
				return nil, "the server gave no finish reason"
			}
			return q.Finish, ""
		}},
	{Name: "text", Kind: String, Levels: turns, Source: "server",
		Doc: "the answer, without reasoning", Formula: "all answer deltas joined",
		each: func(_ *Cell, q *event.Request) (any, string) { return q.Text, "" }},
	{Name: "text_len", Unit: "runes", Kind: Int, Levels: turns, Fold: Sum, Source: "client",
		Doc: "length of the answer", Formula: "characters of text",
		each: func(_ *Cell, q *event.Request) (any, string) { return utf8.RuneCountInString(q.Text), "" }},
	{Name: "text_empty", Kind: Bool, Better: -1, Levels: turns, Source: "client",
		Doc: "the answer holds nothing but white space, whatever went on in reasoning or tool calls", Formula: "no character of text is visible",
		each: func(_ *Cell, q *event.Request) (any, string) { return strings.TrimSpace(q.Text) == "", "" }},
	{Name: "text_repetition", Unit: "ratio", Kind: Float, Rate: true, Better: -1, Levels: turns, Fold: Mean, Source: "client",
		Doc: "how much the answer goes in circles: below 0.1 in ordinary prose, near 1 in a loop", Formula: "1 - different four-word sequences / all of them; unknown below 8 words",
		each: func(_ *Cell, q *event.Request) (any, string) { return repetition(q.Text) }},
	{Name: "text_is_json", Kind: Bool, Better: +1, Levels: turns, Source: "client",
		Doc: "the answer is one valid JSON value, alone or as the only fenced block", Formula: "RFC 8259; white space around it does not count",
		each: func(_ *Cell, q *event.Request) (any, string) { return isJSON(q.Text), "" }},
	{Name: "text_same", Kind: Bool, Better: +1, Levels: turns, Source: "client",
		Doc:     "the answer is the one that the same turn got the first time it was played, warm-ups included: at temperature 0, whether the server is deterministic",
		Formula: "text = text of the first play; unknown the first time; a salt in the message, and earlier answers in a live history, make other prompts",
		each:    sameText},

	// Latency.
	{Name: "ttft_ms", Unit: "ms", Kind: Float, Better: -1, Levels: turns, answer: true, Fold: Mean, Baseline: true, FromSending: true, Source: "client",
		Shown: Shown{
			Columns: []Column{{Rank: 6, Head: "TTFT p50", Stat: "p50"}, {Rank: 7, Head: "p95", After: "TTFT p95", Stat: "p95"}},
			Line: &Line{Chart: "Time to first token", Label: "TTFT", Color: 1,
				Caption: "Lower is better. Median of the repeats; the band is their range."},
			Box: "TTFT", Tile: &Tile{Name: "TTFT, median", Stat: "p50"}, Delta: &Delta{Rank: 1, Stat: "p50"}, Property: "p50",
		},
		Doc:     "time to the first token of any channel: answer, reasoning or tool call",
		Formula: "t_1 - sent; role chunks and empty deltas do not count",
		each: func(_ *Cell, q *event.Request) (any, string) {
			t, why := ttft(q)
			return ms(t), why
		}},
	{Name: "ttft_answer_ms", Unit: "ms", Kind: Float, Better: -1, Levels: turns, answer: true, Fold: Mean, Baseline: true, FromSending: true, Source: "client",
		Doc:     "time to the first text of the answer itself",
		Formula: "first answer delta - sent",
		each: func(_ *Cell, q *event.Request) (any, string) {
			if !streamed(q) {
				return nil, noStream
			}
			if thinksAloud(q) {
				return nil, inlined
			}
			for _, c := range q.Chunks {
				if answers(c) {
					return since(q.Sent, c.At)
				}
			}
			return nil, "no answer text arrived"
		}},
	{Name: "ttfs_ms", Unit: "ms", Kind: Float, Better: -1, Levels: turns, answer: true, Fold: Mean, FromSending: true, Source: "client",
		Doc:     "time to the first whole sentence of the answer: when a reader, or a voice, can begin",
		Formula: "arrival of the delta that holds its last character - sent; a sentence ends with . ! or ? before white space or the end, with 。！？, or with a line break behind a word",
		each: func(_ *Cell, q *event.Request) (any, string) {
			t, why := firstSentence(q)
			return ms(t), why
		}},
	{Name: "ttfr_ms", Unit: "ms", Kind: Float, Better: -1, Levels: turns, answer: true, Fold: Mean, FromSending: true, Source: "client",
		Doc:     "time to the first event with choices, empty or not: what several other tools call TTFT; a diagnostic, never a gate",
		Formula: "first event - sent",
		each: func(_ *Cell, q *event.Request) (any, string) {
			if q.FirstEvent == nil {
				return nil, noStream
			}
			return since(q.Sent, *q.FirstEvent)
		}},
	{Name: "e2e_ms", Unit: "ms", Kind: Float, Better: -1, Levels: turns, answer: true, Fold: Mean, Baseline: true, FromSending: true, Source: "client",
		Doc:     "time until the last token",
		Formula: "t_k - sent; of a reply that was not streamed: end of the exchange - sent",
		each: func(_ *Cell, q *event.Request) (any, string) {
			t, why := lastToken(q)
			if why != "" {
				return nil, why
			}
			return since(q.Sent, t)
		}},
	{Name: "e2e_due_ms", Unit: "ms", Kind: Float, Better: -1, Levels: turns, answer: true, Fold: Mean, FromSending: true, Source: "client",
		Doc:     "time until the last token, counted from when the request was due: includes waiting to be sent",
		Formula: "t_k - due",
		each: func(_ *Cell, q *event.Request) (any, string) {
			t, why := lastToken(q)
			if why != "" {
				return nil, why
			}
			return ms(t - q.Due), ""
		}},
	{Name: "connect_ms", Unit: "ms", Kind: Float, Better: -1, Levels: turns, Fold: Mean, anyway: true, Source: "client",
		Doc:     "time a new connection took (name, TCP, TLS); not part of any other latency",
		Formula: "as measured; unknown if a connection was reused",
		each: func(_ *Cell, q *event.Request) (any, string) {
			switch {
			case q.Connect != nil:
				return ms(*q.Connect), ""
			case q.Err != nil:
				return nil, "no connection was made"
			}
			return nil, "the connection was reused"
		}},
	{Name: "dispatch_delay_ms", Unit: "ms", Kind: Float, Better: -1, Levels: turns, Fold: Mean, anyway: true, Source: "client",
		Doc:     "how late the client was: a large value makes the client the bottleneck",
		Formula: "sent - due",
		each: func(_ *Cell, q *event.Request) (any, string) {
			if q.Sent == nil {
				return nil, neverSent
			}
			return ms(*q.Sent - q.Due), ""
		}},

	// Speed.
	{Name: "tpot_ms", Unit: "ms", Kind: Float, Better: -1, Levels: turns, answer: true, Fold: Ratio, Baseline: true, Source: "client, usage",
		Shown: Shown{
			Delta: &Delta{Rank: 3, Stat: "p50"}, Property: "p50",
		},
		Doc:     "time per output token after the first chunk",
		Formula: "(t_n - t_1) / (n - k1); t_n: last delta, or the finish reason of a reply that stopped by itself, which comes with the end-of-sequence token that n counts; unknown if n <= k1",
		parts: func(_ *Cell, q *event.Request) (num, den float64, why string) {
			n, window, why := decode(q)
			return ms(window), n, why
		}},
	{Name: "output_tps", Unit: "tokens/s", Kind: Float, Better: +1, Levels: turnsAndRun, answer: true, Fold: Ratio, Baseline: true, Source: "client, usage",
		Shown: Shown{
			Columns: []Column{{Rank: 8, Head: "decode tok/s", Stat: "mean"}},
			Line: &Line{Chart: "Decode speed", Label: "decode tokens/s", Color: 2,
				Caption: "Tokens a second after the first; higher is better."},
			Box: "Decode speed", Tile: &Tile{Name: "decode tokens/s", Stat: "mean", Note: "token-weighted"},
			Delta: &Delta{Rank: 2, Stat: "mean"}, Property: "mean",
		},
		Doc:     "decode speed: output tokens per second after the first chunk, prefill excluded",
		Formula: "(n - k1) / (t_n - t_1), with the terms of tpot_ms",
		parts: func(_ *Cell, q *event.Request) (num, den float64, why string) {
			n, window, why := decode(q)
			return n, window.Seconds(), why
		}},
	{Name: "prefill_tps", Unit: "tokens/s", Kind: Float, Better: +1, Levels: turns, Fold: Ratio, Baseline: true, Source: "client, usage",
		Doc:     "prompt tokens the server computed per second; cached tokens do not count",
		Formula: "(prompt_tokens - cache.cached_tokens) / (ttft - client.rtt_floor_ms where it was measured)",
		parts:   prefill},
	{Name: "icl_p50_ms", Unit: "ms", Kind: Float, Better: -1, Levels: turns, answer: true, Fold: Mean, Source: "client",
		Doc: "median time between arrivals of text within the turn", Formula: "50th percentile of t_i - t_(i-1), nearest rank; deltas that one read delivered are one arrival",
		each: gap(50)},
	{Name: "icl_p95_ms", Unit: "ms", Kind: Float, Better: -1, Levels: turns, answer: true, Fold: Mean, Source: "client",
		Doc: "95th percentile of the time between arrivals of text within the turn", Formula: "as icl_p50_ms",
		each: gap(95)},
	{Name: "icl_p99_ms", Unit: "ms", Kind: Float, Better: -1, Levels: turns, answer: true, Fold: Mean, Source: "client",
		Doc: "99th percentile of the time between arrivals of text within the turn", Formula: "as icl_p50_ms",
		each: gap(99)},
	{Name: "icl_max_ms", Unit: "ms", Kind: Float, Better: -1, Levels: turns, answer: true, Fold: Max, Source: "client",
		Doc: "longest time between arrivals of text within the turn", Formula: "largest t_i - t_(i-1); over several turns, those of one token left out",
		each: gap(100)},
	{Name: "stalls", Unit: "stalls", Kind: Int, Better: -1, Levels: turns, answer: true, Fold: Sum, Source: "client",
		Doc: "how often the text stood still", Formula: "gaps longer than 5 x the median gap of the turn; a reply of one token has none",
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
		}},

	// Tokens, as the server counts them.
	{Name: "prompt_tokens", Unit: "tokens", Kind: Int, Levels: turnsAndRun, Fold: Sum, Source: "usage",
		Shown: Shown{
			Columns: []Column{{Rank: 2, Head: "prompt tok", Stat: "mean"}},
			Line: &Line{Chart: "Context", Label: "prompt", Color: 3,
				Caption: "Tokens of each prompt, and how many of them came from the prefix cache."},
			Delta: &Delta{Rank: 4, Stat: "mean"},
		},
		Doc: "tokens of the prompt, cached or not", Formula: "usage.prompt_tokens; never counted by the client",
		each: func(_ *Cell, q *event.Request) (any, string) { return count(q.Usage.Prompt) }},
	{Name: "output_tokens", Unit: "tokens", Kind: Int, Levels: turnsAndRun, Fold: Sum, Source: "usage",
		Doc: "tokens generated, reasoning included", Formula: "usage.completion_tokens; never counted from chunks",
		each: func(_ *Cell, q *event.Request) (any, string) {
			n, why := output(q)
			return n, why
		}},
	{Name: "reasoning_tokens", Unit: "tokens", Kind: Int, Levels: turns, Fold: Sum, Source: "usage",
		Doc: "tokens generated in the reasoning channel", Formula: "usage.completion_tokens_details.reasoning_tokens",
		each: func(_ *Cell, q *event.Request) (any, string) {
			if q.Usage.Reasoning == nil {
				return nil, "the server does not count reasoning tokens"
			}
			return *q.Usage.Reasoning, ""
		}},

	// The prefix cache.
	{Name: "cache.cached_tokens", Unit: "tokens", Kind: Int, Better: +1, Levels: turns, Fold: Sum, Source: "usage | timings | counters", from: cacheSource,
		Shown: Shown{
			Columns: []Column{{Rank: 3, Head: "cached tok", Stat: "mean"}},
			Line:    &Line{Chart: "Context", Label: "cached", Color: 1},
		},
		Doc: "prompt tokens that came from the prefix cache", Formula: "as the server reports them; unknown if it does not",
		each: func(_ *Cell, q *event.Request) (any, string) {
			n, _, why := cached(q)
			return n, why
		}},
	{Name: "cache.hit_rate", Unit: "ratio", Kind: Float, Rate: true, Better: +1, Levels: turnsAndRun, Fold: Ratio, Baseline: true, Source: "usage | timings | counters", from: cacheSource,
		Shown: Shown{
			Columns: []Column{{Rank: 4, Head: "hit rate", Stat: "mean"}},
			Line: &Line{Chart: "Cache hit rate and its ceiling", Alone: "Cache hit rate", Label: "hit rate", Color: 1,
				Caption: "Share of the prompt that came from the prefix cache, and the most that any prefix cache could serve."},
			Tile:  &Tile{Name: "cache hit rate", Stat: "mean", Of: "cache.reusable_rate"},
			Delta: &Delta{Rank: 5, Stat: "mean"}, Property: "mean",
		},
		Doc: "share of the prompt that came from the prefix cache", Formula: "cached_tokens / prompt_tokens; over several turns the sums of both",
		parts: func(_ *Cell, q *event.Request) (num, den float64, why string) {
			n, of, why := cached(q)
			return float64(n), float64(of), why
		}},
	{Name: "cache.reusable_tokens", Unit: "tokens", Kind: Int, Levels: turns, Fold: Sum, Source: "tokens | estimated", from: reusableSource,
		Doc: "prompt tokens that any prefix cache could have kept", Formula: "longest token prefix shared with an earlier prompt of the same cache scope, in whole blocks",
		each: func(_ *Cell, q *event.Request) (any, string) {
			n, _, why := reusable(q)
			return n, why
		}},
	{Name: "cache.reusable_rate", Unit: "ratio", Kind: Float, Rate: true, Levels: turns, Fold: Ratio, Source: "tokens | estimated", from: reusableSource,
		Shown: Shown{
			Columns: []Column{{Rank: 5, Head: "ceiling", Stat: "mean"}},
			Line:    &Line{Chart: "Cache hit rate and its ceiling", Label: "ceiling", Limit: true},
			Delta:   &Delta{Rank: 6, Stat: "mean"}, Property: "mean",
		},
		Doc: "ceiling of the hit rate: the share of the prompt that any prefix cache could have kept", Formula: "reusable_tokens / prompt_tokens; over several turns the sums of both",
		parts: func(_ *Cell, q *event.Request) (num, den float64, why string) {
			n, of, why := reusable(q)
			return float64(n), float64(of), why
		}},
	{Name: "cache.efficiency", Unit: "ratio", Kind: Float, Better: +1, Levels: turns, Fold: Ratio, Source: "usage | timings | counters", from: efficiencySource,
		Doc: "share of what could be kept that was kept", Formula: "cached_tokens / reusable_tokens; over several turns the sums of both; unknown if reusable_rate < 0.01, or if far more was cached than could be",
		parts: efficiency},
	{Name: "cache.source", Kind: String, Levels: turns, anyway: true, Source: "client",
		Doc: "who reported the cached tokens", Formula: "usage | timings | counters | none",
		each: func(_ *Cell, q *event.Request) (any, string) {
			if q.CacheSource == "" {
				return "none", ""
			}
			return q.CacheSource, ""
		}},

	// What the server says of the same request.
	serverSays("server.queue_ms", "ms", -1, "time the request waited before it was computed"),
	serverSays("server.load_ms", "ms", -1, "time spent on loading the model for this request"),
	serverSays("server.prefill_ms", "ms", -1, "time spent on the prompt"),
	serverSays("server.decode_ms", "ms", -1, "time spent on generating").ofAnswer(),
	serverSays("server.ttft_ms", "ms", -1, "time to the first token, without the network").ofAnswer(),
	serverSays("server.e2e_ms", "ms", -1, "time from arrival to the last token").ofAnswer(),
	serverSays("server.total_ms", "ms", -1, "time spent on the whole request").ofAnswer(),
	serverSays("server.prompt_tokens", "tokens", 0, "prompt tokens that were computed"),
	serverSays("server.cached_tokens", "tokens", 0, "prompt tokens that came from the cache"),

	// Conversations and runs.
	{Name: "turns", Unit: "turns", Kind: Int, Levels: groups, Source: "client",
		Shown: Shown{
			Columns: []Column{{Rank: 1, Head: "turns", Stat: "max"}}, // a repeat that broke off has fewer than the others
		},
		Doc: "turns played", Formula: "requests sent, failed ones included", over: func(_ *Cell, g []*event.Request) (any, string) { return len(g), "" }},
	{Name: "requests", Unit: "requests", Kind: Int, Levels: groups, Source: "client",
		Doc: "requests sent", Formula: "measured requests, failed ones included; not those that the end of the run cut off",
		over: func(_ *Cell, g []*event.Request) (any, string) { return len(g), "" }},
	{Name: "requests_failed", Unit: "requests", Kind: Int, Better: -1, Levels: groups, Source: "client",
		Doc: "requests that failed", Formula: "measured requests with an error of any class",
		over: func(_ *Cell, g []*event.Request) (any, string) { return CountFailed(g), "" }},
	{Name: "error_rate", Unit: "ratio", Kind: Float, Rate: true, Better: -1, Levels: groups, Source: "client",
		Doc: "share of requests that failed", Formula: "requests_failed / requests",
		over: func(_ *Cell, g []*event.Request) (any, string) {
			if len(g) == 0 {
				return nil, "no request was measured"
			}
			return float64(CountFailed(g)) / float64(len(g)), ""
		}},
	{Name: "streams_truncated", Unit: "requests", Kind: Int, Better: -1, Levels: groups, Source: "client",
		Doc: "streams that ended without saying so", Formula: "measured requests with an error of class truncated",
		over: func(_ *Cell, g []*event.Request) (any, string) {
			n := 0
			for _, q := range g {
				if q.Err != nil && q.Err.Class == "truncated" {
					n++
				}
			}
			return n, ""
		}},
	{Name: "total_ms", Unit: "ms", Kind: Float, Better: -1, Levels: []Level{ConversationLevel}, Source: "client",
		Doc: "time from the first request of a conversation to the end of its last reply", Formula: "last end of an exchange - first sent; of several conversations the sum; unknown if a request failed",
		over: func(_ *Cell, g []*event.Request) (any, string) { return total(g) }},
	{Name: "context_peak_tokens", Unit: "tokens", Kind: Int, Levels: groups, Source: "usage",
		Shown: Shown{
			Tile: &Tile{Name: "longest context", Note: "tokens"},
		},
		Doc: "largest context that a turn needed", Formula: "largest prompt_tokens + output_tokens of a turn",
		over: func(_ *Cell, g []*event.Request) (any, string) { return peak(g) }},
	{Name: "repeats", Unit: "repeats", Kind: Int, Levels: []Level{RunLevel}, Source: "client",
		Doc: "measured repeats", Formula: "repeats of which at least one request ended",
		over: func(c *Cell, _ []*event.Request) (any, string) { return len(c.Repeats()), "" }},
	{Name: "duration_s", Unit: "s", Kind: Float, Better: -1, Levels: []Level{RunLevel}, Source: "client",
		Doc: "time from the first measured request to the end of the last", Formula: "last end of an exchange - first due, cooldowns included",
		over: func(c *Cell, _ []*event.Request) (any, string) {
			from, to, ok := c.window()
			if !ok {
				return nil, "no request was measured"
			}
			return (to - from).Seconds(), ""
		}},

	// The machine, while the measured requests were played.
	machine("gpu.util_pct", "%", 0, Mean, gpuDriver, "share of time in which a kernel ran, on the busiest GPU", noGPU).strip(6, "GPU use"),
	machine("gpu.mem_used_mib", "MiB", -1, Mean, gpuDriver, "memory in use on all GPUs, by all processes", noGPU).strip(2, "GPU memory"),
	machine("gpu.mem_peak_mib", "MiB", -1, Max, gpuDriver, "largest memory in use on all GPUs, by all processes", noGPU).peakOf("gpu.mem_used_mib"),
	machine("gpu.power_w", "W", -1, Mean, gpuDriver, "power drawn by all GPUs", noGPU).strip(1, "GPU power"),
	machine("gpu.energy_j", "J", -1, Sum, gpuDriver, "energy drawn by all GPUs; one value for each time it was read", noGPU),
	machine("gpu.energy_above_idle_j", "J", -1, Sum, gpuDriver, "energy that the GPUs would not have drawn at rest with the model loaded", noGPU),
	machine("gpu.idle_w", "W", -1, Mean, gpuDriver, "power drawn by all GPUs at rest with the model loaded", noGPU),
	machine("gpu.temp_c", "°C", -1, Max, gpuDriver, "temperature of the hottest GPU", noGPU).strip(5, "GPU temperature"),
	// The clock of the memory has its own strip: it is so high that a throttled core would look flat beside it.
	machine("gpu.sm_clock_mhz", "MHz", 0, Mean, gpuDriver, "clock of the cores of the fastest GPU", noGPU).strip(3, "GPU core clock"),
	machine("gpu.mem_clock_mhz", "MHz", 0, Mean, gpuDriver, "clock of the memory of the fastest GPU", noGPU).strip(4, "GPU memory clock"),
	machine("gpu.throttled", "ratio", -1, Mean, gpuDriver, "share of samples in which a GPU slowed itself down for heat or power", noGPU).rate(),
	machine("cpu.util_pct", "%", 0, Mean, system, "share of all cores in use", "the CPU was not watched").strip(7, "CPU use"),
	machine("cpu.server_pct", "%", 0, Mean, system, "share of all cores that the server's processes used", "the server's processes were not watched").strip(7, "CPU use"),
	machine("mem.used_mib", "MiB", -1, Mean, system, "memory in use, by all processes", "the memory was not watched").strip(8, "Memory"),
	machine("mem.peak_mib", "MiB", -1, Max, system, "largest memory in use, by all processes", "the memory was not watched").peakOf("mem.used_mib"),
	machine("mem.server_mib", "MiB", -1, Mean, system, "memory that the server's processes hold", "the server's processes were not watched").strip(8, "Memory"),
	machine("energy_j", "J", -1, Sum, "energy counters", "energy drawn by every device that reports it", "no device reports its energy"),
	{Name: "j_per_token", Unit: "J/token", Kind: Float, Better: -1, Levels: []Level{CellLevel}, Fold: Mean, Source: "energy counters, usage",
		Shown: Shown{
			Tile: &Tile{Name: "energy", Note: "J/token, prefill included"},
		},
		Doc: "energy for one output token, prefill included", Formula: "energy_j, or gpu.energy_j where only the GPUs report, / output tokens of the measured turns", over: joulesPerToken},
	machine("load_ms", "ms", -1, Mean, "client", "time from starting the server to its first token", "homellm did not start this server"),
	machine("first_request_ms", "ms", -1, Mean, "client", "time that the first request after the start took, which no measured turn pays", "homellm did not start this server"),
	machine("client.gc_pause_ms", "ms", -1, Sum, system, "time that the garbage collector stopped homellm; one value for each repeat", "not measured while the simulator runs in the same process"),
	machine("client_cpu_share", "ratio", -1, Mean, system, "share of one core that homellm itself used: near 1, the client is the bottleneck", "the client's own CPU time was not measured"),
	machine("client.ttft_bias_p50_ms", "ms", -1, Mean, "calibration", "by how much this client's time to first token comes out too long on this machine, median", uncalibrated),
	machine("client.ttft_bias_p99_ms", "ms", -1, Mean, "calibration", "by how much this client's time to first token comes out too long on this machine, 99th percentile", uncalibrated),
	machine("client.timer_error_p99_ms", "ms", -1, Mean, "calibration", "by how much a sleep of a millisecond takes longer, 99th percentile", uncalibrated),
	machine("client.cpu_per_chunk_us", "us", -1, Mean, "calibration", "CPU time of one chunk, sender included: an upper bound of what this client takes", uncalibrated),
	machine("client.rtt_floor_ms", "ms", -1, Mean, "client", "shortest round trip to the server", "the round trip was not measured"),
}

var turnsAndRun = []Level{TurnLevel, RunLevel}

// Sources and reasons of the machine's figures.
const (
	gpuDriver = "GPU driver"
	system    = "operating system"
	noGPU     = "no GPU telemetry on this machine"

	uncalibrated = "the client was not calibrated before this run"
)

func serverSays(name, unit string, better int, doc string) Def {
	fold := Mean
	if unit == "tokens" {
		fold = Sum
	}
	return Def{Name: name, Unit: unit, Kind: Float, Better: better, Levels: turns, Fold: fold, Source: "server",
		Doc: doc + ", by the server's own account", Formula: "as the server reports it", each: said(name)}
}

func machine(name, unit string, better int, fold Fold, source, doc, absent string) Def {
	formula := "samples and readings taken while the measured turns were played"
	if source == "calibration" {
		formula = "this client against a loopback server of known timing, for half a second before the run"
	}
	return Def{Name: name, Unit: unit, Kind: Float, Better: better, Levels: []Level{CellLevel}, Fold: fold,
		Source: source, Doc: doc, Formula: formula, absent: absent}
}

// ofAnswer says that the metric tells something of an answer.
func (d Def) ofAnswer() Def {
	d.answer = true
	return d
}

// rate says that the values lie within 0..1.
func (d Def) rate() Def {
	d.Rate = true
	return d
}

// strip draws the metric over the time of a cell, beside others of the same title.
func (d Def) strip(rank int, title string) Def {
	d.Shown.Strip = &Strip{Rank: rank, Title: title}
	return d
}
