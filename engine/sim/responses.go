package sim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// responsesForm is OpenAI's responses API as vLLM serves it.
var responsesForm = form{
	prefix: "resp_", chat: true, read: readResponses,
	opening: func(x *exchange) []frame {
		return []frame{x.responseEvent("created", "in_progress"), x.responseEvent("in_progress", "in_progress")}
	},
	pieces: (*exchange).itemPieces, ending: func(*exchange) []frame { return nil }, closing: (*exchange).responseEnd,
	whole:   func(x *exchange) json.RawMessage { return encode(x.response(x.status())) },
	problem: (*Server).errorBody,
	failing: func(x *exchange, e *refusal) []frame {
		return x.named("error", object{"code": "server_error", "message": e.message, "param": nil})
	},
}

// numbered returns an event of the responses API, with the next sequence number.
func (x *exchange) numbered(kind string, members object) frame {
	members["sequence_number"] = x.sequence
	x.sequence++
	return x.named("response."+kind, members)[0]
}

func (x *exchange) itemPieces(from, i int) (out []frame) {
	for _, p := range x.reply.said(from, i) {
		if p.text == "" && !p.begins {
			continue // vLLM sends no empty delta
		}
		it, events := x.itemOf(p, x.itemBegins, x.itemEnds)
		out = append(out, events...)
		if p.text == "" {
			continue
		}
		it.text.WriteString(p.text)
		kind := map[string]string{"text": "output_text", "thought": "reasoning_text",
			"call": "function_call_arguments"}[it.kind]
		members := object{"item_id": x.itemID(it), "output_index": it.index, "delta": p.text}
		if it.kind != "call" {
			members["content_index"] = 0
		}
		out = append(out, x.numbered(kind+".delta", members))
	}
	return out
}

func (x *exchange) itemID(it *item) string {
	return fmt.Sprintf("it_%s_%d", x.s.id(x.entry.N)[:16], it.index)
}

// itemBegins returns the events before the first delta of an item.
func (x *exchange) itemBegins(it *item) []frame {
	out := []frame{x.numbered("output_item.added", object{"output_index": it.index,
		"item": x.itemObject(it, "in_progress")})}
	if it.kind != "call" {
		out = append(out, x.numbered("content_part.added", object{"item_id": x.itemID(it), "output_index": it.index,
			"content_index": 0, "part": x.partObject(it, "")}))
	}
	return out
}

// itemEnds returns the events after the last delta of an item, which repeat all that the deltas said.
func (x *exchange) itemEnds(it *item) []frame {
	place := func(more object) object {
		more["item_id"], more["output_index"] = x.itemID(it), it.index
		return more
	}
	var out []frame
	if it.kind == "call" {
		out = append(out, x.numbered("function_call_arguments.done", place(object{"arguments": it.text.String(),
			"name": x.reply.calls[it.call].Name})))
	} else {
		kind := map[string]string{"text": "output_text", "thought": "reasoning_text"}[it.kind]
		out = append(out, x.numbered(kind+".done", place(object{"content_index": 0, "text": it.text.String()})),
			x.numbered("content_part.done", place(object{"content_index": 0, "part": x.partObject(it, it.text.String())})))
	}
	return append(out, x.numbered("output_item.done", object{"output_index": it.index,
		"item": x.itemObject(it, "completed")}))
}

func (x *exchange) partObject(it *item, text string) object {
	if it.kind == "thought" {
		return object{"type": "reasoning_text", "text": text}
	}
	return object{"type": "output_text", "text": text, "annotations": []any{}, "logprobs": []any{}}
}

func (x *exchange) itemObject(it *item, status string) object {
	content := []any{}
	if status == "completed" {
		content = append(content, x.partObject(it, it.text.String()))
	}
	switch it.kind {
	case "call":
		return object{"type": "function_call", "id": x.itemID(it), "call_id": x.callID(it.call),
			"name": x.reply.calls[it.call].Name, "arguments": it.text.String(), "status": status}
	case "thought":
		return object{"type": "reasoning", "id": x.itemID(it), "summary": []any{}, "content": content, "status": status}
	}
	return object{"type": "message", "id": x.itemID(it), "role": "assistant", "content": content, "status": status}
}

// responseEnd returns the events that end a stream: the end of the last item, and the whole response.
func (x *exchange) responseEnd() []frame {
	out := x.shut(x.itemEnds)
	status := x.status()
	return append(out, x.responseEvent(status, status))
}

// status says how the response ended.
func (x *exchange) status() string {
	if x.reply.finish == "length" {
		return "incomplete"
	}
	return "completed"
}

func (x *exchange) responseEvent(kind, status string) frame {
	return x.numbered(kind, object{"response": x.response(status)})
}

