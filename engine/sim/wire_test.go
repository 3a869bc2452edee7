package sim

import (
	"encoding/json"
	"flag"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares with a file in testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s differs (-want +got):\n%s", name, d)
	}
}

// raw sends a request and returns status, content type and body as they are on the wire.
func (b *bench) raw(path string, body any) string {
	b.Helper()
	res := b.post(path, body)
	defer res.Body.Close()
	out, err := io.ReadAll(res.Body)
	if err != nil {
		b.Fatal(err)
	}
	return res.Status + "\n" + res.Header.Get("Content-Type") + "\n\n" + string(out)
}

// Bodies and chunks, byte for byte.
func TestWireGoldens(t *testing.T) {
	ask := fields{"model": "qwen2.5-3b", "messages": []Message{
		{"system", "Head bolts take 41 Nm <&>."}, {"user", "How tight are the head bolts? Do not add anything else."}},
		"max_tokens": 6}
	with := func(more fields) fields {
		out := fields{}
		maps.Copy(out, ask)
		maps.Copy(out, more)
		return out
	}
	text := fields{"model": "qwen2.5-3b", "prompt": "Head bolts take 41 Nm. How tight are they?", "max_tokens": 3}
	usage := fields{"include_usage": true}
	for name, c := range map[string]struct {
		cfg    Config
		path   string
		body   any
		before any // sent first, to warm the cache
	}{
		"chat-stream": {Config{}, "/v1/chat/completions", with(fields{"stream": true, "stream_options": usage}),
			nil},
		"chat-stream-plain": {Config{}, "/v1/chat/completions", with(fields{"stream": true}), nil},
		"chat-stream-cached": {Config{}, "/v1/chat/completions",
			with(fields{"stream": true, "stream_options": fields{"continuous_usage_stats": true}}), ask},
		"chat-stream-ids": {Config{}, "/v1/chat/completions",
			with(fields{"stream": true, "return_token_ids": true, "max_tokens": 2}), nil},
		"chat-stream-stop": {Config{}, "/v1/chat/completions", with(fields{"stream": true, "stop": "take"}), nil},
		"chat-stream-reasoning": {Config{Wire: Wire{ReasoningTokens: 2}}, "/v1/chat/completions",
			with(fields{"stream": true, "max_tokens": 4}), nil},
		"chat-stream-both": {Config{Wire: Wire{ReasoningTokens: 2, Reasoning: "both"}}, "/v1/chat/completions",
			with(fields{"stream": true, "max_tokens": 4}), nil},
		"chat-stream-old": {Config{Wire: Wire{ReasoningTokens: 2, Version: "v1-0.8"}}, "/v1/chat/completions",
			with(fields{"stream": true, "max_tokens": 4}), nil},
		"chat-stream-error": {Config{Faults: []Fault{{Kind: "error", Token: 2}}}, "/v1/chat/completions",
			with(fields{"stream": true}), nil},
		"chat-whole": {Config{}, "/v1/chat/completions", ask, nil},
		"chat-whole-cached": {Config{}, "/v1/chat/completions", with(fields{"return_token_ids": true, "max_tokens": 1}),
			ask},
		"chat-whole-reasoning": {Config{Wire: Wire{ReasoningTokens: 2}}, "/v1/chat/completions", ask, nil},
		"completions-stream": {Config{}, "/v1/completions", fields{"model": "qwen2.5-3b", "prompt": text["prompt"],
			"max_tokens": 3, "stream": true, "stream_options": usage, "return_token_ids": true}, nil},
		"completions-whole": {Config{}, "/v1/completions", text, nil},
		"tokenize": {Config{}, "/tokenize", fields{"prompt": "Head bolts: 41 Nm", "return_token_strs": true},
			nil},
		"tokenize-messages": {Config{}, "/tokenize", fields{"messages": user("Hi"), "return_token_strs": true}, nil},
		"overflow":          {Config{ContextTokens: 64}, "/v1/chat/completions", with(fields{"max_tokens": 60}), nil},
		"overflow-old": {Config{ContextTokens: 64, Wire: Wire{Version: "v1-0.8"}}, "/v1/chat/completions",
			with(fields{"max_tokens": 60}), nil},
		"unknown-model": {Config{}, "/v1/chat/completions", with(fields{"model": "nope"}), nil},
		"unauthorized":  {Config{APIKey: "secret"}, "/v1/chat/completions", ask, nil},
		"unknown-route": {Config{}, "/v1/nope", ask, nil},
		"wrong-method":  {Config{}, "/health", ask, nil},
		"too-many-requests": {Config{Faults: []Fault{{Kind: "status", Status: 429, RetryAfter: 2}}},
			"/v1/chat/completions", ask, nil},
		"unauthorized-by-fault":  {Config{Faults: []Fault{{Kind: "status", Status: 401}}}, "/v1/chat/completions", ask, nil},
		"configuration-mistaken": {Config{}, "/sim/config", fields{"faults": []fields{{"kind": "hnag"}}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, c.cfg, func(b *bench) {
				if c.before != nil {
					// The prompt is short: a longer one makes a block that both share.
					long := c.before.(fields)
					long["messages"].([]Message)[0].Content += strings.Repeat(" It is so.", 4)
					defer func() { long["messages"].([]Message)[0].Content = "Head bolts take 41 Nm <&>." }()
					b.raw(c.path, long)
				}
				golden(b.T, name+".txt", b.raw(c.path, c.body))
			})
		})
	}
}

