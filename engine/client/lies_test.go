package client

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"homellm/engine/event"
)

// events makes a stream of the given events.
func events(lines ...string) []byte {
	var body []byte
	for _, l := range append(lines, "[DONE]") {
		body = append(body, "data: "+l+"\n\n"...)
	}
	return body
}

// TestSilentTokens counts tokens without text with the text that follows them: they were made
// before it, and decode speed must not count them after it.
func TestSilentTokens(t *testing.T) {
	body := events(
		`{"choices":[{"delta":{"role":"assistant","content":""},"token_ids":[7]}]}`, // <think>, which a parser took out
		`{"choices":[{"delta":{"content":""},"token_ids":[228]}]}`,                  // the first byte of a character
		`{"choices":[{"delta":{"content":"上"},"token_ids":[184,138]}]}`,
		`{"choices":[{"delta":{"content":"."},"token_ids":[13]}]}`,
		`{"choices":[{"delta":{"content":""},"finish_reason":"stop","token_ids":[2]}]}`,
	)
	x, e := replay(t, "chat", "sse", body, len(body))
	if e != nil {
		t.Fatal(e)
	}
	var got []int
	for _, c := range x.Chunks {
		got = append(got, orMinus(c.Tokens))
	}
	if d := cmp.Diff([]int{4, 1}, got); d != "" {
		t.Errorf("tokens of the chunks (-want +got):\n%s", d)
	}
}

// TestFinishedOnce takes the instant of the finish reason when it first came: some servers repeat
// it on the events that follow.
func TestFinishedOnce(t *testing.T) {
	first := `data: {"choices":[{"delta":{"content":"Hi"},"finish_reason":"stop"}],"id":"` + strings.Repeat("0", 200) +
		`"}` + "\n\n"
	again := events(`{"choices":[{"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2}}`)
	x, e := replay(t, "chat", "sse", append([]byte(first), again...), len(first)) // two reads
	if e != nil {
		t.Fatal(e)
	}
	if x.Finished == nil || *x.Finished != x.Chunks[0].At || *x.Finished != time.Millisecond {
		t.Errorf("finished at %v, want 1ms: the event that came first", x.Finished)
	}
}

// TestGivenUp checks that a reply which the server dropped is not a success, whatever text it has.
func TestGivenUp(t *testing.T) {
	for reason, class := range map[string]string{"abort": "server_error", "error": "server_error", "stop": "",
		"length": "", "eos_token": ""} {
		body := events(`{"choices":[{"delta":{"content":"Hel"}}]}`, `{"choices":[{"delta":{},"finish_reason":"`+reason+`"}]}`)
		_, e := replay(t, "chat", "sse", body, len(body))
		got := ""
		if e != nil {
			got = e.Class
		}
		if got != class {
			t.Errorf("finish reason %s: class %q, want %q", reason, got, class)
		}
	}
}

// TestImpossibleDurations keeps out what a journal cannot hold and what cannot be true.
func TestImpossibleDurations(t *testing.T) {
	for _, said := range []string{"1e308", "1e306", "-1", "1e400", "3.2e7"} {
		body := events(`{"choices":[{"delta":{"content":"Hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,` +
			`"completion_tokens":2,"prompt_time":` + said + `}}`)
		x, e := replay(t, "chat", "sse", body, len(body))
		if e != nil {
			t.Fatal(e)
		}
		if v, told := x.Timings["server.prefill_ms"]; told {
			t.Errorf("%s seconds became %v ms", said, v)
		}
		if _, err := json.Marshal(event.Request{Exchange: x}); err != nil {
			t.Errorf("%s: %v", said, err)
		}
	}
}

