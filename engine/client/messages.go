package client

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"homellm/engine/wire"
)

// messagesVersion is the version of Anthropic's API that requests follow.
const messagesVersion = "2023-06-01"

// encodeMessages builds a request of Anthropic's messages API.
func encodeMessages(to *url.URL, cfg *Config, p Prompt) (*http.Request, error) {
	system, messages := messagesOf(p.Messages)
	set := map[string]any{
		"model":      cfg.Model,
		"messages":   messages,
		"stream":     cfg.Stream,
		"max_tokens": cmp.Or(p.MaxTokens, 4096), // the API requires a limit
	}
	if system != "" {
		set["system"] = system
	}
	sampled(set, p)
	if len(p.Stop) > 0 {
		set["stop_sequences"] = p.Stop
	}
	if len(p.Tools) > 0 {
		var tools []any
		for _, d := range wire.Functions(p.Tools) {
			tools = append(tools, messagesTool{d.Function.Name, d.Function.Description, d.Function.Parameters})
		}
		set["tools"] = tools
	}
	switch p.ToolChoice {
	case "":
	case wire.ChooseAuto, wire.ChooseNone:
		set["tool_choice"] = map[string]any{"type": p.ToolChoice}
	case wire.ChooseRequired:
		set["tool_choice"] = map[string]any{"type": "any"}
	default:
		set["tool_choice"] = map[string]any{"type": "tool", "name": p.ToolChoice}
	}
	output := map[string]any{}
	if p.Format != nil {
		output["format"] = map[string]any{"type": "json_schema", "schema": p.Format.Schema}
	}
	messagesThinking(set, output, p)
	if len(output) > 0 {
		set["output_config"] = output
	}
	r, err := post(to, cfg, "text/event-stream", set, p.Extra)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Anthropic-Version", messagesVersion)
	if cfg.APIKey != "" {
		r.Header.Set("X-Api-Key", cfg.APIKey)
	}
	return r, nil
}

// messagesTool is a tool as the messages API declares it.
type messagesTool struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Schema      json.RawMessage `json:"input_schema"`
}

// messagesThinking sets how much the model is to think. A budget of max_tokens or more would limit nothing and be
// refused, so it is not sent.
func messagesThinking(set, output map[string]any, p Prompt) {
	t := p.Thinking
	switch t.Level {
	case "":
	case "off":
		set["thinking"] = map[string]any{"type": "disabled"}
		return
	case "on":
		set["thinking"] = map[string]any{"type": "adaptive"}
	default:
		set["thinking"] = map[string]any{"type": "adaptive"}
		output["effort"] = t.Level
	}
	if t.Budget != nil && (p.MaxTokens == 0 || *t.Budget < p.MaxTokens) {
		set["thinking"] = map[string]any{"type": "enabled", "budget_tokens": *t.Budget}
	}
}

// messagesOf returns messages in the form of the messages API: the leading system messages are separate, calls and
// their results are blocks, and consecutive results are one user message.
func messagesOf(messages []Message) (system string, out []any) {
	system, messages = systemApart(messages)
	out = []any{}
	var results []any
	flush := func() {
		if results != nil {
			out = append(out, map[string]any{"role": "user", "content": results})
			results = nil
		}
	}
	for _, m := range messages {
		if m.Role == "tool" {
			results = append(results, map[string]any{"type": "tool_result", "tool_use_id": m.ToolCallID,
				"content": m.Content})
			continue
		}
		flush()
		out = append(out, map[string]any{"role": m.Role, "content": messagesContent(m)})
	}
	flush()
	return system, out
}

// systemApart splits the leading system messages off a conversation.
func systemApart(messages []Message) (system string, rest []Message) {
	var first []string
	for len(messages) > 0 && messages[0].Role == "system" {
		first = append(first, messages[0].Content)
		messages = messages[1:]
	}
	return strings.Join(first, "\n\n"), messages
}

// messagesContent returns the content of a message: a text, or blocks if it holds more than text.
func messagesContent(m Message) any {
	thoughts := m.Thoughts()
	if thoughts == "" && len(m.ToolCalls) == 0 && len(m.Images) == 0 {
		return m.Content
	}
	blocks := []any{}
	if thoughts != "" {
		blocks = append(blocks, map[string]any{"type": "thinking", "thinking": thoughts, "signature": ""})
	}
	if m.Content != "" {
		blocks = append(blocks, map[string]any{"type": "text", "text": m.Content})
	}
	for _, i := range m.Images {
		blocks = append(blocks, map[string]any{"type": "image", "source": map[string]any{"type": "base64",
			"media_type": i.Media, "data": i.Base64()}})
	}
	for _, c := range m.ToolCalls {
		blocks = append(blocks, map[string]any{"type": "tool_use", "id": c.ID, "name": c.Function.Name,
			"input": objectOf(c.Function.Arguments)})
	}
	return blocks
}

// objectOf returns the arguments of a call for APIs that take them as an object. Arguments that are not an object
// become an empty one.
func objectOf(arguments string) json.RawMessage {
	raw := json.RawMessage(strings.TrimSpace(arguments))
	if !json.Valid(raw) || !isObject(raw) {
		return json.RawMessage(`{}`)
	}
	return raw
}

// messagesEvent holds the offsets of an event's parts, which come in any order; 0 if a part is absent.
type messagesEvent struct {
	kind, index, message, block, delta, usage, error, timings int
}

