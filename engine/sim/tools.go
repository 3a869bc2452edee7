package sim

import (
	"bytes"
	"encoding/json"
	"slices"
)

// wireCall is one call of a tool in an assistant's message.
type wireCall struct {
	Function struct {
		Name      string          `json:"name"`
		Arguments json.RawMessage `json:"arguments"` // JSON in a string
	} `json:"function"`
}

// text is the call in the words of ChatML's templates.
func (c wireCall) text() string {
	arguments := c.Function.Arguments
	var inner string
	if json.Unmarshal(arguments, &inner) == nil {
		arguments = json.RawMessage(inner)
	}
	return "\n<tool_call>\n{\"name\": " + string(encode(c.Function.Name)) + ", \"arguments\": " + string(arguments) +
		"}\n</tool_call>"
}

// withTools puts tools at the head of a conversation, as templates do: behind what the system message says.
func withTools(messages []Message, tools []json.RawMessage) []Message {
	if len(tools) == 0 {
		return messages
	}
	var b bytes.Buffer
	b.WriteString("\n\n# Tools\n\nYou may call one or more functions to assist with the user query.\n<tools>")
	for _, t := range tools {
		b.WriteByte('\n')
		if json.Compact(&b, t) != nil {
			b.Write(t) // it was read as JSON, so it is some
		}
	}
	b.WriteString("\n</tools>")
	out := slices.Clone(messages)
	if len(out) == 0 || out[0].Role != "system" {
		out = slices.Insert(out, 0, Message{Role: "system"})
	}
	out[0].Content += b.String()
	return out
}
