package model

import (
	"encoding/json"
	"slices"
	"strings"

	"homellm/engine/wire"
)

// TakesTools says whether the template has words of its own for tools. One that has none is given them as text, as
// Qwen and Hermes write them, which is about as long.
func (t *Template) TakesTools() bool { return t.takesTools }

// tryTools finds out whether the template shows a tool, a call of it and its result.
func (t *Template) tryTools() bool {
	call := wire.Call("call00001", "look", `{"at":"here"}`)
	p, err := t.render([]Message{{Role: "user", Content: "x"}, {Role: "assistant", ToolCalls: []wire.ToolCall{call}},
		{Role: "tool", Content: "seen", ToolCallID: call.ID, Name: "look"}, {Role: "user", Content: "y"}},
		Options{Tools: wire.Functions([]wire.Tool{{Name: "look", Description: "Looks around."}})})
	return err == nil && strings.Contains(p.Text, "Looks around.") && strings.Contains(p.Text, "here") &&
		strings.Contains(p.Text, "seen")
}

// spelt writes tools, calls and results into the texts of messages.
func spelt(messages []Message, tools []wire.Declared) []Message {
	var out []Message
	for _, m := range messages {
		if m.Role != "tool" {
			out = append(out, Message{Role: m.Role, Content: strings.TrimPrefix(m.Text(), "\n")})
			continue
		}
		text := "<tool_response>\n" + m.Content + "\n</tool_response>"
		if n := len(out); n > 0 && out[n-1].Role == "user" { // several results are one message
			out[n-1].Content += "\n" + text
			continue
		}
		out = append(out, Message{Role: "user", Content: text})
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
	return slices.Insert(out, 0, Message{Role: "system", Content: b.String()})
}

// withTools reports whether messages need words for tools.
func withTools(messages []Message, tools []wire.Declared) bool {
	return len(tools) > 0 || slices.ContainsFunc(messages, func(m Message) bool {
		return m.Role == "tool" || len(m.ToolCalls) > 0
	})
}
