package model

import (
	"encoding/json"
	"slices"
	"strings"

	"homellm/engine/wire"
)

// spelt writes tools, calls and results into the texts of messages.
func spelt(messages []wire.Message, tools []wire.Declared) []wire.Message {
	var out []wire.Message
	for _, m := range messages {
		if m.Role != "tool" {
			out = append(out, wire.Message{Role: m.Role, Content: strings.TrimPrefix(m.Text(), "\n")})
			continue
		}
		text := "<tool_response>\n" + m.Content + "\n</tool_response>"
		if n := len(out); n > 0 && out[n-1].Role == "user" { // several results form one message
			out[n-1].Content += "\n" + text
			continue
		}
		out = append(out, wire.Message{Role: "user", Content: text})
	}
	if len(tools) == 0 {
		return out
	}
	var b strings.Builder
	b.WriteString("# Tools\n\nYou may call one or more functions to assist with the user query.\n\nYou are provided " +
		"with function signatures within <tools></tools> XML tags:\n<tools>")
	for _, tool := range tools {
		if raw, err := json.Marshal(tool); err == nil { // they were JSON
			b.WriteByte('\n')
			b.Write(raw)
		}
	}
	b.WriteString("\n</tools>\n\nFor each function call, return a json object with function name and arguments within " +
		"<tool_call></tool_call> XML tags:\n<tool_call>\n{\"name\": <function-name>, \"arguments\": <args-json-object>}\n" +
		"</tool_call>")
	if len(out) > 0 && out[0].Role == "system" {
		out[0].Content += "\n\n" + b.String()
		return out
	}
	return slices.Insert(out, 0, wire.Message{Role: "system", Content: b.String()})
}

// withTools reports whether messages need words for tools.
func withTools(messages []wire.Message, tools []wire.Declared) bool {
	return len(tools) > 0 || slices.ContainsFunc(messages, func(m wire.Message) bool {
		return m.Role == "tool" || len(m.ToolCalls) > 0
	})
}