// response returns the response object. Its output and usage are empty before the end.
func (x *exchange) response(status string) object {
	out := object{
		"id": x.entry.ID, "object": "response", "created_at": x.created, "model": x.model, "status": status,
		"error": nil, "incomplete_details": nil, "instructions": nil, "metadata": nil, "output": []any{}, "usage": nil,
		"parallel_tool_calls": true, "temperature": orNull(x.req.Temperature), "top_p": orNull(x.req.TopP),
		"tool_choice": "auto", "tools": []any{},
	}
	if status == "in_progress" {
		return out
	}
	if status == "incomplete" {
		out["incomplete_details"] = object{"reason": "max_output_tokens"}
	}
	items := []any{}
	for _, it := range x.allItems() {
		items = append(items, x.itemObject(it, "completed"))
	}
	out["output"] = items
	if !x.trouble.has("no_usage") {
		u := x.usage(len(x.reply.tokens))
		cached := 0
		if u.Details != nil {
			cached = u.Details.Cached
		}
		out["usage"] = object{"input_tokens": u.Prompt, "output_tokens": u.Completion, "total_tokens": u.Total,
			"input_tokens_details":  object{"cached_tokens": cached, "cache_write_tokens": 0},
			"output_tokens_details": object{"reasoning_tokens": min(x.reply.reasoning, len(x.reply.tokens))}}
	}
	return out
}

func orNull(v *float64) any {
	if v == nil {
		return nil
	}
	return *v
}

// readResponses reads a request of the responses API. Fields that completions share are read the same way.
func readResponses(body []byte, q *request) *refusal {
	var r struct {
		Input     json.RawMessage `json:"input"`
		Says      string          `json:"instructions"`
		MaxTokens *int            `json:"max_output_tokens"`
		Tools     []struct {
			Type string `json:"type"`
			function
		} `json:"tools"`
		ToolChoice json.RawMessage `json:"tool_choice"`
		Text       struct {
			Format *struct {
				Type   string          `json:"type"`
				Schema json.RawMessage `json:"schema"`
			} `json:"format"`
		} `json:"text"`
		Include  []string `json:"include"`
		Previous string   `json:"previous_response_id"`
	}
	if e := decode(body, &r); e != nil {
		return e
	}
	var common commonRequest
	if e := decode(body, &common); e != nil {
		return e
	}
	common.fill(q)
	q.MaxTokens = r.MaxTokens
	if r.Previous != "" {
		return badRequest("previous_response_id", "the simulator stores no responses")
	}
	for _, include := range r.Include {
		if include == "message.output_text.logprobs" {
			q.Logprobs = json.RawMessage("true")
		}
	}
	for _, t := range r.Tools {
		q.Tools = append(q.Tools, tool{t.Type, t.function})
	}
	q.ToolChoice = nested(r.ToolChoice)
	if f := r.Text.Format; f != nil {
		q.ResponseFormat = &format{Type: f.Type}
		q.ResponseFormat.Schema.Schema = f.Schema
	}
	if r.Says != "" {
		q.Messages = append(q.Messages, wireMessage{Role: "system", Content: textContent(r.Says)})
	}
	return q.readInput(r.Input)
}

// nested converts a tool choice to the form of completions, which put the name into a nested object.
func nested(choice json.RawMessage) json.RawMessage {
	var flat struct {
		Type string `json:"type"`
		Name string `json:"name"`
	}
	if json.Unmarshal(choice, &flat) != nil || flat.Type != "function" {
		return choice
	}
	return encode(object{"type": "function", "function": object{"name": flat.Name}})
}

// readInput reads the items of a request.
func (q *request) readInput(raw json.RawMessage) *refusal {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		q.Messages = append(q.Messages, wireMessage{Role: "user", Content: textContent(text)})
		return nil
	}
	var items []struct {
		Type      string      `json:"type"`
		Role      string      `json:"role"`
		Content   typedParts  `json:"content"`
		Output    textContent `json:"output"`
		Name      string      `json:"name"`
		Arguments string      `json:"arguments"`
	}
	if e := decode(raw, &items); e != nil {
		return badRequest("input", "input: %s", e.message)
	}
	for _, it := range items {
		switch {
		case it.Type == "function_call":
			m := wireMessage{Role: "assistant"}
			if n := len(q.Messages) - 1; n >= 0 && q.Messages[n].Role == "assistant" {
				m, q.Messages = q.Messages[n], q.Messages[:n]
			}
			q.Messages = append(q.Messages, m.calling(Call{it.Name, it.Arguments}))
		case it.Type == "function_call_output":
			q.Messages = append(q.Messages, wireMessage{Role: "tool", Content: it.Output})
		case it.Type == "reasoning": // the template ignores it
		case it.Role != "":
			q.Messages = append(q.Messages, wireMessage{Role: it.Role, Content: textContent(it.Content)})
		default:
			return badRequest("input", "input: an item of type %q is not supported", it.Type)
		}
	}
	return nil
}

func (s *Server) respond(w http.ResponseWriter, r *http.Request, arrival time.Time) {
	s.generate(w, r, arrival, &responsesForm)
}
