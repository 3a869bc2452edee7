package client

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"homellm/engine/client/transport"
	"homellm/engine/event"
	"homellm/engine/wire"
)

// replay records a body as if it had arrived in pieces of the given size, one a millisecond.
func replay(t testing.TB, dialect, framing string, body []byte, piece int) (event.Exchange, *event.Error) {
	t.Helper()
	c, err := New(Config{BaseURL: "http://replayed", API: wire.API(dialect)})
	if err != nil {
		t.Fatal(err)
	}
	x := event.Exchange{Status: http.StatusOK}
	k := newCall(c, &x, c.start, Prompt{})
	k.stamps = transport.NewStamps()
	k.dog.cancel = func(error) {}
	defer k.dog.stop()
	k.frame(framing)
	for i := 1; len(body) > 0; i++ {
		n := min(piece, len(body))
		at := int64(i) * int64(time.Millisecond)
		k.stamps.Arrived(at, at-int64(300*time.Microsecond))
		k.take(body[:n])
		body = body[n:]
	}
	k.finish()
	verdict := k.failure(context.Background(), context.Background(), nil)
	k.record.close()
	return x, verdict
}

// summary is what a fixture is expected to say.
type summary struct {
	Text, Reasoning, Finish, Class             string
	Prompt, Completion, Cached, Thought        int // -1: unknown
	UsageIn, CachedIn, ReasoningKey            string
	RoleEarly                                  bool
	Tokens                                     []int // of each chunk; -1: unknown
	Prefill, Decode, Load, Computed, FromCache float64
	Queue, Gap, Drafted, Accepted              float64
	Local, Host, Storage                       float64
}

func summarise(x event.Exchange, e *event.Error) summary {
	s := summary{
		Text: x.Text, Reasoning: x.Reasoning, Finish: x.Finish,
		Prompt: orMinus(x.Usage.Prompt), Completion: orMinus(x.Usage.Completion),
		Cached: orMinus(x.Usage.Cached), Thought: orMinus(x.Usage.Reasoning),
		UsageIn: x.Wire.UsageIn, CachedIn: x.Wire.CachedIn, ReasoningKey: x.Wire.ReasoningKey, RoleEarly: x.Wire.RoleEarly,
		Prefill: x.Timings["server.prefill_ms"], Decode: x.Timings["server.decode_ms"], Load: x.Timings["server.load_ms"],
		Computed: x.Timings["server.prompt_tokens"], FromCache: x.Timings["server.cached_tokens"],
		Queue: x.Timings["server.queue_ms"], Gap: x.Timings["server.itl_ms"],
		Drafted: x.Timings["spec.draft_tokens"], Accepted: x.Timings["spec.accepted_tokens"],
		Local: x.Timings["cache.local_tokens"], Host: x.Timings["cache.host_tokens"],
		Storage: x.Timings["cache.storage_tokens"],
	}
	if e != nil {
		s.Class = e.Class
	}
	for _, c := range x.Chunks {
		s.Tokens = append(s.Tokens, orMinus(c.Tokens))
	}
	return s
}

func orMinus(n *int) int {
	if n == nil {
		return -1
	}
	return *n
}

