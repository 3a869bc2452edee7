package client

import (
	"bytes"
	"net/http"
	"net/url"

	"homellm/engine/wire"
)

// encodeResponses builds a request of OpenAI's responses API. It carries the whole conversation, and the server is
// asked to store nothing.
func encodeResponses(to *url.URL, cfg *Config, p Prompt) (*http.Request, error) {
	set := map[string]any{
		"model":  cfg.Model,
		"input":  responsesInput(p.Messages),
		"stream": cfg.Stream,
		"store":  false,
	}
	if p.MaxTokens > 0 {
		set["max_output_tokens"] = p.MaxTokens
	}
	sampled(set, p)
	if p.Seed != nil {
		set["seed"] = *p.Seed // OpenAI has neither seed nor stop; local servers do
	}
	if len(p.Stop) > 0 {
		set["stop"] = p.Stop
	}
	if len(p.Tools) > 0 {
		set["tools"] = responsesTools(p.Tools)
	}
	switch p.ToolChoice {
	case "":
	case wire.ChooseAuto, wire.ChooseNone, wire.ChooseRequired:
		set["tool_choice"] = p.ToolChoice
	default:
		set["tool_choice"] = map[string]any{"type": "function", "name": p.ToolChoice}
	}
	if p.Format != nil {
		set["text"] = map[string]any{"format": map[string]any{"type": "json_schema", "name": p.Format.Name,
			"schema": p.Format.Schema, "strict": true}}
	}
	switch p.Thinking.Level {
	case "", "on": // the model decides how much it thinks
	case "off":
		set["reasoning"] = map[string]any{"effort": "none"}
	default:
		set["reasoning"] = map[string]any{"effort": p.Thinking.Level}
	}
	return post(to, cfg, "text/event-stream", set, p.Extra)
}

// responsesInput returns messages as input items: an assistant's reasoning, text and calls are separate items, and so
// is a tool's result.
func responsesInput(messages []Message) []any {
	out := []any{}
	for _, m := range messages {
		switch m.Role {
		case "tool":
			out = append(out, map[string]any{"type": "function_call_output", "call_id": m.ToolCallID, "output": m.Content})
		case "assistant":
			if thoughts := m.Thoughts(); thoughts != "" {
				out = append(out, map[string]any{"type": "reasoning", "summary": []any{},
					"content": []any{map[string]any{"type": "reasoning_text", "text": thoughts}}})
			}
			if m.Content != "" || len(m.ToolCalls) == 0 {
				out = append(out, map[string]any{"type": "message", "role": m.Role, "content": []any{
					map[string]any{"type": "output_text", "text": m.Content, "annotations": []any{}}}})
			}
			for _, c := range m.ToolCalls {
				out = append(out, map[string]any{"type": "function_call", "call_id": c.ID, "name": c.Function.Name,
					"arguments": c.Function.Arguments})
			}
		default:
			out = append(out, map[string]any{"type": "message", "role": m.Role, "content": responsesContent(m)})
		}
	}
	return out
}

// responsesContent returns the content of a message: a text, or parts if it shows images.
func responsesContent(m Message) any {
	if len(m.Images) == 0 {
		return m.Content
	}
	parts := []any{map[string]any{"type": "input_text", "text": m.Content}}
	for _, i := range m.Images {
		parts = append(parts, map[string]any{"type": "input_image", "image_url": i.DataURL()})
	}
	return parts
}

// responsesTools returns tools as the responses API declares them: without a nested "function" object.
func responsesTools(tools []wire.Tool) []any {
	var out []any
	for _, d := range wire.Functions(tools) {
		t := map[string]any{"type": "function", "name": d.Function.Name, "parameters": d.Function.Parameters,
			"strict": false}
		if d.Function.Description != "" {
			t["description"] = d.Function.Description
		}
		out = append(out, t)
	}
	return out
}

// responsesEvent holds the offsets of an event's parts, which come in any order; 0 if a part is absent.
type responsesEvent struct {
	kind, index, delta, item, response, arguments, output, error, timings int
}

// decodeResponses reads one event of the responses API, or the whole response of a reply that was not streamed. The
// event's type says what its delta is; events that repeat earlier content are read only for what has not been sent yet.
func decodeResponses(data []byte, c *chunk) error {
	var e responsesEvent
	return c.decodeTyped(func(start int) { c.readResponsesEvent(e, data, start) },
		part{"type", &e.kind}, part{"output_index", &e.index}, part{"delta", &e.delta}, part{"item", &e.item},
		part{"response", &e.response}, part{"arguments", &e.arguments}, part{"output", &e.output},
		part{"error", &e.error}, part{"timings", &e.timings})
}

// readResponsesEvent reads an event by its type.
func (c *chunk) readResponsesEvent(e responsesEvent, data []byte, start int) {
	s := &c.scan
	c.timingsAt(e.timings)
	c.typeAt(e.kind)
	index, whole := s.countAt(e.index), e.output > 0
	c.choices = bytes.HasPrefix(c.kind, []byte("response."))
	switch kind := string(c.kind); {
	case kind == "error" || kind == "" && !s.nullAt(e.error) && !whole:
		c.hasFault, c.fault = true, readFault(data)
	case kind == "" && whole:
		c.choices = true
		s.pos = start
		c.readResponse(true)
	case e.response > 0:
		s.pos = e.response
		c.readResponse(false)
		c.done = kind == "response.completed" || kind == "response.incomplete"
	case e.item > 0:
		s.pos = e.item
		c.readItem(piece{index: index, again: kind == "response.output_item.done"}, false)
	case kind == "response.function_call_arguments.done" && e.arguments > 0:
		s.pos = e.arguments
		c.addCall(piece{index: index, arguments: bytes.Clone(s.text()), again: true})
	case e.delta > 0:
		s.pos = e.delta
		c.readResponsesDelta(kind, index)
	}
}

