package server

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"

	"homellm/engine/engines"
)

// Config says how to reach a server's side channels. An empty path means the engine's own; a profile can override it.
type Config struct {
	BaseURL       string // scheme, host and port; a /v1 at its end is removed
	Engine        string // a name in [engines.All]
	Model         string // the model's name in requests
	ContextTokens int    // num_ctx of requests to Ollama; 0: none
	Tokenize      string // path
	Metrics       string // path
	ResetMethod   string // with ResetPath: replaces the engine's own way to drop its cache
	ResetPath     string
	Client        *http.Client // nil: NewHTTPClient("")

	Draw func(n uint64) uint64 // draws a number below n for the self-test's prompts; nil: rand.Uint64N
}

// Side gives access to one server's side channels. Its methods may be called from several goroutines.
type Side struct {
	at      endpoint
	engine  engines.Engine
	config  Config
	metrics string // path
}

// NewSide returns a handle. It sends nothing.
func NewSide(c Config) (*Side, error) {
	base, err := baseURL(c.BaseURL)
	if err != nil {
		return nil, err
	}
	engine, ok := engines.Lookup(c.Engine)
	if !ok {
		return nil, fmt.Errorf("opening the side channels of %s: unknown engine %q", base, c.Engine)
	}
	if c.Client == nil {
		c.Client = NewHTTPClient("")
	}
	if c.Draw == nil {
		c.Draw = rand.Uint64N
	}
	s := &Side{at: endpoint{base, c.Client}, engine: engine, config: c, metrics: c.Metrics}
	if s.metrics == "" && engine.Metrics != nil {
		s.metrics = engine.Metrics.Path
	}
	if engine.Metrics != nil && engine.Metrics.Of != nil {
		s.metrics = engine.Metrics.Of(c.Model)
	}
	return s, nil
}

// Engine is the server's engine.
func (s *Side) Engine() engines.Engine { return s.engine }

// NewPrompt returns a prompt with at least a number of words that is new to every server.
func (s *Side) NewPrompt(words int) string {
	draw := rand.Uint64N
	if s != nil {
		draw = s.config.Draw
	}
	return canary(draw, words)
}

// target is the argument of the engine's functions.
func (s *Side) target() engines.Target {
	return engines.Target{Model: s.config.Model, ContextTokens: s.config.ContextTokens, TokenizePath: s.config.Tokenize}
}

// Tokenize returns the token ids of a chat prompt as the server renders it, with the beginning of the reply if the
// engine's endpoint can add it (TabbyAPI's cannot: the last few ids of the real prompt are then missing, which
// changes no common prefix).
func (s *Side) Tokenize(ctx context.Context, messages []engines.Message, tools ...engines.Tool) ([]int, error) {
	return s.tokens(ctx, engines.Input{Messages: messages, Tools: tools})
}

// TokenizeText returns the token ids of plain text, without a special token at its start.
func (s *Side) TokenizeText(ctx context.Context, text string) ([]int, error) {
	return s.tokens(ctx, engines.Input{Text: text})
}

func (s *Side) tokens(ctx context.Context, in engines.Input) ([]int, error) {
	if s.engine.API.Tokenize == nil {
		return nil, fmt.Errorf("tokenising with %s: %w", s.engine.Title, engines.ErrUnsupported)
	}
	ids, err := s.engine.API.Tokenize(ctx, s.at, s.target(), in)
	if err != nil {
		return nil, fmt.Errorf("tokenising with %s: %w", s.engine.Title, err)
	}
	return ids, nil
}

// CountPrompt has the server count the tokens of a question in the form of the messages API, without answering it. It
// sends the keys of the request's body too, because some of them change the prompt that the template makes.
func (s *Side) CountPrompt(ctx context.Context, keys map[string]any, text string) (int, error) {
	body := maps.Clone(keys)
	if body == nil {
		body = map[string]any{}
	}
	body["model"], body["messages"] = s.config.Model, []engines.Message{{Role: "user", Content: text}}
	r := s.at.Call(ctx, http.MethodPost, "/v1/messages/count_tokens", body, engines.SideLimit)
	if err := r.Failure(); err != nil {
		return 0, fmt.Errorf("counting a prompt: %w", err)
	}
	n, ok := r.Count("input_tokens")
	if !ok || n <= 0 {
		return 0, errors.New("counting a prompt: the reply holds no count")
	}
	return n, nil
}
