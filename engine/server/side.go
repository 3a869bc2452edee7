package server

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"
)

// sideLimit bounds one request on a side channel. Tokenising a prompt of 100,000 tokens takes a
// Python server a few hundred milliseconds.
const sideLimit = 30 * time.Second

// Config says how to reach a server's side channels. An empty path means the engine's own; a
// profile that knows better overrides it.
type Config struct {
	BaseURL       string // scheme, host and port; a /v1 at its end is taken off
	Engine        string // a name in [Engines]
	Model         string // as requests name it
	ContextTokens int    // what requests to Ollama send as num_ctx; 0: nothing
	Tokenize      string // path
	Metrics       string // path
	ResetMethod   string // with ResetPath: replaces the engine's own way to drop its cache
	ResetPath     string
	Client        *http.Client // nil: NewHTTPClient("")

	Draw func(n uint64) uint64 // draws below n for the prompts of the self-test; nil: rand.Uint64N
}

// Side is a handle on one server's side channels. Its methods may be called from several
// goroutines.
type Side struct {
	base   string
	engine Engine
	config Config
	client *http.Client
}

// NewSide makes a handle. It sends nothing.
func NewSide(c Config) (*Side, error) {
	base, err := baseURL(c.BaseURL)
	if err != nil {
		return nil, err
	}
	engine, ok := Lookup(c.Engine)
	if !ok {
		return nil, fmt.Errorf("opening the side channels of %s: unknown engine %q", base, c.Engine)
	}
	if c.Metrics != "" {
		engine.metrics = c.Metrics
	}
	if c.Client == nil {
		c.Client = NewHTTPClient("")
	}
	if c.Draw == nil {
		c.Draw = rand.Uint64N
	}
	return &Side{base: base, engine: engine, config: c, client: c.Client}, nil
}

// Engine is the name of the server's engine.
func (s *Side) Engine() string { return s.engine.Name }

// ErrUnsupported is what a side channel's error wraps when the engine has no such channel, as
// opposed to one that failed.
var ErrUnsupported = errors.New("not offered by this engine")

// get and post make one request on a side channel. A reply that is no success, or is a web page,
// comes with its error.
func (s *Side) get(ctx context.Context, path string) (reply, error) {
	r := call(ctx, s.client, http.MethodGet, s.base+path, nil, sideLimit)
	return r, r.failure()
}

func (s *Side) post(ctx context.Context, path string, body any) (reply, error) {
	r := call(ctx, s.client, http.MethodPost, s.base+path, body, sideLimit)
	return r, r.failure()
}

// Message is one message of a chat prompt.
type Message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// input is a prompt to tokenise: messages, or text if there are none.
type input struct {
	messages []Message
	text     string
}

// Tokenize returns the token ids of a chat prompt as the server renders it, with the opening of
// the reply where the engine's endpoint can add it (TabbyAPI's cannot: there the last few ids of
// the real prompt are missing, which changes no common prefix).
func (s *Side) Tokenize(ctx context.Context, messages []Message) ([]int, error) {
	return s.tokens(ctx, input{messages: messages})
}

// TokenizeText returns the token ids of plain text, with no special token added at its start.
func (s *Side) TokenizeText(ctx context.Context, text string) ([]int, error) {
	return s.tokens(ctx, input{text: text})
}

func (s *Side) tokens(ctx context.Context, in input) ([]int, error) {
	if s.engine.tokenize == nil {
		return nil, fmt.Errorf("tokenising with %s: %w", s.engine.Title, ErrUnsupported)
	}
	ids, err := s.engine.tokenize(ctx, s, in)
	if err != nil {
		return nil, fmt.Errorf("tokenising with %s: %w", s.engine.Title, err)
	}
	return ids, nil
}

// path is the profile's path for tokenising, or the engine's own.
func (s *Side) tokenizePath(own string) string {
	if s.config.Tokenize != "" {
		return s.config.Tokenize
	}
	return own
}

// tokenizeVLLM serves vLLM, SGLang and the simulator.
func tokenizeVLLM(ctx context.Context, s *Side, in input) ([]int, error) {
	body := map[string]any{"model": s.config.Model, "prompt": in.text, "add_special_tokens": false}
	if in.messages != nil {
		body = map[string]any{"model": s.config.Model, "messages": in.messages, "add_generation_prompt": true}
	}
	r, err := s.post(ctx, s.tokenizePath("/tokenize"), body)
	if err != nil {
		return nil, err
	}
	return idsOf(r, in)
}

// idsOf reads {"tokens": […]}, the reply of all engines but KoboldCpp.
func idsOf(r reply, in input) ([]int, error) {
	var out struct {
		Tokens []int `json:"tokens"`
	}
	if !r.into(&out) || out.Tokens == nil || len(out.Tokens) == 0 && (in.text != "" || in.messages != nil) {
		return nil, fmt.Errorf("the reply holds no token ids: %s", shorten(string(r.body), 200))
	}
	return out.Tokens, nil
}

func tokenizeLlama(ctx context.Context, s *Side, in input) ([]int, error) {
	text := in.text
	if in.messages != nil {
		r, err := s.post(ctx, "/apply-template", map[string]any{"messages": in.messages})
		if err != nil {
			return nil, fmt.Errorf("rendering the chat template: %w", err)
		}
		var rendered struct {
			Prompt *string `json:"prompt"`
		}
		if !r.into(&rendered) || rendered.Prompt == nil {
			return nil, fmt.Errorf("rendering the chat template: the reply holds no prompt: %s", shorten(string(r.body), 200))
		}
		text = *rendered.Prompt
	}
	// A chat prompt gets its BOS here unless the template wrote it, as a completion would.
	r, err := s.post(ctx, s.tokenizePath("/tokenize"), map[string]any{"content": text, "add_special": in.messages != nil, "parse_special": true})
	if err != nil {
		return nil, err
	}
	return idsOf(r, in)
}

func tokenizeTabby(ctx context.Context, s *Side, in input) ([]int, error) {
	body := map[string]any{"text": in.text, "add_bos_token": false}
	if in.messages != nil {
		body = map[string]any{"text": in.messages}
	}
	r, err := s.post(ctx, s.tokenizePath("/v1/token/encode"), body)
	if err != nil {
		return nil, err
	}
	return idsOf(r, in)
}

func tokenizeKobold(ctx context.Context, s *Side, in input) ([]int, error) {
	if in.messages != nil {
		return nil, fmt.Errorf("the chat format is the server's own adapter and cannot be asked for: %w", ErrUnsupported)
	}
	r, err := s.post(ctx, s.tokenizePath("/api/extra/tokencount"), map[string]any{"prompt": in.text})
	if err != nil {
		return nil, err
	}
	var out struct {
		IDs []int `json:"ids"`
	}
	if !r.into(&out) || out.IDs == nil {
		return nil, fmt.Errorf("the reply holds no token ids: %s", shorten(string(r.body), 200))
	}
	return out.IDs, nil
}
