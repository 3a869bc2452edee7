package sim

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"
)

// TestTypedGoldens compares replies of the responses and the messages API with golden files, byte for byte.
func TestTypedGoldens(t *testing.T) {
	const question = "How tight are the head bolts? Do not add anything else."
	with := func(base fields, more ...fields) fields {
		out := maps.Clone(base)
		for _, m := range more {
			maps.Copy(out, m)
		}
		return out
	}
	responses := fields{"model": "qwen2.5-3b", "instructions": "Head bolts take 41 Nm <&>.", "input": question,
		"max_output_tokens": 6}
	messages := fields{"model": "qwen2.5-3b", "system": "Head bolts take 41 Nm <&>.", "max_tokens": 6,
		"messages": user(question)}
	stream := fields{"stream": true}
	called := user("Look.\nCALL read {\"path\": \"p.go\"}")
	schema := fields{"type": "object", "properties": fields{"path": fields{"type": "string"}}}
	flat := fields{"input": called, "max_output_tokens": 60, "tools": []fields{{"type": "function", "name": "read",
		"parameters": schema}}}
	blocks := fields{"messages": called, "max_tokens": 60, "tools": []fields{{"name": "read", "input_schema": schema}}}
	nested := fields{"model": "qwen2.5-3b", "messages": called, "max_tokens": 60, "tools": []fields{{"type": "function",
		"function": fields{"name": "read", "parameters": schema}}}}
	thinks := Config{Wire: Wire{ReasoningTokens: 2}}
	broken := Config{Faults: []Fault{{Kind: "error", Token: 2}}}
	form := fields{"type": "json_schema", "json_schema": fields{"name": "f", "schema": fields{"type": "object",
		"properties": fields{"torque": fields{"type": "integer", "minimum": 41}, "unit": fields{"enum": []string{"Nm"}}}}}}
	for name, c := range map[string]struct {
		cfg  Config
		path string
		body fields
	}{
		"responses-stream":           {Config{}, "/v1/responses", with(responses, stream)},
		"responses-stream-reasoning": {thinks, "/v1/responses", with(responses, stream)},
		"responses-stream-call":      {Config{}, "/v1/responses", with(responses, stream, flat)},
		"responses-stream-error":     {broken, "/v1/responses", with(responses, stream)},
		"responses-whole":            {thinks, "/v1/responses", responses},
		"responses-refused":          {Config{}, "/v1/responses", with(responses, fields{"temperature": -1})},
		"messages-stream":            {Config{}, "/v1/messages", with(messages, stream)},
		"messages-stream-reasoning":  {thinks, "/v1/messages", with(messages, stream)},
		"messages-stream-call":       {Config{}, "/v1/messages", with(messages, stream, blocks)},
		"messages-stream-error":      {broken, "/v1/messages", with(messages, stream)},
		"messages-whole":             {thinks, "/v1/messages", messages},
		"messages-whole-call":        {Config{}, "/v1/messages", with(messages, blocks)},
		"messages-refused":           {Config{}, "/v1/messages", with(messages, fields{"max_tokens": nil})},
		"messages-count":             {Config{}, "/v1/messages/count_tokens", with(messages, blocks)},
		"chat-stream-call":           {Config{}, "/v1/chat/completions", with(nested, stream)},
		"chat-whole-call":            {Config{}, "/v1/chat/completions", nested},
		"chat-whole-schema": {Config{}, "/v1/chat/completions", with(nested, fields{"response_format": form,
			"tools": nil})},
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, c.cfg, func(b *bench) { golden(b.T, name+".txt", b.raw(c.path, c.body)) })
		})
	}
}

// TestDecide checks the rule by which a reply calls a tool.
func TestDecide(t *testing.T) {
	tools := []fields{{"type": "function", "function": fields{"name": "list"}}, {"type": "function",
		"function": fields{"name": "read", "parameters": fields{"type": "object", "properties": fields{
			"path": fields{"type": "string"}, "lines": fields{"type": "integer"}}}}}}
	call := []fields{{"id": "c", "type": "function", "function": Call{"list", "{}"}}}
	round := []fields{{"role": "assistant", "content": nil, "tool_calls": call},
		{"role": "tool", "tool_call_id": "c", "content": "The parser is off by one."}}
	for name, c := range map[string]struct {
		system, asked string
		rounds        int
		more          fields
		want          []Call
	}{
		"nothing is said":        {"", "How are you?", 0, nil, nil},
		"the question names one": {"", "Please read parser.go.", 0, nil, []Call{{"read", `{"lines":1,"path":"parser.go"}`}}},
		"it did before":          {"", "Please read parser.go.", 1, nil, nil},
		"one is demanded":        {"", "Hi", 0, fields{"tool_choice": "required"}, []Call{{"list", "{}"}}},
		"this one is demanded": {"", "Hi", 0, fields{"tool_choice": fields{"type": "function",
			"function": fields{"name": "read"}}}, []Call{{"read", `{"lines":1,"path":"text"}`}}},
		"none may be called": {"", "CALL list {}", 0, fields{"tool_choice": "none"}, nil},
		"the first line": {"CALL x {}", "CALL read {\"path\": \"a\"}\nCALL list", 0, nil,
			[]Call{{"read", `{"path":"a"}`}}},
		"the second":    {"", "CALL read {\"path\": \"a\"}\nCALL list", 1, nil, []Call{{"list", "{}"}}},
		"and no more":   {"", "CALL read {\"path\": \"a\"}\nCALL list", 2, nil, nil},
		"of the system": {"Be brief.\nCALL list {broken", "Why?", 0, nil, []Call{{"list", "{broken"}}},
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, Config{}, func(b *bench) {
				list := []fields{{"role": "system", "content": c.system}, {"role": "user", "content": c.asked}}
				for range c.rounds {
					list = append(list, round...)
				}
				body := fields{"messages": list, "tools": tools, "max_tokens": 200}
				maps.Copy(body, c.more)
				if status, out := b.text("POST", "/v1/chat/completions", body); status != 200 {
					t.Fatal(out)
				}
				e := b.last()
				got, want := string(encode(e.Calls)), string(encode(c.want))
				if got != want || (e.Finish == "tool_calls") != (c.want != nil) || (e.Text == "") != (c.want != nil) {
					t.Errorf("%s, finish %s, text %q; want %s", got, e.Finish, e.Text, want)
				}
			})
		})
	}
}

