package goldentest

import (
	"cmp"
	"fmt"
	"strings"
)

// typed reports whether the API's events say their type.
func (s *stage) typed() bool { return s.api == Responses || s.api == Messages }

// typeOf is the type that the data of an event begins with.
func typeOf(data string) string {
	rest, ok := strings.CutPrefix(data, `{"type":"`)
	typed, _, _ := strings.Cut(rest, `"`)
	if !ok {
		return ""
	}
	return typed
}

// finishWords maps finish reasons of completions to those of the APIs with typed events.
var finishWords = map[string]map[string]string{
	Responses: {"stop": "completed", "tool_calls": "completed", "length": "max_output_tokens"},
	Messages:  {"stop": "end_turn", "tool_calls": "tool_use", "length": "max_tokens"},
}

// responsesDelta is the data of an event of the responses API with text under a key.
func (s *stage) responsesDelta(key, text string) string {
	kind, index := map[string]string{"answer": "output_text", "reasoning": "reasoning_text", "refusal": "refusal",
		"summary": "reasoning_summary_text", "tool": "function_call_arguments"}[key], 0
	if key == "answer" {
		index = 1
	}
	s.sequence++
	return fmt.Sprintf(`{"type":"response.%s.delta","sequence_number":%d,"item_id":"it_%d","output_index":%d,`+
		`"content_index":0,"delta":%s}`, kind, s.sequence, index, index, quote(text))
}

// messagesDelta is the data of an event of the messages API with text under a key.
func messagesDelta(key, text string) string {
	delta := map[string]string{"answer": `"type":"text_delta","text":`, "reasoning": `"type":"thinking_delta",` +
		`"thinking":`, "tool": `"type":"input_json_delta","partial_json":`}[key]
	return fmt.Sprintf(`{"type":"content_block_delta","index":0,"delta":{%s%s}}`, delta, quote(text))
}

// typedEnd sends what ends a reply: the reason, the counts, and that no event follows. A reply without text was not
// begun either.
func (s *stage) typedEnd() {
	s.counts()
	if s.api == Messages {
		last := s.eol
		s.eol = cmp.Or(s.eol, "\n")
		s.send(fmt.Sprintf(`{"type":"message_delta","delta":{"stop_reason":%s,"stop_sequence":null},"usage":{`+
			`"input_tokens":%d,"output_tokens":%d}}`, quote(s.truth.Finish), prompt, s.written))
		s.eol = last
		s.send(`{"type":"message_stop"}`)
		return
	}
	kind, why := "completed", "null"
	if s.truth.Finish != "completed" {
		kind, why = "incomplete", `{"reason":`+quote(s.truth.Finish)+`}`
	}
	s.sequence++
	s.send(fmt.Sprintf(`{"type":"response.%s","sequence_number":%d,"response":{"id":"resp_1","object":"response",`+
		`"model":"golden","status":"%[1]s","incomplete_details":%[3]s,"error":null,"output":[%[4]s],"usage":{`+
		`"input_tokens":%[5]d,"input_tokens_details":{"cached_tokens":0},"output_tokens":%[6]d,`+
		`"output_tokens_details":{"reasoning_tokens":%[7]d},"total_tokens":%[8]d}}}`, kind, s.sequence, why, s.saidAgain(),
		prompt, s.written, s.thought(), prompt+s.written))
	s.truth.Cached, s.truth.Thought = 0, s.thought()
}

// saidAgain is the output of a response at its end: what the deltas have sent.
func (s *stage) saidAgain() string {
	var items []string
	if text := s.truth.Text("reasoning"); text != "" {
		items = append(items, `{"type":"reasoning","id":"it_0","summary":[],"content":[{"type":"reasoning_text","text":`+
			quote(text)+`}]}`)
	}
	if text := s.truth.Text("answer"); text != "" {
		items = append(items, `{"type":"message","id":"it_1","role":"assistant","status":"completed","content":[{`+
			`"type":"output_text","annotations":[],"text":`+quote(text)+`}]}`)
	}
	return strings.Join(items, ",")
}

// thought returns how many tokens were reasoning.
func (s *stage) thought() (n int) {
	for _, k := range s.truth.Tokens {
		if k.Channel == "reasoning" {
			n += k.N
		}
	}
	return n
}

