package client

import (
	"io"
	"math"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"homellm/engine/wire"
)

func TestEncode(t *testing.T) {
	messages := []Message{{Role: "system", Content: "Be <brief>."}, {Role: "user", Content: "Hi"},
		{Role: "assistant", Content: ""}, {Role: "user", Content: "üben 🙂"}}
	const wire = `[{"role":"system","content":"Be <brief>."},{"role":"user","content":"Hi"},{"role":"assistant",` +
		`"content":""},{"role":"user","content":"üben 🙂"}]`
	for _, tt := range []encoded{
		{
			"zeros and empty texts stay", Config{API: "chat", Stream: true},
			Prompt{Messages: messages, MaxTokens: 64, Temperature: new(0.0), TopP: new(0.0), Seed: new(int64(0))},
			"http://h:1/v1/chat/completions",
			`{"max_tokens":64,"messages":` + wire + `,"model":"m","seed":0,"stream":true,` +
				`"stream_options":{"include_usage":true},"temperature":0,"top_p":0}`,
		},
		{
			"nothing is sent that was not asked for", Config{API: "chat"},
			Prompt{Messages: messages[:1]},
			"http://h:1/v1/chat/completions",
			`{"messages":[{"role":"system","content":"Be <brief>."}],"model":"m","stream":false}`,
		},
		{
			"names that go-openai refuses", Config{API: "chat", Stream: true, Model: "gpt-5-oss-gguf"},
			Prompt{Messages: messages[:1], MaxTokens: 1, Temperature: new(0.7)},
			"http://h:1/v1/chat/completions",
			`{"max_tokens":1,"messages":[{"role":"system","content":"Be <brief>."}],"model":"gpt-5-oss-gguf","stream":true,` +
				`"stream_options":{"include_usage":true},"temperature":0.7}`,
		},
		{
			"extra keys go over the others, objects merge, nil removes", Config{API: "chat", Stream: true},
			Prompt{Messages: messages[:1], MaxTokens: 5, Extra: map[string]any{
				"cache_salt": "b", "ignore_eos": true, "stream": false,
				"stream_options": map[string]any{"continuous_usage_stats": true}, "max_tokens": nil,
			}},
			"http://h:1/v1/chat/completions",
			`{"cache_salt":"b","ignore_eos":true,"messages":[{"role":"system","content":"Be <brief>."}],"model":"m",` +
				`"stream":false,"stream_options":{"continuous_usage_stats":true,"include_usage":true}}`,
		},
		{
			"completions under a model name of OpenAI's", Config{API: "completions", Stream: true, Model: "gpt-4o"},
			Prompt{Text: "<|user|>\nHi", MaxTokens: 7, Stop: []string{"\n\n"}, TopP: new(0.95)},
			"http://h:1/v1/completions",
			`{"max_tokens":7,"model":"gpt-4o","prompt":"<|user|>\nHi","stop":["\n\n"],"stream":true,` +
				`"stream_options":{"include_usage":true},"top_p":0.95}`,
		},
		{
			"Ollama's own API keeps its options apart, and may neither cut nor shift", Config{API: "ollama", Stream: true},
			Prompt{Messages: messages[:1], Extra: map[string]any{"options": map[string]any{"num_ctx": 8192}, "keep_alive": -1},
				MaxTokens: 9, Temperature: new(0.0), Seed: new(int64(42)), Stop: []string{"x"}, TopP: new(1.0)},
			"http://h:1/api/chat",
			`{"keep_alive":-1,"messages":[{"role":"system","content":"Be <brief>."}],"model":"m","options":{"num_ctx":8192,` +
				`"num_predict":9,"seed":42,"stop":["x"],"temperature":0,"top_p":1},"shift":false,"stream":true,"truncate":false}`,
		},
	} {
		t.Run(tt.name, tt.check)
	}
}