// TestUsageConflict compares the counts of one reply with each other.
func TestUsageConflict(t *testing.T) {
	report := func(prompt, cached, completion int, timings string) string {
		return fmt.Sprintf(`{"choices":[{"delta":{"content":"Hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":%d,`+
			`"completion_tokens":%d,"prompt_tokens_details":{"cached_tokens":%d}}%s}`, prompt, completion, cached, timings)
	}
	timings := `,"timings":{"cache_n":60,"prompt_n":40,"predicted_n":2}`
	first := report(100, 60, 5, "")
	for name, c := range map[string]struct {
		lines []string
		want  string
	}{
		"they agree":           {lines: []string{first, report(100, 60, 6, timings)}},
		"the prompt shrinks":   {lines: []string{first, report(90, 60, 6, "")}, want: "100 prompt tokens and then 90"},
		"the cache grows":      {lines: []string{first, report(100, 80, 6, "")}, want: "60 cached tokens and then 80"},
		"the reply shrinks":    {lines: []string{first, report(100, 60, 2, "")}, want: "5 output tokens and then 2"},
		"the timings disagree": {lines: []string{report(120, 60, 2, timings)}, want: "its timings 60 cached and 40 computed"},
	} {
		body := events(c.lines...)
		x, e := replay(t, "chat", "sse", body, len(body))
		if e != nil {
			t.Fatal(e)
		}
		if got := x.Wire.UsageConflict; (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// TestPromptOfNothing checks that a count of 0 prompt tokens is not believed: Ollama reported it for a cached prompt.
func TestPromptOfNothing(t *testing.T) {
	line := func(counts string) []byte {
		return []byte(`{"model":"m","message":{"content":"Hi"},"done":true,"done_reason":"stop","eval_count":1` +
			counts + "}\n")
	}
	for name, c := range map[string]struct {
		api, kind      string
		body           []byte
		prompt, cached string
	}{
		"Ollama, 0":      {"ollama", "ndjson", line(`,"prompt_eval_count":0`), "unknown", "unknown"},
		"Ollama, absent": {"ollama", "ndjson", line(""), "unknown", "unknown"},
		"Ollama":         {"ollama", "ndjson", line(`,"prompt_eval_count":26`), "26", "unknown"},
		"Ollama, told":   {"ollama", "ndjson", line(`,"prompt_eval_count":26,"prompt_eval_cached_count":20`), "26", "20"},
		"Ollama, none":   {"ollama", "ndjson", line(`,"prompt_eval_count":26,"prompt_eval_cached_count":0`), "26", "0"},
		"OpenAI, 0": {"chat", "sse", events(`{"choices":[{"delta":{"content":"Hi"},"finish_reason":"stop"}],` +
			`"usage":{"prompt_tokens":0,"completion_tokens":1}}`), "unknown", "unknown"},
	} {
		x, e := replay(t, c.api, c.kind, c.body, len(c.body))
		if e != nil {
			t.Fatalf("%s: %v", name, e)
		}
		said := func(n *int) string {
			if n == nil {
				return "unknown"
			}
			return strconv.Itoa(*n)
		}
		if prompt, cached := said(x.Usage.Prompt), said(x.Usage.Cached); prompt != c.prompt || cached != c.cached {
			t.Errorf("%s: prompt %s, cached %s; want %s and %s", name, prompt, cached, c.prompt, c.cached)
		}
	}
}

// TestStats reads LM Studio's own statistics, as its pages show them.
func TestStats(t *testing.T) {
	body := events(`{"choices":[{"delta":{"content":"Hi"},"finish_reason":"stop"}],"stats":{"tokens_per_second":51.43,` +
		`"time_to_first_token":0.111,"generation_time":0.954,"model_load_time_seconds":2.5,"stop_reason":"eosFound"}}`)
	x, e := replay(t, "chat", "sse", body, len(body))
	if e != nil {
		t.Fatal(e)
	}
	want := map[string]float64{"server.prefill_ms": 111, "server.decode_ms": 954, "server.load_ms": 2500,
		"server.itl_ms": 1000 / 51.43}
	if diff := cmp.Diff(want, x.Timings); diff != "" {
		t.Errorf("timings (-want +got):\n%s", diff)
	}
}
