package sim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

// event is one chunk of a stream, for both routes.
type event struct {
	ID             string          `json:"id"`
	Object         string          `json:"object"`
	Created        int64           `json:"created"`
	Model          string          `json:"model"`
	Choices        []choice        `json:"choices"`
	PromptTokenIDs json.RawMessage `json:"prompt_token_ids,omitempty"`
	Usage          json.RawMessage `json:"usage,omitempty"`
	Fingerprint    string          `json:"system_fingerprint,omitempty"`
}

// choice is the one choice of a chunk or a reply.
type choice struct {
	Index          int             `json:"index"`
	Delta          json.RawMessage `json:"delta,omitempty"`
	Message        json.RawMessage `json:"message,omitempty"`
	Text           *string         `json:"text,omitempty"`
	Logprobs       json.RawMessage `json:"logprobs"`
	FinishReason   *string         `json:"finish_reason"`
	StopReason     json.RawMessage `json:"stop_reason,omitempty"`
	PromptTokenIDs json.RawMessage `json:"prompt_token_ids,omitempty"`
	TokenIDs       json.RawMessage `json:"token_ids,omitempty"`
}

// usage counts tokens.
type usage struct {
	Prompt     int      `json:"prompt_tokens"`
	Total      int      `json:"total_tokens"`
	Completion int      `json:"completion_tokens"`
	Details    *details `json:"prompt_tokens_details,omitempty"`
}

type details struct {
	Cached int `json:"cached_tokens"`
}

// delta is what one token adds, under the key that the wire version has for its channel.
func (s *Server) delta(text string, reasoning bool) json.RawMessage {
	type field struct {
		key string
		val any
	}
	var fields []field
	switch key := s.reasoningKey; {
	case !reasoning && key == "both":
		fields = []field{{"content", text}, {"reasoning_content", nil}}
	case !reasoning:
		fields = []field{{"content", text}}
	case key == "both":
		fields = []field{{"reasoning", text}, {"reasoning_content", text}}
	default:
		fields = []field{{key, text}}
	}
	b := []byte{'{'}
	for i, f := range fields {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(strconv.AppendQuote(b, f.key), ':')
		b = append(b, encode(f.val)...)
	}
	return append(b, '}')
}

// tokens returns the chunks of tokens from..i: one for each piece of content. Only the last has the token ids, the
// usage and the finish reason.
func (x *exchange) tokens(from, i int) []event {
	parts := x.reply.said(from, i)
	var out []event
	for len(parts) > 1 {
		ev := x.blank()
		ev.Choices = []choice{{Logprobs: null, Delta: x.partly(parts[0]), TokenIDs: null}}
		out = append(out, ev)
		parts = parts[1:]
	}
	if len(parts) == 0 {
		parts = []piece{{call: -1}}
	}
	return append(out, x.chunk(parts[0], from, i))
}

// partly returns the delta of a piece.
func (x *exchange) partly(p piece) json.RawMessage {
	switch {
	case p.call < 0:
		return x.s.delta(p.text, p.thought)
	case p.begins:
		return encode(map[string]any{"tool_calls": []any{map[string]any{"id": x.callID(p.call), "type": "function",
			"index": p.call, "function": Call{x.reply.calls[p.call].Name, p.text}}}})
	}
	return encode(map[string]any{"tool_calls": []any{map[string]any{"index": p.call,
		"function": map[string]string{"arguments": p.text}}}})
}

// callID returns the id of a call of the reply.
func (x *exchange) callID(call int) string {
	return fmt.Sprintf("call-%s-%d", x.s.id(x.entry.N)[:16], call)
}

// chunk returns the chunk of a piece, with the token ids and usage of tokens from..i.
func (x *exchange) chunk(p piece, from, i int) event {
	r := x.reply
	ev := x.blank()
	c := choice{Logprobs: null}
	text := p.text
	if x.form.chat {
		c.Delta = x.partly(p)
		c.TokenIDs = null
	} else {
		c.Text = &text
		c.StopReason = null
		if x.req.ReturnTokenIDs && from == 0 {
			c.PromptTokenIDs = encode(x.prompt)
		}
	}
	if i == len(r.tokens)-1 && !x.quietEnd() && !x.trouble.has("late_end") {
		c.FinishReason = &r.finish
		c.StopReason = r.stopReason()
	}
	if x.req.ReturnTokenIDs {
		c.TokenIDs = encode(r.tokens[from : i+1])
	}
	ev.Choices = []choice{c}
	switch {
	case x.continuous():
		ev.Usage = encode(x.usage(i + 1))
	case !x.form.chat:
		ev.Usage = null
	}
	return ev
}

// ended returns the chunk that has the finish reason alone.
func (x *exchange) ended() event {
	r := x.reply
	ev := x.blank()
	c := choice{Logprobs: null, FinishReason: &r.finish, StopReason: r.stopReason()}
	if x.form.chat {
		c.Delta = x.s.delta("", false)
	} else {
		c.Text = new(string)
	}
	ev.Choices = []choice{c}
	return ev
}