// TestEncodeTyped does the same for the responses and the messages API.
func TestEncodeTyped(t *testing.T) {
	messages := []Message{{Role: "system", Content: "Be <brief>."}, {Role: "user", Content: "Hi"},
		{Role: "assistant", Content: ""}, {Role: "user", Content: "üben 🙂"}}
	for _, tt := range []encoded{
		{
			"responses are not stored, and take items", Config{API: "responses", Stream: true},
			Prompt{Messages: messages, MaxTokens: 64, Temperature: new(0.0), TopP: new(0.9), Seed: new(int64(0)),
				Stop: []string{"x"}, Extra: map[string]any{"cache_salt": "b"}},
			"http://h:1/v1/responses",
			`{"cache_salt":"b","input":[{"content":"Be <brief>.","role":"system","type":"message"},{"content":"Hi","role":"user",` +
				`"type":"message"},{"content":[{"annotations":[],"text":"","type":"output_text"}],"role":"assistant",` +
				`"type":"message"},{"content":"üben 🙂","role":"user","type":"message"}],"max_output_tokens":64,"model":"m",` +
				`"seed":0,"stop":["x"],"store":false,"stream":true,"temperature":0,"top_p":0.9}`,
		},
		{
			"messages have their system text apart and demand a limit", Config{API: "messages", Stream: true},
			Prompt{Messages: messages, Temperature: new(0.0), Stop: []string{"x"}},
			"http://h:1/v1/messages",
			`{"max_tokens":4096,"messages":[{"content":"Hi","role":"user"},{"content":"","role":"assistant"},{"content":` +
				`"üben 🙂","role":"user"}],"model":"m","stop_sequences":["x"],"stream":true,"system":"Be <brief>.","temperature":0}`,
		},
	} {
		t.Run(tt.name, tt.check)
	}
}

// encoded is a prompt and its encoding.
type encoded struct {
	name   string
	cfg    Config
	prompt Prompt
	url    string
	body   string
}

func (tt encoded) check(t *testing.T) {
	tt.cfg.BaseURL, tt.cfg.APIKey = "http://h:1/v1", "k"
	if tt.cfg.Model == "" {
		tt.cfg.Model = "m"
	}
	c, err := New(tt.cfg)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 { // the bytes must be the same each time
		r, err := c.dialect.encode(c.url, &c.cfg, tt.prompt)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.body, string(body)); diff != "" {
			t.Fatalf("body (-want +got):\n%s", diff)
		}
		if r.Method != http.MethodPost || r.URL.String() != tt.url || r.ContentLength != int64(len(body)) {
			t.Errorf("%s %s, %d bytes declared of %d", r.Method, r.URL, r.ContentLength, len(body))
		}
		if got := r.Header.Get("Authorization"); got != "Bearer k" {
			t.Errorf("Authorization %q", got)
		}
		if r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Connection") != "" {
			t.Errorf("headers %v", r.Header)
		}
		if anthropic := r.Header.Get("X-Api-Key") + r.Header.Get("Anthropic-Version"); tt.cfg.API == "messages" {
			if anthropic != "k2023-06-01" {
				t.Errorf("headers %v", r.Header)
			}
		} else if anthropic != "" {
			t.Errorf("headers %v", r.Header)
		}
	}
}

func TestEncodeRefuses(t *testing.T) {
	for _, api := range []wire.API{wire.Chat, wire.Completions, wire.Ollama, wire.Responses, wire.Messages,
		wire.LMStudio} {
		c, err := New(Config{BaseURL: "http://h", API: api, Stream: true})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.dialect.encode(c.url, &c.cfg, Prompt{Extra: map[string]any{"min_p": math.Inf(1)}}); err == nil ||
			!strings.Contains(err.Error(), "min_p") {
			t.Errorf("%s: error %v does not name the key", api, err)
		}
	}
}

