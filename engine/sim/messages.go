package sim

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// messagesForm is Anthropic's messages API.
var messagesForm = form{
	prefix: "msg_", chat: true, read: readMessages,
	opening: func(x *exchange) []frame {
		message := x.messageObject()
		message["usage"] = x.messageUsage(0)
		return append(x.named("message_start", object{"message": message}), x.named("ping", object{})...)
	},
	pieces: (*exchange).blockPieces, ending: func(*exchange) []frame { return nil }, closing: (*exchange).messageEnd,
	whole: func(x *exchange) json.RawMessage {
		message := x.messageObject()
		message["stop_reason"], message["stop_sequence"] = x.stopReason()
		message["usage"] = x.messageUsage(len(x.reply.tokens))
		blocks := []any{}
		for _, it := range x.allItems() {
			blocks = append(blocks, x.blockObject(it, true))
		}
		message["content"] = blocks
		return encode(message)
	},
	problem: func(_ *Server, e *refusal) json.RawMessage { return encode(anthropicError(e)) },
	failing: func(x *exchange, e *refusal) []frame { return x.named("error", anthropicError(e)) },
}

func anthropicError(e *refusal) object {
	kind := map[int]string{
		http.StatusBadRequest: "invalid_request_error", http.StatusNotFound: "not_found_error",
		http.StatusTooManyRequests: "rate_limit_error", http.StatusServiceUnavailable: "overloaded_error",
	}[e.status]
	if kind == "" {
		kind = "api_error"
	}
	return object{"type": "error", "error": object{"type": kind, "message": e.message}}
}

func (x *exchange) messageObject() object {
	return object{"id": x.entry.ID, "type": "message", "role": "assistant", "content": []any{}, "model": x.model,
		"stop_reason": nil, "stop_sequence": nil}
}

// messageUsage counts a prompt in parts: input_tokens leaves out cached tokens, unless the configuration has them
// counted twice.
func (x *exchange) messageUsage(tokens int) any {
	if x.trouble.has("no_usage") {
		return object{"input_tokens": 0, "output_tokens": 0}
	}
	u := x.usage(tokens)
	out := object{"input_tokens": u.Prompt, "output_tokens": u.Completion}
	if !x.s.cfg.NoCachedUsage {
		cached := 0
		if u.Details != nil {
			cached = u.Details.Cached
		}
		out["cache_read_input_tokens"], out["cache_creation_input_tokens"] = cached, 0
		if !x.s.cfg.Wire.WholeInput {
			out["input_tokens"] = max(0, u.Prompt-cached)
		}
	}
	return out
}

// stopReason returns why the reply ended, and the stop sequence if one ended it.
func (x *exchange) stopReason() (reason string, sequence any) {
	switch r := x.reply; r.finish {
	case "length":
		return "max_tokens", nil
	case "tool_calls":
		return "tool_use", nil
	default:
		if text, ok := r.stop.(string); ok {
			return "stop_sequence", text
		}
		return "end_turn", nil
	}
}

func (x *exchange) blockPieces(from, i int) (out []frame) {
	for _, p := range x.reply.said(from, i) {
		if p.text == "" && !p.begins {
			continue
		}
		it, events := x.itemOf(p, x.blockBegins, x.blockEnds)
		out = append(out, events...)
		if p.text == "" {
			continue
		}
		it.text.WriteString(p.text)
		delta := object{"type": "text_delta", "text": p.text}
		switch it.kind {
		case "thought":
			delta = object{"type": "thinking_delta", "thinking": p.text}
		case "call":
			delta = object{"type": "input_json_delta", "partial_json": p.text}
		}
		out = append(out, x.named("content_block_delta", object{"index": it.index, "delta": delta})...)
	}
	return out
}

func (x *exchange) blockBegins(it *item) []frame {
	return x.named("content_block_start", object{"index": it.index, "content_block": x.blockObject(it, false)})
}

func (x *exchange) blockEnds(it *item) []frame {
	var out []frame
	if it.kind == "thought" {
		out = x.named("content_block_delta", object{"index": it.index, "delta": object{"type": "signature_delta",
			"signature": x.s.id(x.entry.N)}})
	}
	return append(out, x.named("content_block_stop", object{"index": it.index})...)
}

// blockObject returns a content block: a whole one, or an empty one for the start of a block.
func (x *exchange) blockObject(it *item, whole bool) object {
	text := ""
	if whole {
		text = it.text.String()
	}
	switch it.kind {
	case "call":
		input := json.RawMessage("{}")
		if json.Valid([]byte(text)) {
			input = json.RawMessage(text)
		}
		return object{"type": "tool_use", "id": x.callID(it.call), "name": x.reply.calls[it.call].Name, "input": input}
	case "thought":
		return object{"type": "thinking", "thinking": text, "signature": ""}
	}
	return object{"type": "text", "text": text}
}

// messageEnd returns the events that end a stream: the end of the last block, the stop reason with the usage, and
// message_stop.
func (x *exchange) messageEnd() []frame {
	out := x.shut(x.blockEnds)
	reason, sequence := x.stopReason()
	out = append(out, x.named("message_delta", object{"delta": object{"stop_reason": reason, "stop_sequence": sequence},
		"usage": x.messageUsage(len(x.reply.tokens))})...)
	if !x.trouble.has("no_done") {
		out = append(out, x.named("message_stop", object{})...)
	}
	return out
}

