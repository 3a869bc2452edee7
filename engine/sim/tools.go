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

// The marks of a call in what a model generates, as Qwen's template has them.
const (
	callOpen  = "<tool_call>\n"
	callClose = "\n</tool_call>"
)

// written is a call as the model writes it. Its arguments begin at the offset that is returned.
func (c Call) written() (text string, arguments int) {
	head := callOpen + `{"name": ` + string(encode(c.Name)) + `, "arguments": `
	return head + c.Arguments + "}" + callClose, len(head)
}

// withCalls is what a message says and calls.
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

// callLine begins a line that says which tool a reply calls.
const callLine = "CALL "

// withoutCalls is what a question asks besides the calls that it wants.
func withoutCalls(asked string) string {
	var b strings.Builder
	for line := range strings.Lines(asked) {
		if !strings.HasPrefix(strings.TrimSpace(line), callLine) {
			b.WriteString(line)
		}
	}
	return b.String()
}

// piece is what one event says: text of a channel, or a piece of a call.
type piece struct {
	text    string
	thought bool
	begins  bool // a call, of which nothing was said before
	call    int  // its number; -1: it is no call
}
