// Package wire holds what every request is made of, whoever makes or reads it: messages, and the APIs that take them.
//
// It is a leaf, so that plans, templates, tables of engines and the client speak of one type. The simulator has its
// own: it shares no code with the client that it is to judge.
package wire

// Message is one message as it goes on the wire.
type Message struct {
	Role    string `json:"role"` // system, user or assistant
	Content string `json:"content"`
}

// API is the endpoint that a request is for, in the word of a profile.
type API string

// The APIs.
const (
	Chat        API = "chat"        // OpenAI's chat completions: messages, and the server applies the template
	Completions API = "completions" // OpenAI's text completions: one text, its template applied by homellm
	Ollama      API = "ollama"      // Ollama's own chat
)