// messagesRequest holds the fields that only the messages API spells this way.
type messagesRequest struct {
	System   typedParts `json:"system"`
	Messages []struct {
		Role    string          `json:"role"`
		Content json.RawMessage `json:"content"`
	} `json:"messages"`
	MaxTokens *int         `json:"max_tokens"`
	Stop      stringOrList `json:"stop_sequences"`
	Tools     []struct {
		Name        string          `json:"name"`
		Description string          `json:"description"`
		Schema      json.RawMessage `json:"input_schema"`
	} `json:"tools"`
	Choice struct {
		Type string `json:"type"`
		Name string `json:"name"`
	} `json:"tool_choice"`
	Output struct {
		Format *struct {
			Type   string          `json:"type"`
			Schema json.RawMessage `json:"schema"`
		} `json:"format"`
	} `json:"output_config"`
	Thinking struct {
		Type   string `json:"type"`
		Budget *int   `json:"budget_tokens"`
	} `json:"thinking"`
}

// readMessages reads a request of the messages API.
func readMessages(body []byte, q *request) *refusal {
	e := q.readMessages(body)
	if e == nil && q.MaxTokens == nil {
		return badRequest("max_tokens", "max_tokens: Field required")
	}
	return e
}

func (q *request) readMessages(body []byte) *refusal {
	var r messagesRequest
	if e := decode(body, &r); e != nil {
		return e
	}
	var common commonRequest
	if e := decode(body, &common); e != nil {
		return e
	}
	common.fill(q)
	q.Seed, q.IgnoreEOS = nil, false // the API has neither
	q.MaxTokens, q.Stop = r.MaxTokens, r.Stop
	for _, t := range r.Tools {
		q.Tools = append(q.Tools, tool{"function", function{t.Name, t.Description, t.Schema}})
	}
	switch r.Choice.Type {
	case "":
	case "any":
		q.ToolChoice = encode("required")
	case "tool":
		q.ToolChoice = encode(object{"type": "function", "function": object{"name": r.Choice.Name}})
	default:
		q.ToolChoice = encode(r.Choice.Type)
	}
	if f := r.Output.Format; f != nil {
		q.ResponseFormat = &format{Type: f.Type}
		q.ResponseFormat.Schema.Schema = f.Schema
	}
	if t := r.Thinking; t.Type != "" {
		q.Template.EnableThinking, q.ThinkingBudget = new(t.Type != "disabled"), t.Budget
	}
	if r.System != "" {
		q.Messages = append(q.Messages, wireMessage{Role: "system", Content: textContent(r.System)})
	}
	for i, m := range r.Messages {
		if e := q.readBlocks(m.Role, m.Content); e != nil {
			return badRequest("messages", "messages.%d: %s", i, e.message)
		}
	}
	return nil
}

// readBlocks reads the content of a message. Each result of a call becomes a separate message.
func (q *request) readBlocks(role string, raw json.RawMessage) *refusal {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		q.Messages = append(q.Messages, wireMessage{Role: role, Content: textContent(text)})
		return nil
	}
	var blocks []struct {
		Type    string          `json:"type"`
		Text    string          `json:"text"`
		Name    string          `json:"name"`
		Input   json.RawMessage `json:"input"`
		Content typedParts      `json:"content"`
		Source  struct {
			Media string `json:"media_type"`
			Data  string `json:"data"`
		} `json:"source"`
	}
	if e := decode(raw, &blocks); e != nil {
		return e
	}
	m := wireMessage{Role: role}
	var texts []string
	said := false
	for _, b := range blocks {
		switch b.Type {
		case "text":
			texts, said = append(texts, b.Text), true
		case "image":
			shown, err := picture("data:" + b.Source.Media + ";base64," + b.Source.Data)
			if err != nil {
				return badRequest("messages", "%v", err)
			}
			texts, said = append(texts, shown), true
		case "tool_use":
			m, said = m.calling(Call{b.Name, string(b.Input)}), true
		case "tool_result":
			q.Messages = append(q.Messages, wireMessage{Role: "tool", Content: textContent(b.Content)})
		case "thinking", "redacted_thinking": // the template ignores these
			said = true
		default:
			return badRequest("messages", "a block of type %q is not supported", b.Type)
		}
	}
	if m.Content = textContent(strings.Join(texts, "\n")); said {
		q.Messages = append(q.Messages, m)
	}
	return nil
}

// countTokens counts the prompt tokens of a request of the messages API.
func (s *Server) countTokens(w http.ResponseWriter, r *http.Request, _ time.Time) {
	hold := s.hold()
	defer hold.giveBack()
	var q request
	body, refused := readBody(w, r, &hold)
	if refused == nil {
		refused = q.readMessages(body)
	}
	if refused == nil {
		refused = s.known(q.Model)
	}
	if refused != nil {
		answerJSON(w, refused.status, anthropicError(refused))
		return
	}
	n := len(tokenize(render(withTools(q.messages(), q.Tools), q.ending())))
	answerJSON(w, http.StatusOK, object{"input_tokens": n})
}

func (s *Server) message(w http.ResponseWriter, r *http.Request, arrival time.Time) {
	s.generate(w, r, arrival, &messagesForm)
}