// readResponsesDelta reads generated text.
func (c *chunk) readResponsesDelta(kind string, index int) {
	switch kind {
	case "response.output_text.delta":
		c.readText(&c.answer)
	case "response.refusal.delta":
		c.readText(&c.refusal)
	case "response.reasoning_text.delta":
		c.readReasoning("reasoning_text")
	case "response.reasoning_summary_text.delta":
		c.readReasoning("reasoning_summary_text")
	case "response.function_call_arguments.delta":
		c.addCall(piece{index: index, arguments: bytes.Clone(c.scan.text())})
	}
}

// readItem reads an output item: a call always, a text only if whole, since otherwise deltas send it.
func (c *chunk) readItem(p piece, whole bool) {
	s := &c.scan
	var at struct{ kind, id, name, arguments, content, summary int }
	s.locate(part{"type", &at.kind}, part{"call_id", &at.id}, part{"name", &at.name}, part{"arguments", &at.arguments},
		part{"content", &at.content}, part{"summary", &at.summary})
	end := s.pos
	switch kind := string(s.textAt(at.kind)); {
	case kind == "function_call":
		p.id, p.name = string(s.textAt(at.id)), string(s.textAt(at.name))
		p.arguments = bytes.Clone(s.textAt(at.arguments))
		c.addCall(p)
	case !whole:
	case kind == "message" && at.content > 0:
		s.pos = at.content
		c.readContent(&c.answer)
	case kind == "reasoning":
		for _, offset := range []int{at.content, at.summary} {
			if offset > 0 && len(c.reasoning) == 0 {
				s.pos = offset
				c.readContent(&c.reasoning)
			}
		}
	}
	s.pos = end
}

// readResponse reads the response object: that of a whole reply, or that at the end of a stream, whose output repeats
// what the deltas sent.
func (c *chunk) readResponse(whole bool) {
	s := &c.scan
	status, reason, failed, output := "", "", []byte(nil), 0
	for ok := s.open('{'); ok; ok = s.more('}') {
		switch string(s.key()) {
		case "model":
			c.model = append(c.model[:0], s.text()...)
		case "status":
			status = string(s.text())
		case "usage":
			c.readResponsesUsage()
		case "timings":
			c.readTimings()
		case "incomplete_details":
			reason = s.member("reason")
		case "error":
			if s.peek() == 'n' {
				s.skip()
				continue
			}
			failed = s.raw()
		case "output":
			s.peek()
			output = s.pos
			s.skip()
		default:
			s.skip()
		}
	}
	end := s.pos
	switch status {
	case "completed":
		c.finish = []byte(status)
	case "incomplete":
		c.finish = []byte(status)
		if reason != "" {
			c.finish = []byte(reason)
		}
	case "failed", "cancelled":
		c.hasFault, c.fault = true, fault{Message: "the response is " + status}
		if failed != nil {
			c.fault = readFault(failed)
		}
	}
	if output > 0 && len(c.finish) > 0 {
		s.pos = output
		c.readOutput(whole)
	}
	s.pos = end
}

// readOutput reads the items of a response. At the end of a stream its texts count only where no delta came.
func (c *chunk) readOutput(whole bool) {
	s := &c.scan
	i := 0
	for ok := s.open('['); ok; ok = s.more(']') {
		c.readItem(piece{index: i, again: !whole}, true)
		i++
	}
	c.message = !whole && len(c.answer)+len(c.reasoning)+len(c.refusal) > 0
}

func (c *chunk) readResponsesUsage() {
	c.usage = noUsage
	s := &c.scan
	for ok := s.open('{'); ok; ok = s.more('}') {
		switch string(s.key()) {
		case "input_tokens":
			s.countInto(&c.usage.prompt)
		case "output_tokens":
			s.countInto(&c.usage.completion)
		case "input_tokens_details":
			c.readDetail("cached_tokens", &c.usage.cached)
		case "output_tokens_details":
			c.readDetail("reasoning_tokens", &c.usage.reasoning)
		default:
			s.skip()
		}
	}
}

// member returns a string of an object by its key; empty if there is none.
func (s *scanner) member(name string) (text string) {
	for ok := s.open('{'); ok; ok = s.more('}') {
		if string(s.key()) == name {
			text = string(s.text())
		} else {
			s.skip()
		}
	}
	return text
}

// addToolText adds the generated text of a call to the event's text.
func (c *chunk) addToolText(p *piece) {
	p.at = len(c.tool) + len(p.name)
	c.tool = append(append(c.tool, p.name...), p.arguments...)
}

// addCall adds what an event says of a call. If the event repeats a whole call, the record decides whether any of it is
// new.
func (c *chunk) addCall(p piece) {
	if !p.again && !p.follows && !p.foreign {
		c.addToolText(&p)
	}
	c.calls = append(c.calls, p)
	c.same.texts += 2 // with more than one text, the event is no pattern for the next ones
}
