package client

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"homellm/engine/wire"
)

// lmStudioURL derives the URL of LM Studio's own API from the base URL, which often ends in the path of another one.
func lmStudioURL(base *url.URL) *url.URL {
	root := strings.TrimRight(base.Path, "/")
	for _, api := range []string{"/api/v0", "/api/v1", "/v1"} {
		if rest, ok := strings.CutSuffix(root, api); ok {
			root = rest
			break
		}
	}
	return &url.URL{Scheme: base.Scheme, Host: base.Host, Path: root + "/api/v1/chat"}
}

// encodeLMStudio builds a request of LM Studio's own API. The server is asked to store nothing, so each request carries
// the whole conversation. The API has no way to send a conversation that contains answers.
func encodeLMStudio(to *url.URL, cfg *Config, p Prompt) (*http.Request, error) {
	if why := wire.LMStudio.Unsaid(p.Messages, p.Tools, p.Format); why != "" {
		return nil, unbuilt(errors.New(why))
	}
	system, rest := systemApart(p.Messages)
	input := []any{}
	for _, m := range rest {
		input = append(input, map[string]any{"type": "message", "content": m.Content})
		for _, image := range m.Images {
			input = append(input, map[string]any{"type": "image", "data_url": image.DataURL()})
		}
	}
	set := map[string]any{"model": cfg.Model, "input": input, "stream": cfg.Stream, "store": false}
	if system != "" {
		set["system_prompt"] = system
	}
	if p.MaxTokens > 0 {
		set["max_output_tokens"] = p.MaxTokens
	}
	sampled(set, p)
	if p.Thinking.Level != "" {
		set["reasoning"] = p.Thinking.Level
	}
	return post(to, cfg, "text/event-stream", set, p.Extra)
}

// decodeLMStudio reads one event of LM Studio's own API, or the whole body of a reply that was not streamed. The last
// event repeats what the deltas sent, and adds the statistics. The API does not say whether a reply ended at the token
// limit.
func decodeLMStudio(data []byte, c *chunk) error {
	var at struct{ kind, content, result, error, output int }
	s := &c.scan
	return c.decodeTyped(func(start int) {
		c.typeAt(at.kind)
		switch kind := string(c.kind); {
		case kind == "error" || kind == "" && !s.nullAt(at.error):
			c.hasFault, c.fault = true, readFault(data)
		case kind == "message.delta" && at.content > 0:
			c.choices = true
			s.pos = at.content
			c.readText(&c.answer)
		case kind == "reasoning.delta" && at.content > 0:
			c.choices = true
			s.pos = at.content
			c.readReasoning("reasoning")
		case kind == "chat.end" && at.result > 0:
			s.pos = at.result
			c.readLMStudioResult()
			c.message, c.done = !c.empty(), true
		case kind == "" && at.output > 0:
			c.choices = true
			s.pos = start
			c.readLMStudioResult()
		}
	}, part{"type", &at.kind}, part{"content", &at.content}, part{"result", &at.result}, part{"error", &at.error},
		part{"output", &at.output})
}

// readLMStudioResult reads all that was generated, with its statistics.
func (c *chunk) readLMStudioResult() {
	s := &c.scan
	for ok := s.open('{'); ok; ok = s.more('}') {
		switch string(s.key()) {
		case "model_instance_id":
			c.model = append(c.model[:0], s.text()...)
		case "output":
			for ok := s.open('['); ok; ok = s.more(']') {
				c.readLMStudioItem()
			}
		case "stats":
			c.readStats()
		default:
			s.skip()
		}
	}
	c.finish = []byte("completed")
}

// readLMStudioItem reads a message or reasoning; calls of the server's own tools are skipped, since the server answers
// them itself.
func (c *chunk) readLMStudioItem() {
	s := &c.scan
	kind, content := 0, 0
	s.locate(part{"type", &kind}, part{"content", &content})
	end := s.pos
	if content > 0 {
		says := string(s.textAt(kind))
		s.pos = content
		switch says {
		case "message":
			c.readText(&c.answer)
		case "reasoning":
			c.readText(&c.reasoning)
		}
	}
	s.pos = end
}
