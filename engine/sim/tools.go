package sim

import (
	"encoding/json"
	"slices"
	"strings"
)

// tool is a tool that a request declares.
type tool struct {
	Type     string   `json:"type"`
	Function function `json:"function"`
}

type function struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Parameters  json.RawMessage `json:"parameters,omitempty"`
}

// Call is one call of a tool, with its arguments as JSON.
type Call struct {
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

// The markup of a call in generated text, as in Qwen's template.
const (
	callOpen  = "<tool_call>\n"
	callClose = "\n</tool_call>"
)

// written returns a call as the model writes it, and the offset of its arguments.
func (c Call) written() (text string, arguments int) {
	head := callOpen + `{"name": ` + string(encode(c.Name)) + `, "arguments": `
	return head + c.Arguments + "}" + callClose, len(head)
}

// withCalls returns the text of a message followed by its calls.
func withCalls(text string, calls []Call) string {
	var b strings.Builder
	b.WriteString(text)
	for _, c := range calls {
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		written, _ := c.written()
		b.WriteString(written)
	}
	return b.String()
}

// withTools puts the tools of a request where templates put them: at the end of the system message.
func withTools(messages []Message, tools []tool) []Message {
	if len(tools) == 0 {
		return messages
	}
	var b strings.Builder
	b.WriteString("# Tools\n\nYou may call one or more functions to assist with the user query.\n<tools>")
	for _, t := range tools {
		b.WriteByte('\n')
		b.Write(encode(t))
	}
	b.WriteString("\n</tools>")
	if len(messages) == 0 || messages[0].Role != "system" {
		return append([]Message{{"system", b.String()}}, messages...)
	}
	out := slices.Clone(messages)
	out[0].Content += "\n\n" + b.String()
	return out
}

// callLine begins a line that tells a reply to call a tool.
const callLine = "CALL "

// withoutCalls returns a question without its call lines.
func withoutCalls(asked string) string {
	var b strings.Builder
	for line := range strings.Lines(asked) {
		if !strings.HasPrefix(strings.TrimSpace(line), callLine) {
			b.WriteString(line)
		}
	}
	return b.String()
}

// piece is the content of one event: text of a channel, or a part of a call.
type piece struct {
	text    string
	thought bool
	begins  bool // the start of a call
	call    int  // the number of the call; -1: not a call
}