// role returns the chunk that opens a chat reply.
func (x *exchange) role() event {
	ev := x.blank()
	ev.Choices = []choice{{Delta: json.RawMessage(`{"role":"assistant","content":""}`), Logprobs: null}}
	ev.PromptTokenIDs = null
	if x.req.ReturnTokenIDs {
		ev.PromptTokenIDs = encode(x.prompt)
	}
	if x.continuous() {
		ev.Usage = encode(x.usage(0))
	}
	return ev
}

// totals returns the chunk that has no choices, only the usage.
func (x *exchange) totals() event {
	ev := x.blank()
	ev.Usage = encode(x.usage(len(x.reply.tokens)))
	ev.Fingerprint = x.s.fingerprint
	return ev
}

func (x *exchange) blank() event {
	object := "chat.completion.chunk"
	if !x.form.chat {
		object = "text_completion"
	}
	return event{ID: x.entry.ID, Object: object, Created: x.created, Model: x.model, Choices: []choice{}}
}

// usage returns the usage after a number of tokens. Cached tokens are included only if there are any, as in vLLM.
func (x *exchange) usage(tokens int) usage {
	if f, ok := x.trouble.find("usage"); ok {
		tokens = f.Count
	}
	u := usage{Prompt: len(x.prompt), Completion: tokens, Total: len(x.prompt) + tokens}
	cached := x.entry.CachedTokens
	if f, ok := x.trouble.find("cached"); ok {
		cached = f.Count
	}
	if cached > 0 && !x.s.cfg.NoCachedUsage {
		u.Details = &details{cached}
	}
	return u
}

// whole returns the body of a reply that is not streamed.
func (x *exchange) whole() json.RawMessage {
	r := x.reply
	c := choice{Logprobs: null, FinishReason: &r.finish, StopReason: r.stopReason(), TokenIDs: null}
	promptIDs := null
	if x.req.ReturnTokenIDs {
		c.TokenIDs, promptIDs = encode(r.tokens), encode(x.prompt)
	}
	object := "chat.completion"
	if x.form.chat {
		c.Message = x.message()
	} else {
		object = "text_completion"
		c.Text = &r.text
		c.PromptTokenIDs = promptIDs
	}
	body := struct {
		ID          string          `json:"id"`
		Object      string          `json:"object"`
		Created     int64           `json:"created"`
		Model       string          `json:"model"`
		Choices     []choice        `json:"choices"`
		Tier        json.RawMessage `json:"service_tier"`
		Fingerprint string          `json:"system_fingerprint"`
		Usage       any             `json:"usage,omitempty"`
		Logprobs    json.RawMessage `json:"prompt_logprobs,omitempty"`
		PromptIDs   json.RawMessage `json:"prompt_token_ids,omitempty"`
		Transfer    json.RawMessage `json:"kv_transfer_params"`
	}{
		ID: x.entry.ID, Object: object, Created: x.created, Model: x.model, Choices: []choice{c},
		Tier: null, Fingerprint: x.s.fingerprint, Transfer: null,
	}
	if x.form.chat {
		body.Logprobs, body.PromptIDs = null, promptIDs
	}
	if !x.trouble.has("no_usage") {
		u := x.usage(len(r.tokens))
		body.Usage = struct {
			Prompt     int      `json:"prompt_tokens"`
			Total      int      `json:"total_tokens"`
			Completion int      `json:"completion_tokens"`
			Details    *details `json:"prompt_tokens_details"` // null, not absent, in a whole reply
		}{u.Prompt, u.Total, u.Completion, u.Details}
	}
	return encode(body)
}

// message is the assistant's message of a whole chat reply.
func (x *exchange) message() json.RawMessage {
	m := map[string]any{
		"role": "assistant", "content": x.reply.text, "refusal": nil, "annotations": nil,
		"audio": nil, "function_call": nil, "tool_calls": []any{},
	}
	var calls []any
	for k, c := range x.reply.calls {
		calls = append(calls, map[string]any{"id": x.callID(k), "type": "function", "function": c})
	}
	if calls != nil {
		m["tool_calls"], m["content"] = calls, nil
	}
	var thought any
	if x.reply.reasoning > 0 {
		thought = x.reply.thought
	}
	if key := x.s.reasoningKey; key == "both" {
		m["reasoning"], m["reasoning_content"] = thought, thought
	} else {
		m[key] = thought
	}
	return encode(m)
}

// refuse answers with an error body.
func (s *Server) refuse(w http.ResponseWriter, e *refusal) {
	answerJSON(w, e.status, s.errorBody(e))
}

// errorBody renders an error in the shape of the wire version.
func (s *Server) errorBody(e *refusal) json.RawMessage {
	type body struct {
		Message string  `json:"message"`
		Type    string  `json:"type"`
		Param   *string `json:"param"`
		Code    int     `json:"code"`
	}
	b := body{e.message, e.kind, nil, e.status}
	if e.param != "" {
		b.Param = &e.param
	}
	if s.wire.flat {
		return encode(struct {
			Object string `json:"object"`
			body
		}{"error", b})
	}
	return encode(map[string]body{"error": b})
}

// answerJSON writes a JSON body.
func answerJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	b := encode(v)
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(status)
	_, _ = w.Write(b) // the client has closed the connection
}