// decodeMessages reads one event of the messages API, or the whole message of a reply that was not streamed.
//
// By the API's definition input_tokens leaves out what was read from the cache and what was written to it, so a prompt
// is the sum of the three; the self-test finds servers that count otherwise. The first event and the last but one each
// report a part of the usage.
func decodeMessages(data []byte, c *chunk) error {
	var e messagesEvent
	return c.decodeTyped(func(start int) { c.readMessagesEvent(e, data, start) },
		part{"type", &e.kind}, part{"index", &e.index}, part{"message", &e.message}, part{"content_block", &e.block},
		part{"delta", &e.delta}, part{"usage", &e.usage}, part{"error", &e.error}, part{"timings", &e.timings})
}

// readMessagesEvent reads an event by its type.
func (c *chunk) readMessagesEvent(e messagesEvent, data []byte, start int) {
	s := &c.scan
	c.timingsAt(e.timings)
	index := s.countAt(e.index)
	c.typeAt(e.kind)
	switch kind := string(c.kind); kind {
	case "message":
		c.choices = true
		s.pos = start
		c.readMessage(true)
	case "message_start":
		c.choices = true
		s.pos = e.message
		c.readMessage(false)
	case "content_block_start":
		c.choices = true
		s.pos = e.block
		c.readBlock(index)
	case "content_block_delta":
		c.choices = true
		s.pos = e.delta
		c.readMessagesDelta(index)
	case "message_delta":
		if e.delta > 0 {
			s.pos = e.delta
			c.finish = worded(s.member("stop_reason"))
		}
		if e.usage > 0 {
			s.pos = e.usage
			c.readMessagesUsage(true)
		}
	case "message_stop":
		c.done = true
	case "error", "":
		if kind == "error" || !s.nullAt(e.error) {
			c.hasFault, c.fault = true, readFault(data)
		}
	}
}

// readMessage reads the message object: the whole message, or the one that a stream begins with, whose output count is
// not the final one.
func (c *chunk) readMessage(whole bool) {
	s := &c.scan
	if s.pos == 0 && !whole {
		return
	}
	for ok := s.open('{'); ok; ok = s.more('}') {
		switch string(s.key()) {
		case "model":
			c.model = append(c.model[:0], s.text()...)
		case "usage":
			c.readMessagesUsage(whole)
		case "timings":
			c.readTimings()
		case "stop_reason":
			c.finish = worded(string(s.text()))
		case "content":
			i := 0
			for ok := s.open('['); ok; ok = s.more(']') {
				c.readBlock(i)
				i++
			}
		default:
			s.skip()
		}
	}
}

// readBlock reads a content block: a whole one, or the start of one, whose text is still empty. The arguments of a call
// follow in deltas unless the block has them.
func (c *chunk) readBlock(index int) {
	s := &c.scan
	if s.pos == 0 {
		return
	}
	p := piece{index: index}
	var at struct{ kind, id, name, input, text, thinking int }
	s.locate(part{"type", &at.kind}, part{"id", &at.id}, part{"name", &at.name}, part{"input", &at.input},
		part{"text", &at.text}, part{"thinking", &at.thinking})
	end := s.pos
	switch kind := string(s.textAt(at.kind)); {
	case kind == "tool_use":
		p.id, p.name = string(s.textAt(at.id)), string(s.textAt(at.name))
		if at.input > 0 {
			s.pos = at.input
			p.arguments = bytes.Clone(s.raw())
		}
		if string(p.arguments) == "{}" || string(p.arguments) == "null" {
			p.arguments, p.none = nil, true
		}
		p.whole = len(p.arguments) > 0
		c.addCall(p)
	case strings.HasSuffix(kind, "_tool_use"):
		c.addCall(piece{index: index, foreign: true})
	case kind == "thinking" && at.thinking > 0:
		s.pos = at.thinking
		c.readReasoning("thinking")
	case kind == "text" && at.text > 0:
		s.pos = at.text
		c.readText(&c.answer)
	}
	s.pos = end
}

// readMessagesDelta reads generated text. Signatures mean something only to the server and are skipped.
func (c *chunk) readMessagesDelta(index int) {
	s := &c.scan
	if s.pos == 0 {
		return
	}
	for ok := s.open('{'); ok; ok = s.more('}') {
		switch string(s.key()) {
		case "text":
			c.readText(&c.answer)
		case "thinking":
			c.readReasoning("thinking")
		case "partial_json":
			c.addCall(piece{index: index, arguments: bytes.Clone(s.text()), follows: true})
		default:
			s.skip()
		}
	}
}

// readMessagesUsage reads counts, each of which may be missing. Output says whether the output count is that of the
// whole reply.
func (c *chunk) readMessagesUsage(output bool) {
	c.usage = noUsage
	u := &c.usage
	u.part = true
	s := &c.scan
	for ok := s.open('{'); ok; ok = s.more('}') {
		switch key := string(s.key()); {
		case key == "input_tokens":
			s.countInto(&u.input)
		case key == "cache_read_input_tokens":
			s.countInto(&u.cached)
		case key == "cache_creation_input_tokens":
			s.countInto(&u.written)
		case key == "output_tokens" && output:
			s.countInto(&u.completion)
		default:
			s.skip()
		}
	}
}

// worded returns a word as bytes; nil if it is empty.
func worded(word string) []byte {
	if word == "" {
		return nil
	}
	return []byte(word)
}
