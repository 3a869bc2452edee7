package wire

import (
	"cmp"
	"regexp"
)

// The fields of an assistant's message that servers read its thoughts from.
const (
	FieldReasoningContent = "reasoning_content" // llama.cpp, SGLang, TabbyAPI; the name that most servers know
	FieldReasoning        = "reasoning"         // vLLM, and Ollama on OpenAI's API
	FieldThinking         = "thinking"          // Ollama's own API
)

// Thoughts returns what an assistant thought before it gave the message; empty: unknown.
func (m Message) Thoughts() string { return cmp.Or(m.ReasoningContent, m.Reasoning, m.Thinking) }

// Think returns the message with thoughts in one of the fields, and in no other; an empty name drops them.
func (m Message) Think(field, thoughts string) Message {
	m.ReasoningContent, m.Reasoning, m.Thinking = "", "", ""
	switch field {
	case FieldReasoningContent:
		m.ReasoningContent = thoughts
	case FieldReasoning:
		m.Reasoning = thoughts
	case FieldThinking:
		m.Thinking = thoughts
	}
	return m
}

// thoughtsRead finds where a template reads one of the fields of a message: m.reasoning_content, m['reasoning'],
// 'thinking' in m, or .Thinking in the templates of Ollama.
var thoughtsRead = regexp.MustCompile(`(?:\.|['"])(?:[Tt]hinking|reasoning(?:_content)?)\b['"]?`)

// ReadsThoughts reports whether the text of a chat template reads what an assistant has thought.
func ReadsThoughts(template string) bool { return thoughtsRead.MatchString(template) }
