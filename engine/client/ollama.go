package client

import (
	"net/http"
	"net/url"
	"strings"

	"homellm/engine/wire"
)

// ollamaURL derives the URL of Ollama's own API from the base URL, which often ends in the /v1 of the OpenAI API.
func ollamaURL(base *url.URL) *url.URL {
	root := strings.TrimSuffix(strings.TrimRight(base.Path, "/"), "/v1")
	return &url.URL{Scheme: base.Scheme, Host: base.Host, Path: root + "/api/chat"}
}

// encodeOllama builds a request of Ollama's own API. It asks the server not to truncate the prompt or shift the
// context silently: both would make a long scenario fast and wrong.
func encodeOllama(to *url.URL, cfg *Config, p Prompt) (*http.Request, error) {
	options := map[string]any{}
	if p.MaxTokens > 0 {
		options["num_predict"] = p.MaxTokens
	}
	sampled(options, p)
	if p.Seed != nil {
		options["seed"] = *p.Seed
	}
	if len(p.Stop) > 0 {
		options["stop"] = p.Stop
	}
	set := map[string]any{
		"model":    cfg.Model,
		"messages": ollamaMessages(p.Messages),
		"stream":   cfg.Stream,
		"options":  options,
		"truncate": false,
		"shift":    false,
	}
	if len(p.Tools) > 0 {
		set["tools"] = wire.Functions(p.Tools)
	}
	if p.Format != nil {
		set["format"] = p.Format.Schema
	}
	switch p.Thinking.Level {
	case "":
	case "on", "off":
		set["think"] = p.Thinking.Level == "on"
	default:
		set["think"] = p.Thinking.Level
	}
	return post(to, cfg, "application/x-ndjson", set, p.Extra)
}

// decodeOllama reads one line of Ollama's /api/chat. Durations are nanoseconds. prompt_eval_count is the whole
// prompt, cached or not, but in some versions only the computed part: the self-test of a run finds out which.
func decodeOllama(data []byte, c *chunk) error {
	s := &c.scan
	if s.peek() != '{' {
		return errNotJSON
	}
	for ok := s.open('{'); ok; ok = s.more('}') {
		switch string(s.key()) {
		case "message":
			c.choices = true
			c.readDelta()
		case "model":
			c.model = append(c.model[:0], s.text()...)
		case "done":
			c.done = s.boolean()
		case "done_reason":
			if reason := s.text(); len(reason) > 0 {
				c.finish = append(c.finish[:0], reason...)
			}
		case "prompt_eval_count":
			s.countInto(&c.usage.prompt)
		case "prompt_eval_cached_count":
			s.countInto(&c.usage.cached)
		case "eval_count":
			s.countInto(&c.usage.completion)
		case "total_duration":
			s.scaledInto(&c.timings.total, 1e-6)
		case "load_duration":
			s.scaledInto(&c.timings.load, 1e-6)
		case "prompt_eval_duration":
			s.scaledInto(&c.timings.prefill, 1e-6)
		case "eval_duration":
			s.scaledInto(&c.timings.decode, 1e-6)
		case "error":
			c.hasFault = s.peek() != 'n'
			s.skip()
		default:
			s.skip()
		}
	}
	if !s.end() {
		return errNotJSON
	}
	if c.hasFault {
		c.fault = readFault(data)
	}
	return nil
}

// ollamaMessages returns messages in the form of Ollama's own API: arguments are objects, and a tool's result names the
// tool.
func ollamaMessages(messages []Message) []any {
	out := make([]any, len(messages))
	for i, m := range messages {
		if len(m.Images) > 0 {
			out[i] = ollamaShown(m)
			continue
		}
		if m.Role != "tool" && len(m.ToolCalls) == 0 {
			out[i] = m
			continue
		}
		message := map[string]any{"role": m.Role, "content": m.Content}
		if m.Thinking != "" {
			message[wire.FieldThinking] = m.Thinking
		}
		if m.Name != "" {
			message["tool_name"] = m.Name
		}
		if m.ToolCallID != "" {
			message["tool_call_id"] = m.ToolCallID
		}
		var calls []any
		for _, c := range m.ToolCalls {
			calls = append(calls, map[string]any{"id": c.ID,
				"function": map[string]any{"name": c.Function.Name, "arguments": objectOf(c.Function.Arguments)}})
		}
		if calls != nil {
			message["tool_calls"] = calls
		}
		out[i] = message
	}
	return out
}
