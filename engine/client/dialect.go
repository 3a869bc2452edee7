package client

import (
	"net/http"
	"net/url"
	"strings"

	"homellm/engine/wire"
)

// dialect is one API: how to request a completion and how to read the reply. Its functions are pure; framing, time
// and transport are the same for all.
type dialect struct {
	Name wire.API // what [Config].API says
	Doc  string

	url    func(base *url.URL) *url.URL
	encode func(to *url.URL, cfg *Config, p Prompt) (*http.Request, error)
	decode func(data []byte, c *chunk) error
}

// dialects lists every dialect. To add one, write a file and add a line here.
var dialects = []dialect{
	{wire.Chat, "OpenAI chat completions, as nearly every server speaks them", openAIURL("/chat/completions"), encodeChat,
		decodeOpenAI},
	{wire.Completions, "OpenAI text completions: the prompt is one text, its template applied by the caller",
		openAIURL("/completions"), encodeText, decodeOpenAI},
	{wire.Ollama, "Ollama's own chat API: newline-delimited JSON, with the server's own durations", ollamaURL,
		encodeOllama,
		decodeOllama},
	{wire.Responses, "OpenAI responses: items in, events that say their type out", openAIURL("/responses"),
		encodeResponses, decodeResponses},
	{wire.LMStudio, "LM Studio's own chat API: a system prompt and questions in, named events and statistics out",
		lmStudioURL, encodeLMStudio, decodeLMStudio},
	{wire.Messages, "Anthropic's messages: blocks in and out, and a prompt counted in parts", openAIURL("/messages"),
		encodeMessages, decodeMessages},
}

// openAIURL appends path to the base; a base without a path gets the usual /v1.
func openAIURL(path string) func(*url.URL) *url.URL {
	return func(base *url.URL) *url.URL {
		root := strings.TrimRight(base.Path, "/")
		if root == "" {
			root = "/v1"
		}
		return &url.URL{Scheme: base.Scheme, Host: base.Host, Path: root + path}
	}
}
