// Package wire holds what every request consists of: messages, and the APIs that take them.
//
// It imports no other package of homellm, so that plans, templates, tables of engines and the client share one type.
// The simulator has its own types, because it shares no code with the client that it tests.
package wire

import (
	"fmt"
	"slices"
	"strings"
)

// Message is one message on the wire. Its JSON is that of OpenAI's chat completions, which most servers read; other
// APIs have their own form.
type Message struct {
	Role    string `json:"role"` // system, user, assistant or tool
	Content string `json:"content"`

	Images []Image `json:"-"` // of a user; each API encodes them differently

	ToolCalls  []ToolCall `json:"tool_calls,omitempty"`   // of an assistant
	ToolCallID string     `json:"tool_call_id,omitempty"` // of a tool: the call that it answers
	Name       string     `json:"name,omitempty"`         // of a tool: which one it is

	// what an assistant thought before it said that, in the field that the server reads; see Think
	ReasoningContent string `json:"reasoning_content,omitempty"`
	Reasoning        string `json:"reasoning,omitempty"`
	Thinking         string `json:"thinking,omitempty"`
}

// Equal reports whether two messages are the same on the wire.
func (m Message) Equal(other Message) bool {
	return m.Role == other.Role && m.Content == other.Content && m.ToolCallID == other.ToolCallID &&
		m.Name == other.Name && slices.Equal(m.ToolCalls, other.ToolCalls) &&
		slices.EqualFunc(m.Images, other.Images, func(a, b Image) bool { return a.SHA256 == b.SHA256 }) &&
		m.ReasoningContent == other.ReasoningContent && m.Reasoning == other.Reasoning && m.Thinking == other.Thinking
}

// Text returns the text of a message with its thoughts and calls, in a common markup, for models whose template is not
// known.
func (m Message) Text() string {
	thoughts := m.Thoughts()
	if len(m.ToolCalls) == 0 && thoughts == "" {
		return m.Content
	}
	var b strings.Builder
	if thoughts != "" {
		fmt.Fprintf(&b, "<think>\n%s\n</think>\n\n", thoughts)
	}
	b.WriteString(m.Content)
	for _, c := range m.ToolCalls {
		fmt.Fprintf(&b, "\n<tool_call>\n{\"name\": %q, \"arguments\": %s}\n</tool_call>", c.Function.Name,
			c.Function.Arguments)
	}
	return b.String()
}

// API is the endpoint of a request, by its name in profiles.
type API string

// The APIs.
const (
	Chat        API = "chat"        // OpenAI's chat completions: messages, and the server applies the template
	Completions API = "completions" // OpenAI's text completions: one text, its template applied by homellm
	Ollama      API = "ollama"      // Ollama's own chat
	Responses   API = "responses"   // OpenAI's responses: items, and the server applies the template
	Messages    API = "messages"    // Anthropic's messages: blocks, and the server applies the template
	LMStudio    API = "lmstudio"    // LM Studio's own chat API, which takes no answers of an assistant
)

// lacking are the keys of a request that are not part of an API.
var lacking = map[API][]string{
	Responses: {"min_tokens"},
	Messages:  {"ignore_eos", "min_tokens", "seed"},
	LMStudio:  {"ignore_eos", "min_tokens", "seed", "stop"},
	Ollama:    {"tool_choice"},
}

// Lacks reports whether an API does not have a key of requests, so that servers ignore it whatever their engine
// supports.
func (a API) Lacks(key string) bool {
	return slices.Contains(lacking[a], key)
}

// Unsaid says what in a conversation an API cannot express, and what to do about it; empty if it can express all of it.
// The format may be nil.
func (a API) Unsaid(messages []Message, tools []Tool, format *Format) string {
	if a != LMStudio {
		return ""
	}
	const instead = "; use api: chat"
	asked := false
	for _, m := range messages {
		switch {
		case m.Role == "user":
			asked = true
		case m.Role != "system":
			return "LM Studio's own API takes no answers of an assistant, so only the first question of a conversation" + instead
		case asked:
			return "LM Studio's own API takes system messages before the first question only" + instead
		}
	}
	switch {
	case len(tools) > 0:
		return "LM Studio's own API takes no tools" + instead
	case format != nil:
		return "LM Studio's own API takes no format of a reply" + instead
	}
	return ""
}