// TestHistory_OneForAll checks that a conversation with calls gives the same prompt on each API, that /tokenize and
// count_tokens count it, and that the calls of a reply are found in the cache when they come back.
func TestHistory_OneForAll(t *testing.T) {
	virtual(t, Config{}, func(b *bench) {
		long := "You are an agent. " + strings.Repeat("Look at the files one after the other. ", 8)
		asked := "Why?\nCALL read {\"path\":\"p.go\"}"
		schema := fields{"type": "object"}
		nested := fields{"tools": []fields{{"type": "function", "function": fields{"name": "read", "parameters": schema}}},
			"max_tokens": 80, "messages": []any{fields{"role": "system", "content": long},
				fields{"role": "user", "content": asked}}}
		b.text("POST", "/v1/chat/completions", nested)
		first := b.last()
		call := fields{"id": "c", "type": "function", "function": first.Calls[0]}
		nested["messages"] = append(nested["messages"].([]any),
			fields{"role": "assistant", "content": nil, "tool_calls": []fields{call}},
			fields{"role": "tool", "tool_call_id": "c", "content": "Off by one."})
		flat := fields{"instructions": long, "max_output_tokens": 80,
			"tools": []fields{{"type": "function", "name": "read", "parameters": schema}},
			"input": []fields{{"role": "user", "content": asked},
				{"type": "function_call", "call_id": "c", "name": "read", "arguments": first.Calls[0].Arguments},
				{"type": "function_call_output", "call_id": "c", "output": "Off by one."}}}
		use := fields{"type": "tool_use", "id": "c", "name": "read", "input": fields{"path": "p.go"}}
		result := fields{"type": "tool_result", "tool_use_id": "c", "content": "Off by one."}
		blocks := fields{"system": []fields{{"type": "text", "text": long}}, "max_tokens": 80,
			"tools": []fields{{"name": "read", "input_schema": schema}},
			"messages": []fields{{"role": "user", "content": asked}, {"role": "assistant", "content": []fields{use}},
				{"role": "user", "content": []fields{result}}}}
		prompt := 0
		for path, body := range map[string]fields{"/v1/chat/completions": nested, "/v1/responses": flat,
			"/v1/messages": blocks} {
			if status, out := b.text("POST", path, body); status != 200 {
				t.Fatal(path, out)
			}
			e := b.last()
			if prompt == 0 {
				prompt = e.PromptTokens
			}
			whole := (first.PromptTokens + first.OutputTokens - 1) / blockTokens * blockTokens
			if e.PromptTokens != prompt || e.CachedTokens < whole || !strings.Contains(e.Text, "I have no information") {
				t.Errorf("%s: %d prompt tokens, want %d; %d cached, want %d; %q", path, e.PromptTokens, prompt, e.CachedTokens,
					whole, e.Text)
			}
		}
		for path, body := range map[string]fields{"/tokenize": nested, "/v1/messages/count_tokens": blocks} {
			_, out := b.text("POST", path, body)
			var n struct {
				Count int
				Input int `json:"input_tokens"`
			}
			if json.Unmarshal([]byte(out), &n) != nil || n.Count+n.Input != prompt {
				t.Errorf("%s: %s, want %d", path, out, prompt)
			}
		}
	})
}

// TestMessages_Usage checks that a prompt is counted in parts, or with its cached tokens twice.
func TestMessages_Usage(t *testing.T) {
	for _, twice := range []bool{false, true} {
		virtual(t, Config{Wire: Wire{WholeInput: twice}}, func(b *bench) {
			body := fields{"messages": user(strings.Repeat("The pump stands in the cellar. ", 8)), "max_tokens": 2}
			for range 2 {
				_, out := b.text("POST", "/v1/messages", body)
				var m struct {
					Usage struct {
						Input  int `json:"input_tokens"`
						Cached int `json:"cache_read_input_tokens"`
					} `json:"usage"`
				}
				if err := json.Unmarshal([]byte(out), &m); err != nil {
					t.Fatal(err)
				}
				e, u := b.last(), m.Usage
				want := e.PromptTokens
				if !twice {
					want -= e.CachedTokens
				}
				if u.Cached != e.CachedTokens || u.Input != want {
					t.Errorf("%d and %d of %d tokens, %d cached", u.Input, u.Cached, e.PromptTokens, e.CachedTokens)
				}
			}
			if b.last().CachedTokens == 0 {
				t.Error("nothing was cached")
			}
		})
	}
}