// TestEncodeLMStudio: its own API takes one question and is asked not to store it.
func TestEncodeLMStudio(t *testing.T) {
	question := []Message{{Role: "system", Content: "Be brief."}, {Role: "system", Content: "DOC: x=1"},
		{Role: "user", Content: "x?"}}
	encoded{"a question", Config{API: "lmstudio", Stream: true}, Prompt{Messages: question, MaxTokens: 9,
		Temperature: new(0.0), Seed: new(int64(1)), Thinking: wire.Thinking{Level: "off"}}, "http://h:1/api/v1/chat",
		`{"input":[{"content":"x?","type":"message"}],"max_output_tokens":9,"model":"m","reasoning":"off","store":false,` +
			`"stream":true,"system_prompt":"Be brief.\n\nDOC: x=1","temperature":0}`}.check(t)
	for _, tt := range []struct {
		prompt Prompt
		why    string
	}{
		{Prompt{Messages: []Message{{Role: "user"}, {Role: "assistant"}, {Role: "user"}}}, "no answers of an assistant"},
		{Prompt{Messages: []Message{{Role: "user"}, {Role: "system"}}}, "before the first question only"},
		{Prompt{Messages: question, Tools: []wire.Tool{{}}}, "takes no tools"},
		{Prompt{Messages: question, Format: &wire.Format{}}, "no format of a reply"},
	} {
		c, err := New(Config{BaseURL: "http://h", API: wire.LMStudio})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.dialect.encode(c.url, &c.cfg, tt.prompt); err == nil || !strings.Contains(err.Error(), tt.why) {
			t.Errorf("%v, want %s", err, tt.why)
		}
	}
}

func TestEndpoints(t *testing.T) {
	for _, tt := range []struct {
		base string
		api  wire.API
		want string
	}{
		{"http://h:8000", "chat", "http://h:8000/v1/chat/completions"},
		{"http://h:8000/", "completions", "http://h:8000/v1/completions"},
		{"http://h:8000/v1/", "chat", "http://h:8000/v1/chat/completions"},
		{"https://h/llm/v1", "chat", "https://h/llm/v1/chat/completions"},
		{"http://[::1]:11434/v1", "ollama", "http://[::1]:11434/api/chat"},
		{"http://h:11434", "ollama", "http://h:11434/api/chat"},
		{"http://h/proxy/v1", "ollama", "http://h/proxy/api/chat"},
		{"http://h:8000", "responses", "http://h:8000/v1/responses"},
		{"https://h/llm/v1/", "messages", "https://h/llm/v1/messages"},
		{"http://h:1234/v1", "lmstudio", "http://h:1234/api/v1/chat"},
		{"http://h/llm/api/v0/", "lmstudio", "http://h/llm/api/v1/chat"},
	} {
		c, err := New(Config{BaseURL: tt.base, API: tt.api})
		if err != nil {
			t.Fatal(err)
		}
		r, err := c.dialect.encode(c.url, &c.cfg, Prompt{})
		if err != nil {
			t.Fatal(err)
		}
		if r.URL.String() != tt.want {
			t.Errorf("%s in %s: %s, want %s", tt.base, tt.api, r.URL, tt.want)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for base, want := range map[string]string{
		"localhost:8000": `base URL "localhost:8000": want http://HOST[:PORT][/PATH] or https://`,
		"":               `base URL "": want http://HOST[:PORT][/PATH] or https://`,
		"ftp://h":        `base URL "ftp://h": want http://HOST[:PORT][/PATH] or https://`,
		"http://me:secret@h": `base URL "http://me:xxxxx@h": a key belongs in the server's api_key,` +
			` not into its URL`,
		"http://h/v1?api-version=2": `base URL "http://h/v1?api-version=2": a query or fragment cannot be part of it`,
	} {
		if _, err := New(Config{BaseURL: base}); err == nil || err.Error() != want {
			t.Errorf("%q: %v\nwant %s", base, err, want)
		}
	}
	if _, err := New(Config{BaseURL: "http://h", API: "letters"}); err == nil ||
		err.Error() != `API "letters" is not known: want one of chat, completions, ollama, responses, lmstudio, messages` {
		t.Errorf("unknown API: %v", err)
	}
	if _, err := New(Config{BaseURL: "http://h\x7f"}); err == nil {
		t.Error("a malformed URL is taken")
	}
}