// typedShapes are replies of the APIs whose events say their type.
func typedShapes() []Shape {
	responses, messages := []string{Responses}, []string{Messages}
	both := []string{Responses, Messages}
	return []Shape{
		{"typed-frame", "a reply with all its events: what it begins with, its parts, what was sent once more", both, "",
			func(s *stage) {
				s.stream()
				s.open()
				s.tokens("answer")
				s.shut()
				s.close("stop")
			}},
		{"thinking", "reasoning and an answer, in items or blocks of their own", both, "", func(s *stage) {
			s.stream()
			s.half("reasoning")
			if s.api == Messages {
				s.send(`{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"EqQBCgIYAg=="}}`)
			}
			s.half("answer")
			s.close("stop")
		}},
		{"reasoning-summary", "reasoning that is summed up", responses, "", func(s *stage) {
			s.stream()
			s.tokens("summary")
			s.close("length")
		}},
		{"ping", "pings before the first token and between others", messages, "", func(s *stage) {
			s.stream()
			s.open()
			s.send(`{"type":"ping"}`)
			s.half("answer")
			s.send(`{"type": "ping"}`)
			s.half("answer")
			s.close("stop")
		}},
		{"usage-in-parts", "a prompt counted in parts at the beginning, the output at the end", messages, "", func(s *stage) {
			s.stream()
			s.send(`{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","content":[],"model":` +
				`"golden","stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":10,"cache_creation_input_tokens":8,` +
				`"cache_read_input_tokens":2656,"output_tokens":1}}}`)
			s.tokens("answer")
			s.counts()
			s.truth.Finish, s.truth.Cached = "stop_sequence", 2656
			s.send(fmt.Sprintf(`{"type":"message_delta","delta":{"stop_reason":"stop_sequence","stop_sequence":"\n"},"usage":{`+
				`"output_tokens":%d}}`, s.written))
			s.send(`{"type":"message_stop"}`)
			s.end()
		}},
		{"done-after", "a [DONE] after the last event", both, "", func(s *stage) {
			s.stream()
			s.tokens("answer")
			s.finish("stop")
			s.done()
			s.send("[DONE]")
			s.end()
		}},
		{"error-typed", "an error event of its own type", both, "server_error", func(s *stage) {
			s.stream()
			s.half("answer")
			if s.api == Messages {
				s.send(`{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`)
			} else {
				s.send(`{"type":"error","sequence_number":9,"code":"server_error","message":"boom","param":null}`)
			}
			s.end()
		}},
		{"error-unnamed", "the same without a line that names the event", both, "server_error", func(s *stage) {
			s.stream()
			s.half("answer")
			s.raw([]byte(`data: {"type":"error","error":{"type":"api_error","message":"boom"}}`+"\n\n"), nil)
			s.end()
		}},
		{"response-failed", "a response that fails", responses, "server_error", func(s *stage) {
			s.stream()
			s.half("answer")
			s.send(`{"type":"response.failed","sequence_number":9,"response":{"id":"resp_1","status":"failed","error":{` +
				`"code":"server_error","message":"The model produced an error."},"usage":null}}`)
			s.end()
		}},
		{"overflow-anthropic", "Anthropic: the prompt does not fit", messages, "context_overflow", func(s *stage) {
			s.answer(400, "application/json", `{"type":"error","error":{"type":"invalid_request_error","message":`+
				`"prompt is too long: 9000 tokens > 8192 maximum"}}`)
		}},
		{"overloaded-anthropic", "Anthropic's words for too much to do", messages, "overloaded", func(s *stage) {
			s.answer(429, "application/json", `{"type":"error","error":{"type":"rate_limit_error","message":"Slow down"}}`)
		}},
	}
}

// open sends what a reply begins with.
func (s *stage) open() {
	if s.api == Messages {
		s.send(`{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","content":[],"model":` +
			`"golden","stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":2674,"output_tokens":0}}}`)
		s.send(`{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`)
		return
	}
	for _, kind := range []string{"created", "in_progress"} {
		s.send(`{"type":"response.` + kind + `","sequence_number":0,"response":{"id":"resp_1","object":"response","model":` +
			`"golden","status":"in_progress","output":[],"usage":null}}`)
	}
	s.send(`{"type":"response.output_item.added","sequence_number":2,"output_index":1,"item":{"type":"message","id":"it_1",` +
		`"role":"assistant","status":"in_progress","content":[]}}`)
	s.send(`{"type":"response.content_part.added","sequence_number":3,"item_id":"it_1","output_index":1,"content_index":0,` +
		`"part":{"type":"output_text","text":"","annotations":[]}}`)
}

// shut sends the events after the last text; OpenAI's API repeats the whole text there.
func (s *stage) shut() {
	if s.api == Messages {
		s.send(`{"type":"content_block_stop","index":0}`)
		return
	}
	text := quote(s.truth.Text("answer"))
	s.send(`{"type":"response.output_text.done","sequence_number":90,"item_id":"it_1","output_index":1,"content_index":0,` +
		`"text":` + text + `,"logprobs":[]}`)
	s.send(`{"type":"response.content_part.done","sequence_number":91,"item_id":"it_1","output_index":1,"content_index":0,` +
		`"part":{"type":"output_text","text":` + text + `,"annotations":[]}}`)
	s.send(`{"type":"response.output_item.done","sequence_number":92,"output_index":1,"item":{"type":"message","id":"it_1",` +
		`"role":"assistant","status":"completed","content":[{"type":"output_text","text":` + text + `,"annotations":[]}]}}`)
}

// typedBody is a whole reply of an API whose events say their type.
func (s *stage) typedBody() string {
	if s.api == Messages {
		return `{"id":"msg_1","type":"message","role":"assistant","model":"golden","content":[{"type":"text","text":"Ja."}],` +
			`"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":2674,"output_tokens":2}}`
	}
	return `{"id":"resp_1","object":"response","status":"completed","model":"golden","error":null,"output":[{"type":"message",` +
		`"id":"it_1","role":"assistant","status":"completed","content":[{"type":"output_text","text":"Ja.","annotations":[]}]}],` +
		`"usage":{"input_tokens":2674,"output_tokens":2,"total_tokens":2676}}`
}