// TestRecorded reads replies as real servers sent them, whole and byte by byte.
func TestRecorded(t *testing.T) {
	for _, tt := range []struct {
		file, dialect string
		want          summary
	}{
		{"vllm/chat.sse", "chat", summary{Text: "Okay, then", Reasoning: "We", Finish: "length", Prompt: 2674,
			Completion: 200, Cached: 2656, Thought: -1,
			UsageIn: "own_chunk", CachedIn: "usage", ReasoningKey: "reasoning", RoleEarly: true, Tokens: []int{-1, -1, -1}}},
		{"vllm/token-ids.sse", "chat", summary{Text: "上青.", Finish: "stop", Prompt: 3, Completion: 4, Cached: -1, Thought: -1,
			UsageIn: "own_chunk", RoleEarly: true, Tokens: []int{2, 2}}},
		{"vllm/continuous-usage.sse", "chat", summary{Text: "One two three", Finish: "stop", Prompt: 31, Completion: 4,
			Cached: -1, Thought: -1,
			UsageIn: "every_chunk", RoleEarly: true, Tokens: []int{1, 2}}},
		{"vllm/reasoning-both-old.sse", "chat", summary{Text: "上青", Reasoning: "Hm", Finish: "stop", Prompt: -1,
			Completion: -1, Cached: -1, Thought: -1,
			ReasoningKey: "reasoning", RoleEarly: true, Tokens: []int{-1, -1}}},
		{"vllm/request-metrics.sse", "chat", summary{Text: "One two three one two three one two three one two three",
			Finish: "stop", Prompt: 44, Completion: 13, Cached: 0, Thought: -1, UsageIn: "own_chunk", CachedIn: "usage",
			RoleEarly: true, Tokens: []int{-1, -1, -1, -1, -1, -1, -1}, Queue: 0.04215199987811502,
			Prefill: 11035.530966999431, Decode: 20319.996829000956, Gap: 1693.333069083413, Drafted: 8, Accepted: 6}},
		{"vllm/completions.sse", "completions", summary{Text: " Paris.", Finish: "stop", Prompt: 5, Completion: 2, Cached: -1,
			Thought: -1,
			UsageIn: "own_chunk", Tokens: []int{-1, -1}}},
		{"vllm/error-midstream.sse", "chat", summary{Text: "One", Class: "server_error", Prompt: -1, Completion: -1,
			Cached: -1, Thought: -1, Tokens: []int{-1}}},
		{"llamacpp/chat.sse", "chat", summary{Text: "Hello", Reasoning: "Let", Finish: "stop", Prompt: 237, Completion: 35,
			Cached: 236, Thought: -1,
			UsageIn: "own_chunk", CachedIn: "usage", ReasoningKey: "reasoning_content", RoleEarly: true, Tokens: []int{-1, -1},
			Prefill: 30.958, Decode: 661.064, Computed: 1, FromCache: 236}},
		{"llamacpp/timings-only.sse", "chat", summary{Text: "Hello", Finish: "stop", Prompt: 237, Completion: 35, Cached: 236,
			Thought: -1,
			UsageIn: "timings", CachedIn: "timings", RoleEarly: true, Tokens: []int{-1},
			Prefill: 30.958, Decode: 661.064, Computed: 1, FromCache: 236}},
		{"llamacpp/error-field.sse", "chat", summary{Text: "Hello", Class: "server_error", Prompt: -1, Completion: -1,
			Cached: -1, Thought: -1, Tokens: []int{-1}}},
		{"ollama/chat.ndjson", "ollama", summary{Text: "Hello", Reasoning: "Hm", Finish: "stop", Prompt: 26, Completion: 259,
			Cached: -1, Thought: -1,
			UsageIn: "last_chunk", ReasoningKey: "thinking", Tokens: []int{-1, -1, -1}, Prefill: 130.079, Decode: 4232.71,
			Load: 25.6935}},
		{"ollama/error.ndjson", "ollama", summary{Text: "Hel", Class: "server_error", Prompt: -1, Completion: -1, Cached: -1,
			Thought: -1, Tokens: []int{-1}}},
		{"ollama/v1-lost-error.sse", "chat", summary{Text: "Hel", Class: "truncated", Prompt: -1, Completion: -1, Cached: -1,
			Thought: -1, Tokens: []int{-1}}},
		{"sglang/chat.sse", "chat", summary{Text: "Hi", Finish: "stop", Prompt: 17, Completion: 13, Cached: -1, Thought: 0,
			UsageIn: "own_chunk", RoleEarly: true, Tokens: []int{-1}}},
		{"sglang/tiers.sse", "chat", summary{Text: "Hi", Finish: "stop", Prompt: 17, Completion: 13, Cached: 16, Thought: 0,
			UsageIn: "own_chunk", CachedIn: "usage", RoleEarly: true, Tokens: []int{-1}, Local: 8, Host: 5, Storage: 3}},
		{"lmstudio/named-events.sse", "chat", summary{Class: "protocol", Prompt: -1, Completion: -1, Cached: -1,
			Thought: -1}},
		{"lmstudio/v1-chat.sse", "lmstudio", summary{Text: "The current", Reasoning: "Need to", Finish: "completed",
			Prompt:     329,
			Completion: 268, Cached: -1, Thought: 5, UsageIn: "own_chunk", ReasoningKey: "reasoning", Tokens: []int{-1, -1},
			Load: 12340, Prefill: 781, Gap: 1000 / 43.73}},
		{"lmstudio/v1-error.sse", "lmstudio", summary{Text: "The", Finish: "completed", Class: "server_error", Prompt: 329,
			Completion: 1, Cached: -1, Thought: 0, UsageIn: "own_chunk", Tokens: []int{-1}, Prefill: 781, Gap: 1000 / 43.73}},
		{"lmstudio/v1-chat.json", "lmstudio", summary{Text: "This image is a solid, vibrant red square.", Finish: "completed",
			Prompt: 17, Completion: 50, Cached: -1, Thought: 0, UsageIn: "body", Load: 2656, Prefill: 814,
			Gap: 20}},
		{"lmstudio/error-event.sse", "chat", summary{Text: "Hi", Class: "server_error", Prompt: -1, Completion: -1,
			Cached: -1, Thought: -1, Tokens: []int{-1}}},
		{"tabbyapi/chat.sse", "chat", summary{Text: "Hi", Finish: "stop", Prompt: 12, Completion: 1, Cached: -1, Thought: -1,
			UsageIn: "last_chunk", Tokens: []int{-1}, Prefill: 20, Decode: 10}},
		{"koboldcpp/chat.sse", "chat", summary{Text: "Hi", Finish: "stop", Prompt: -1, Completion: -1, Cached: -1,
			Thought: -1, Tokens: []int{-1}}},
	} {
		t.Run(tt.file, func(t *testing.T) {
			body, err := os.ReadFile(filepath.Join("testdata", tt.file))
			if err != nil {
				t.Fatal(err)
			}
			framing := strings.TrimPrefix(filepath.Ext(tt.file), ".")
			for _, piece := range []int{1, 7, len(body)} {
				got := summarise(replay(t, tt.dialect, framing, body, piece))
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("in pieces of %d bytes (-want +got):\n%s", piece, diff)
				}
			}
		})
	}
}