func TestSmallRoutes(t *testing.T) {
	virtual(t, Config{APIKey: "secret", ContextTokens: 4096}, func(b *bench) {
		for _, c := range []struct{ method, path, want string }{
			{"GET", "/health", ""},
			{"POST", "/ping", ""},
			{"GET", "/version", `{"version":"0.27.1+sim"}`},
			{"GET", "/sim/config", `{"faults":[]}`},
			{"GET", "/sim/ledger", `{"entries":[]}`},
		} {
			if status, body := b.text(c.method, c.path, nil); status != 200 || body != c.want {
				t.Errorf("%s: %d %s", c.path, status, body)
			}
		}
		r, _ := http.NewRequestWithContext(b.Context(), "GET", "http://sim/v1/models", nil)
		r.Header.Set("Authorization", "Bearer secret")
		res, err := b.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var list struct {
			Data []struct {
				ID    string
				Owned string `json:"owned_by"`
				Len   int    `json:"max_model_len"`
			}
		}
		if err := json.NewDecoder(res.Body).Decode(&list); err != nil || len(list.Data) != 2 {
			t.Fatalf("models: %v, %+v", err, list)
		}
		if d := list.Data[0]; d.ID != "Qwen/Qwen2.5-3B-Instruct" || d.Owned != "vllm" || d.Len != 4096 ||
			list.Data[1].ID != "qwen2.5-3b" {
			t.Errorf("models: %+v", list)
		}
		_, api := b.text("GET", "/openapi.json", nil)
		if !strings.Contains(api, `"/reset_prefix_cache":{"post":{}}`) {
			t.Errorf("openapi: %s", api)
		}
		_, tokens := b.text("POST", "/tokenize", fields{"prompt": prose})
		var got struct{ Tokens []Token }
		if err := json.Unmarshal([]byte(tokens), &got); err != nil {
			t.Fatal(err)
		}
		_, back := b.text("POST", "/detokenize", fields{"tokens": got.Tokens})
		if want := string(encode(fields{"prompt": prose})); back != want {
			t.Errorf("detokenize: %s, want %s", back, want)
		}
	})
}

// What vLLM refuses, and what a simulator could only pretend to do.
func TestRefusals(t *testing.T) {
	virtual(t, Config{}, func(b *bench) {
		for param, more := range map[string]fields{
			"temperature":            {"temperature": -1},
			"top_p":                  {"top_p": 0},
			"max_tokens":             {"max_tokens": 0},
			"min_tokens":             {"min_tokens": 5, "max_tokens": 4},
			"stream_options":         {"stream_options": fields{}},
			"continue_final_message": {"continue_final_message": true},
			"cache_salt":             {"cache_salt": ""},
			"n":                      {"n": 2},
			"logprobs":               {"logprobs": true},
			"response_format":        {"response_format": fields{"type": "json_schema"}},
			"tool_choice": {"tool_choice": fields{"type": "function", "function": fields{"name": "no"}},
				"tools": []fields{{"type": "function", "function": fields{"name": "yes"}}}},
			"messages": {"messages": []Message{}},
		} {
			body := fields{"model": b.s.served[0], "messages": user("Hi")}
			maps.Copy(body, more)
			status, out := b.text("POST", "/v1/chat/completions", body)
			var e struct{ Error struct{ Param, Type string } }
			if err := json.Unmarshal([]byte(out), &e); err != nil || status != 400 || e.Error.Param != param ||
				e.Error.Type != "BadRequestError" {
				t.Errorf("%s: %d %s", param, status, out)
			}
		}
		for _, body := range []any{
			"text", fields{"messages": 1}, fields{"messages": []fields{{"role": "user",
				"content": []fields{{"type": "image_url"}}}}},
		} {
			if status, out := b.text("POST", "/v1/chat/completions", body); status != 400 {
				t.Errorf("%v: %d %s", body, status, out)
			}
		}
		for _, prompt := range []any{nil, []string{"a", "b"}, []any{}, 5, ""} {
			if status, out := b.text("POST", "/v1/completions", fields{"prompt": prompt}); status != 400 {
				t.Errorf("prompt %v: %d %s", prompt, status, out)
			}
		}
		for i, e := range b.s.Ledger() {
			if e.Status != 400 || e.N != i+1 || e.OutputTokens != 0 || e.Finish != "" {
				t.Errorf("the ledger has %+v for a refused request", e)
			}
		}
		if got := b.s.engine.metrics.queries; got != 0 {
			t.Errorf("%d tokens reached the engine", got)
		}
	})
}

// Every form of a prompt is the same prompt.
func TestPromptForms(t *testing.T) {
	virtual(t, Config{}, func(b *bench) {
		ids := tokenize(prose)
		for i, prompt := range []any{prose, []string{prose}, ids, [][]Token{ids}} {
			b.text("POST", "/v1/completions", fields{"prompt": prompt, "max_tokens": 2})
			e := b.last()
			if want := (len(ids) - 1) / blockTokens * blockTokens; e.PromptTokens != len(ids) || e.Prompt != prose || i > 0 &&
				e.CachedTokens != want {
				t.Errorf("form %d: %d tokens, %d cached, text %q", i, e.PromptTokens, e.CachedTokens, e.Prompt)
			}
		}
		b.text("POST", "/v1/completions", fields{"prompt": []int{7 << lengthBit, 5}, "max_tokens": 2})
		if e := b.last(); e.Status != 200 || e.PromptTokens != 2 {
			t.Errorf("numbers without a text: %+v", e)
		}
		parts := []fields{{"type": "text", "text": "one"}, {"type": "text", "text": "two"}}
		b.text("POST", "/v1/chat/completions", fields{"messages": []fields{{"role": "user", "content": parts}},
			"max_tokens": 1})
		if e := b.last(); e.Messages[0].Content != "one\ntwo" {
			t.Errorf("parts: %+v", e.Messages)
		}
	})
}