// TestRefusals reads error bodies as real servers sent them.
func TestRefusals(t *testing.T) {
	for _, tt := range []struct {
		status            int
		file, class, says string
	}{
		{401, "vllm/401.json", "unauthorized", "HTTP 401: check the API key; the server said: Unauthorized"},
		{404, "vllm/404.json", "model_not_found", "HTTP 404: check the model's name against what the server lists; the " +
			"server said: The model `X` does not exist."},
		{400, "vllm/400-old.json", "bad_request", "HTTP 400: the server does not accept this request; the server said: " +
			"temperature must be non-negative, got -1.0."},
		{400, "vllm/400-overflow.json", "context_overflow",
			"HTTP 400: shorten the documents or lower max_tokens, or serve the model with a larger context; the server said: " +
				"This model's maximum context length is 16384 tokens."},
		{400, "vllm/400-max-tokens.json", "context_overflow",
			"HTTP 400: shorten the documents or lower max_tokens, or serve the model with a larger context; the server said: " +
				"max_tokens=9000 cannot be greater than max_model_len=8192."},
		{400, "vllm/400-prompt.json", "context_overflow",
			"HTTP 400: shorten the documents or lower max_tokens, or serve the model with a larger context; the server said: " +
				"This model's maximum context length is 8192 tokens."},
		{400, "llamacpp/400-overflow.json", "context_overflow",
			"HTTP 400: shorten the documents or lower max_tokens, or serve the model with a larger context; the server said: " +
				"request (9000 tokens) exceeds"},
		{503, "llamacpp/503-loading.json", "overloaded",
			"HTTP 503: the model is still being loaded: wait until the server is ready; the server said: Loading model"},
		{404, "ollama/404.json", "model_not_found", `HTTP 404: check the model's name against what the server lists; the ` +
			`server said: model "x" not found, try pulling it first`},
	} {
		t.Run(tt.file, func(t *testing.T) {
			body, err := os.ReadFile(filepath.Join("testdata", tt.file))
			if err != nil {
				t.Fatal(err)
			}
			e := refused(&http.Response{StatusCode: tt.status, Header: http.Header{}}, body, time.Now())
			if e.Class != tt.class || !strings.HasPrefix(e.Message, tt.says) {
				t.Errorf("class %s, message %q; want class %s, message %q …", e.Class, e.Message, tt.class, tt.says)
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"7":                             7 * time.Second,
		"Mon, 23 Nov 2026 12:01:30 GMT": 90 * time.Second,
		"Mon, 23 Nov 2026 11:00:00 GMT": 0,
		"-3":                            0,
		"soon":                          0,
		"":                              0,
	} {
		if got := retryAfter(value, now); got != want {
			t.Errorf("Retry-After %q: %v, want %v", value, got, want)
		}
	}
}

// TestAfter keeps between which instants the first of several deltas came that were read at once.
func TestAfter(t *testing.T) {
	const delta = `data: {"choices":[{"index":0,"delta":{"content":"a"}}]}` + "\n\n"
	body := strings.Repeat(delta, 6)
	x, _ := replay(t, "chat", "sse", []byte(body), 2*len(delta))
	var got []string
	for _, c := range x.Chunks {
		after := "–"
		if c.After != nil {
			after = c.After.String()
		}
		got = append(got, c.At.String()+" after "+after)
	}
	want := []string{"1ms after 700µs", "1ms after –", "2ms after 1.7ms", "2ms after –", "3ms after 2.7ms", "3ms after –"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	x, _ = replay(t, "chat", "sse", []byte(body), len(delta))
	for i, c := range x.Chunks {
		if c.After != nil {
			t.Errorf("chunk %d came by itself, and has limits: %v", i, c.After)
		}
	}
}
